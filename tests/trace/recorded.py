"""Record a timeline and write it down as JSON, for a test that runs this under strace."""

import json
import sys

from iolab.api import timeline

model, connections, requests = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
made = timeline(model, connections=connections, requests=requests, think_s=0.002)
rows = [(call.name, call.connection, call.result, call.thread) for call in made]
print(json.dumps(rows))
