"""The system calls of a server by the kernel's own tracepoints, which stop no thread (`perf_event_open(2)`).

Theory of operation: raw_syscalls:sys_enter and sys_exit write the number of each call, its arguments and its result
into rings, for the threads of a process and all that they start. The arguments are numbers: what a pointer points to
is not there, no address of a peer, no set of a poll, no mask of an epoll. So a connection is named by the descriptor
that accept returned, until that is closed; a poll of several descriptors stands for one of all connections; and
`/proc/PID/fdinfo`, read meanwhile, says how an epoll watches a descriptor. What is known is put as strace would.
"""

import errno
import os
import platform
import struct
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from iolab.errors import ServerFailed
from iolab.kernel import perf, tracepoints
from iolab.xrays import processes
from iolab.xrays.facts import ACCEPTS, FLAGS, RECEIVES, SENDS
from iolab.xrays.syscalls import Syscall

ENTER, EXIT = "raw_syscalls:sys_enter", "raw_syscalls:sys_exit"
ROOM_BYTES, LEAST_BYTES = 128 << 20, 1 << 20
"""All rings together, some 800,000 calls; and the least that a CPU has."""

TRIES, CALLS = 5, 2000

NUMBERS = """
read:0 write:1 open:2 close:3 stat:4 fstat:5 lstat:6 poll:7 lseek:8 rt_sigaction:13 rt_sigprocmask:14 ioctl:16
pread64:17 pwrite64:18 readv:19 writev:20 pipe:22 select:23 sched_yield:24 dup:32 dup2:33 nanosleep:35
sendfile:40 socket:41 connect:42 accept:43 sendto:44 recvfrom:45 sendmsg:46 recvmsg:47 shutdown:48 bind:49
listen:50 getsockname:51 getpeername:52 socketpair:53 setsockopt:54 getsockopt:55 clone:56 fork:57 vfork:58
execve:59 exit:60 wait4:61 kill:62 fcntl:72 ftruncate:77 rt_sigtimedwait:128 rt_sigsuspend:130 tkill:200
futex:202 io_getevents:208 io_submit:209 epoll_create:213 getdents64:217 clock_nanosleep:230 exit_group:231
epoll_wait:232 epoll_ctl:233 tgkill:234 waitid:247 openat:257 newfstatat:262 pselect6:270 ppoll:271 splice:275
epoll_pwait:281 signalfd:282 eventfd:284 timerfd_settime:286 accept4:288 eventfd2:290 epoll_create1:291 dup3:292
pipe2:293 preadv:295 pwritev:296 recvmmsg:299 sendmmsg:307 statx:332 io_uring_setup:425 io_uring_enter:426
io_uring_register:427 clone3:435 close_range:436 epoll_pwait2:441
"""
NAMES = {int(number): name for name, _, number in (each.partition(":") for each in NUMBERS.split())}
"""The traced calls of x86-64, by number."""

ON_DESCRIPTOR = {
    *ACCEPTS, *RECEIVES, *SENDS, "close", "ioctl", "fcntl", "pread64", "pwrite64", "setsockopt", "getsockopt",
    "shutdown", "getsockname", "getpeername", "epoll_ctl", "epoll_wait", "epoll_pwait", "io_uring_enter", "listen",
}  # fmt: skip
CLONE_THREAD, NONBLOCK, ASYNC = 0x10000, 0o4000, 0o20000
F_SETFL, F_SETSIG, FIONBIO, FIOASYNC, TCP_NODELAY = 4, 10, 0x5421, 0x5452, (6, 1)
_BODY = struct.Struct("=IIQI4xI")  # process, thread, time, CPU, size of the raw data
_ENTER, _EXIT = struct.Struct("=8xq6Q"), struct.Struct("=8xqq")
_SAMPLE = perf.SAMPLE_TID | perf.SAMPLE_TIME | perf.SAMPLE_CPU | perf.SAMPLE_RAW


class Entry(NamedTuple):
    """A call that has begun: when, its number, its arguments, and what its first descriptor stands for."""

    at_ns: int
    number: int
    arguments: Sequence[int]
    target: str = ""


class Events:
    """The calls of a process and all below it from now on. Raise OSError if the kernel refuses."""

    name = "tracepoints"
    cpu_s = 0.0

    def __init__(self, pid: int, room_bytes: int = ROOM_BYTES) -> None:
        self._pid, pids = pid, processes.family(pid)
        points = [tracepoints.find(name) for name in (ENTER, EXIT)]
        self._numbers = [point.number for point in points if point]
        self.masks: dict[tuple[int, int], int] = {}
        self._handed: dict[tuple[int, int], str] = {}
        """By process and descriptor: connections that no accept of the process brought, but a message (`unix(7)`)."""
        self.process_of = processes.threads_of(pids)
        self._names = {pid: dict(processes.sockets_of(pid)) for pid in pids}
        self._rings = perf.Rings(dict.fromkeys(perf.cpus(), perf.share_bytes(room_bytes, LEAST_BYTES)))
        try:
            for thread in self.process_of:
                with suppress(ProcessLookupError):
                    for number in self._numbers:
                        self._rings.add(perf.attributes(perf.TRACEPOINT, number, _SAMPLE, perf.INHERIT, 1), thread)
        except BaseException:
            self._rings.close()
            raise
        self._begun = {thread: entry for thread in self.process_of if (entry := self._sleeps_in(thread))}
        self._calls: list[Syscall] = []

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return bool(processes.status(self._pid))

    def family(self) -> list[int]:
        """Return the processes that are watched, and look how their epolls watch."""
        pids = processes.family(self._pid)
        for pid in pids:
            self.masks |= {(pid, number): mask for number, mask in processes.interest_of(pid).items()}
            self._handed |= {(pid, number): name for number, name in processes.sockets_of(pid)}
        return pids

    def refusal(self) -> Exception:
        """Return the error for a process that has ended."""
        return ServerFailed("the server ended while it was watched")

    def stop(self) -> None:
        """End the recording."""
        self._calls = self._read()

    def calls(self) -> list[Syscall]:
        """Return the calls in the order in which they began; complete once `stop` was called."""
        return sorted(self._calls, key=lambda call: call.start_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rings.close()

    def _sleeps_in(self, thread: int) -> Entry | None:
        """Return the call that a thread is in, which began before."""
        with suppress(OSError, ValueError, IndexError):
            words = Path(f"/proc/{self.process_of[thread]}/task/{thread}/syscall").read_text().split()
            arguments = [int(word, 16) for word in words[1:7]]
            name = self._names[self.process_of[thread]].get(arguments[0], "")
            return Entry(time.monotonic_ns(), int(words[0]), arguments, name)
        return None

    def _read(self) -> list[Syscall]:
        rings = self._rings.read()
        ends_ns = [_BODY.unpack_from(ring.records[-1].body)[2] for ring in rings if ring.full and ring.records]
        until_ns = min(ends_ns, default=1 << 63)
        samples = (record.body for ring in rings for record in ring.records if record.kind == perf.RECORD_SAMPLE)
        rows = sorted(((*_BODY.unpack_from(body)[:3], body[_BODY.size :]) for body in samples), key=lambda row: row[2])
        return list(self._pair(row for row in rows if row[2] <= until_ns))

    def _pair(self, rows: Iterator[tuple[int, int, int, bytes]]) -> Iterator[Syscall]:
        offset_ns = time.time_ns() - time.monotonic_ns()
        forks = self._pid
        for process, thread, at_ns, raw in rows:
            self.process_of[thread] = process
            if process not in self._names:
                self._names[process] = dict(self._names.get(forks, {}))
            if struct.unpack_from("=H", raw)[0] == self._numbers[0]:
                number, *arguments = _ENTER.unpack_from(raw)
                name = NAMES.get(number, "")
                target = self._name(process, arguments[0] & 0xFFFFFFFF) if name in ON_DESCRIPTOR else ""
                if name == "close":
                    self._names[process].pop(arguments[0], None)
                forks = process if name in ("clone", "fork", "vfork") else forks
                self._begun[thread] = Entry(at_ns + offset_ns, number, arguments, target)
            elif entry := self._begun.pop(thread, None):
                number, result = _EXIT.unpack_from(raw)
                if number == entry.number and number in NAMES:
                    yield self._call(process, thread, entry, at_ns + offset_ns, result)

    def _name(self, process: int, descriptor: int) -> str:
        return self._names[process].get(descriptor) or self._handed.get((process, descriptor), "")

    def _call(self, process: int, thread: int, entry: Entry, end_ns: int, result: int) -> Syscall:
        name, opened = NAMES[entry.number], ""
        error = (errno.errorcode.get(-result) or "ERESTARTSYS") if -4096 < result < 0 else ""
        if name in ACCEPTS and not error:
            port = entry.target.rpartition(":")[2].rstrip("]") or "0"
            opened = self._names[process][result] = f"TCP:[here:{port}->{end_ns}]"
        descriptor = entry.arguments[0] & 0xFFFFFFFF if name in ON_DESCRIPTOR else None
        return Syscall(
            thread, name, entry.at_ns / 1e9, end_ns / 1e9, self._arguments(process, name, entry.arguments),
            -1 if error else result, error, descriptor, entry.target, opened,
        )  # fmt: skip

    def _arguments(self, process: int, name: str, numbers: Sequence[int]) -> str:
        """Return what is known of the arguments, as strace would have it."""
        first, second, third, fourth = numbers[:4]
        if name == "epoll_ctl":
            operation = {1: "ADD", 2: "DEL", 3: "MOD"}.get(second, "?")
            return f"4<>, EPOLL_CTL_{operation}, {third}<>, {{events={self._events(process, third)}, data=0}}"
        if name in ("poll", "ppoll", "select", "pselect6"):
            polls, most = name.endswith("poll"), second if name.endswith("poll") else first
            names = self._names[process] if most > 1 else {}
            members = [f"fd={each}<>" if polls else f"{each}<>" for each in names if polls or each < most]
            return f"{most}, [{' '.join(members)}]"
        if name == "accept4":
            return "SOCK_NONBLOCK" if fourth & NONBLOCK else ""
        if name == "fcntl":
            flags = "|O_NONBLOCK" * bool(third & NONBLOCK) + "|O_ASYNC" * bool(third & ASYNC)
            return {F_SETFL: f"F_SETFL, O_RDWR{flags}", F_SETSIG: "F_SETSIG"}.get(second, "")
        if name == "ioctl":
            return {FIONBIO: "FIONBIO, [1]", FIOASYNC: "FIOASYNC"}.get(second, "")
        if name == "setsockopt":
            return "TCP_NODELAY" if (second, third) == TCP_NODELAY else ""
        threads = name == "clone3" or (name == "clone" and first & CLONE_THREAD)  # fork is clone, of a C library
        return "CLONE_THREAD" if threads else ""

    def _events(self, process: int, descriptor: int) -> str:
        """Return how an epoll watches a descriptor; of one that nobody looked at, as it watches most others."""
        mask = self.masks.get((process, descriptor))
        if mask is None:
            common = Counter(mask for (_, number), mask in self.masks.items() if self._is_connection(number))
            mask = max(common, key=lambda each: common[each], default=FLAGS["EPOLLIN"])
        return "|".join(name for name, bit in FLAGS.items() if mask & bit) or "0"

    def _is_connection(self, descriptor: int) -> bool:
        return any("->" in names.get(descriptor, "") for names in self._names.values())


def why_not() -> str | None:
    """Say why a server cannot be watched so, or return None."""
    if platform.machine() != "x86_64":
        return f"the numbers of system calls are not known here for {platform.machine()}"
    if why := perf.unsupported():
        return why
    if not tracepoints.find(ENTER):
        return "tracefs is not mounted" if os.geteuid() == 0 else "only root may read tracefs here"
    try:
        with Events(os.getpid(), LEAST_BYTES):
            return None
    except OSError as error:
        return perf.refusal(error)


def cost_us() -> float:
    """Return what the tracepoints add to a call, by one of this process that does nothing."""

    def time_ns() -> int:
        start_ns = time.perf_counter_ns()
        for _ in range(CALLS):
            os.getppid()
        return time.perf_counter_ns() - start_ns

    plain_ns = min(time_ns() for _ in range(TRIES))
    with Events(os.getpid(), ROOM_BYTES // 8):
        traced_ns = min(time_ns() for _ in range(TRIES))
    return max(0.0, (traced_ns - plain_ns) / CALLS / 1e3)
