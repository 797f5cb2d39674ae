"""Wrong answers at the limits that the tasks name, or that the kernel has.

These are descriptors, the end, bytes that go past the ring, EPIPE, IOV_MAX, an end of file behind a full buffer, waits
of a few milliseconds, which a busy machine may hide, and resets in a chat: a server that sees them before it passes a
line on does nothing wrong, and which comes first is chance, or hangs on the load.
"""

from pathlib import Path

from tests.exercises.corpus.blind import read

ANSWERS = [read(file, "limits") for file in sorted(Path(__file__).parent.glob("*/*.py"))]
