"""What the process does, from its work to its records."""

import gc
import json
import sys
import time

from .control import hear, say, settle
from .journal import Journal
from .loop import Loop


def main() -> None:
    """Hear what the work is, connect, do it, and hand back the journal."""
    line = hear()
    if not line:  # the parent is gone
        return
    work = json.loads(line)
    settle(work["parent"], work["cpu"])
    loop = Loop(Journal(work))
    before_ns = time.perf_counter_ns()
    try:
        loop.connect()
    except OSError as error:
        say(failed=str(error))
        return
    say(ready={"connect_ns": time.perf_counter_ns() - before_ns})
    gc.disable()  # nothing here makes cycles, and a collection would add to some latency
    order = hear()
    loop.quiet, loop.stopped = order == b"go quietly\n", not order.startswith(b"go")
    if not loop.stopped:
        loop.run()
    hand_back(loop)


def hand_back(loop: Loop) -> None:
    """Say how it went, and write the bytes of the columns."""
    journal, columns = loop.journal, loop.journal.columns()
    say(
        done={
            "columns": [[name, column.typecode, len(column)] for name, column in columns.items()],
            "errors": journal.errors,
            "examples": journal.examples,
            "stopped": loop.stopped,
            "reopened": journal.reopened,
            "fits": journal.fits,
            "start_ns": journal.start_ns,
            "end_ns": journal.end_ns,
            "cpu_ns": loop.cpu_ns,
        }
    )
    for column in columns.values():
        sys.stdout.buffer.write(column)
    sys.stdout.buffer.flush()
