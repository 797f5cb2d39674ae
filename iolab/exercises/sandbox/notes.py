"""The calls by which a confined process receives and sends, told by the kernel as they are made.

Theory of operation

A look at what a thread sleeps in (`watch`) does not see a call that never sleeps. A filter of system calls may hand
a call to another process before it is made (`seccomp_unotify(2)`): the answer's process installs such a filter for
those that move bytes, sends the descriptor of its listener to the judge and closes it, all before the answer's text is
run. The judge notes the call and lets it go on. So it costs something only where such a call is made, some 0.1 ms; and
what io_uring does costs nothing, since the kernel makes no call of it.

Whose bytes they are, the descriptor tells: the judge looks at what it leads to, and counts connections to the trial's
port alone. Pipes, files and pairs of sockets are the answer's own business, and so is what the helper threads of aio(7)
do: these block all signals.
"""

import ctypes
import fcntl
import os
import platform
import select
import struct
from collections import Counter

from iolab.exercises.sandbox import watch

PR_SET_NO_NEW_PRIVS, SET_MODE_FILTER, NEW_LISTENER = 38, 1, 1 << 3
SECCOMP = {"x86_64": 317, "aarch64": 277}
RECEIVE, ANSWER, GO_ON = 0xC0502100, 0xC0182101, 1
NOTE, REPLY = struct.Struct("=QIIiIQ6Q"), struct.Struct("=QqiI")  # struct seccomp_notif, seccomp_notif_resp
TO_LISTENER, ALLOW = 0x7FC00000, 0x7FFF0000
MOVES = ("read", "write", "recv", "send", "splice")
TARGETS = {"splice": (0, 2)}
"""Which arguments are descriptors, where not the first alone."""


def install(line: int) -> int | None:
    """Have the kernel tell of each call that moves bytes; return the listener, or None where there is none.

    Not of those on one descriptor, a number that the answer cannot have: by it the listener is sent.
    """
    number = SECCOMP.get(platform.machine())
    if number is None:
        return None
    numbers = [each for each, name in watch.NAMES.items() if name in MOVES]
    program = [(0x20, 0, 0, 16), (0x15, 0, 1, line), (0x06, 0, 0, ALLOW)]  # the first argument
    program += [(0x20, 0, 0, 0)]  # the number of the call
    program += [(0x15, len(numbers) - place, 0, each) for place, each in enumerate(numbers)]
    program += [(0x06, 0, 0, ALLOW), (0x06, 0, 0, TO_LISTENER)]
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in program))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(text)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    listener: int = libc.syscall(number, SET_MODE_FILTER, NEW_LISTENER, ctypes.byref(head))
    return listener if listener >= 0 else None


class Notes:
    """The judge's side: how often each call was made on a connection to a port by threads that are no helpers."""

    def __init__(self, listener: int, port: int) -> None:
        self._listener, self._port = listener, port
        self._connections: dict[str, bool] = {}
        self.calls: Counter[str] = Counter()

    def take(self) -> None:
        """Note all calls, and let them go on, until the process has ended with all that it started."""
        ready = select.poll()
        ready.register(self._listener, select.POLLIN)
        while not any(events & (select.POLLHUP | select.POLLERR) for _, events in ready.poll()):
            note = bytearray(NOTE.size)
            try:
                fcntl.ioctl(self._listener, RECEIVE, note)
            except OSError:  # its thread ended meanwhile
                continue
            number, task, _, call, _, _, *arguments = NOTE.unpack(note)
            try:
                self._look(task, watch.NAMES[call], arguments)
            finally:
                self._go_on(number)
        os.close(self._listener)

    def _go_on(self, number: int) -> None:
        try:
            fcntl.ioctl(self._listener, ANSWER, REPLY.pack(number, 0, 0, GO_ON))
        except OSError:  # as above
            pass

    def _look(self, task: int, name: str, arguments: list[int]) -> None:
        descriptors = (arguments[each] & 0xFFFFFFFF for each in TARGETS.get(name, (0,)))
        if any(self._is_connection(task, each) for each in descriptors) and not watch.blocks_signals(task, task):
            self.calls[name] += 1

    def _is_connection(self, task: int, descriptor: int) -> bool:
        try:
            target = os.readlink(f"/proc/{task}/fd/{descriptor}")  # noqa: PTH115
        except OSError:
            return False
        if not target.startswith("socket:"):
            return False
        if target not in self._connections:
            self._connections[target] = target[8:-1] in watch.list_connections(self._port)
        return self._connections[target]
