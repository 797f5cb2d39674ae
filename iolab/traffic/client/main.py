"""What the process does, from its work to its records."""

import gc
import json
import sys
import time

from .control import hear, say, settle
from .loop import Load


def main() -> None:
    """Hear the work, connect, do it, and hand back what was written down."""
    told = hear()
    if not told:  # the parent is gone
        return
    work = json.loads(told)
    settle(work["parent"], work["cpu"])
    load = Load(work)
    before_ns = time.perf_counter_ns()
    try:
        load.connect()
    except OSError as error:
        say(failed=str(error))
        return
    say(ready={"connect_ns": time.perf_counter_ns() - before_ns})
    gc.disable()  # nothing here makes cycles, and a collection would be somebody's latency
    heard = hear()
    load.quiet, load.stopped = heard == b"go quietly\n", not heard.startswith(b"go")
    if not load.stopped:
        load.run()
    hand_back(load)


def hand_back(load: Load) -> None:
    """Say how it went, and write the bytes of the columns."""
    columns = dict(load.columns())
    say(
        done={
            "columns": [[name, column.typecode, len(column)] for name, column in columns.items()],
            "errors": load.errors,
            "examples": load.examples,
            "stopped": load.stopped,
            "start_ns": load.start_ns,
            "end_ns": load.end_ns,
            "cpu_ns": load.cpu_ns,
        }
    )
    for column in columns.values():
        sys.stdout.buffer.write(column)
    sys.stdout.buffer.flush()
