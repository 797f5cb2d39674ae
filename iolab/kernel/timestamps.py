"""When the bytes of a `recv` arrived, by the kernel's own receive stamp.

Linux stamps a segment as it enters the network stack, and hands the stamp out beside the
data (SO_TIMESTAMPING; Documentation/networking/timestamping.rst). No privilege is needed.
"""

import socket
import struct
import sys
import time

SO_TIMESTAMPING = 37
RX_SOFTWARE, REPORT_SOFTWARE = 1 << 3, 1 << 4
OPTION = (socket.SOL_SOCKET, SO_TIMESTAMPING, RX_SOFTWARE | REPORT_SOFTWARE) if sys.platform == "linux" else None
"""What `setsockopt` is told to get stamps; None where there are none."""

_STAMP = struct.Struct("@ll")
ROOM_BYTES = socket.CMSG_SPACE(3 * _STAMP.size) if hasattr(socket, "CMSG_SPACE") else 0
"""What to leave for the stamp in a `recvmsg`; the end of file has none."""


def enable(connection: socket.socket) -> bool:
    """Ask for receive stamps on a connection; return whether the kernel agreed."""
    if OPTION is None:
        return False
    try:
        connection.setsockopt(*OPTION)
    except OSError:
        return False
    return True


def arrival_ns(stamp: bytes) -> int | None:
    """Return when the data arrived, on CLOCK_REALTIME; None for a stamp that says nothing."""
    seconds, ns = _STAMP.unpack_from(stamp)
    return (seconds * 1_000_000_000 + ns) or None


def offset_ns() -> int:
    """Return what turns CLOCK_REALTIME into `perf_counter_ns`, by the closest of nine readings."""
    readings = []
    for _ in range(9):
        before, real, after = time.perf_counter_ns(), time.time_ns(), time.perf_counter_ns()
        readings.append((after - before, (before + after) // 2 - real))
    return min(readings)[1]
