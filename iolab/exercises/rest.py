"""What holds of a server at rest: its CPU, its wake-ups, its sockets, its memory, its threads, the calls it sleeps in.

Every bound is on what the server itself does, so that a busy machine changes none of them: CPU time, not time; switches
that a thread asked for; descriptors that are open. What must come to an end may take as long as the server does
anything (`Patience`); what must not happen counts if it happens three times in a row.
"""

import re
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from iolab.exercises.peers import Patience, Peer, Violated
from iolab.exercises.sandbox import watch
from iolab.exercises.sandbox.confined import MIB
from iolab.exercises.trial import Trial

IDLE_SHARE, WINDOW_S, WINDOWS = 0.01, 0.2, 3
WAKES, WAKES_PER_S = 3, 15
"""Wake-ups in a window, at rest, that may be no chance, and in a second that are none."""

GROWTH_BYTES, CLIENT_BYTES = 16 * MIB, MIB // 4
"""How much memory may be added in all, and for each client that is there."""

FROZEN_BYTES = 16 * MIB
"""How much memory may be added in all while many clients do not read, and replies are as long as requests."""

THREAD_NS = 20_000
"""CPU time that threads may have used that are gone; none starts and ends for so little."""

RESTARTS = ("system call 219", "system call 128")
"""restart_syscall(2): what a call with a timeout is named after the process was stopped."""

PHRASES = {"sleep": "a sleep", "timeout": "a socket's call with a timeout", "running": "nothing"}


@dataclass(frozen=True)
class Invariants:
    """What is looked at wherever a story settles."""

    idle: bool = False
    descriptors: bool = False
    memory: bool = True
    waits_in: frozenset[str] = frozenset()
    """The calls that its threads may sleep in; none: any."""
    one_thread: bool = False
    operations: bool = False
    """Whether it receives and sends by no calls of its own."""
    idle_when_full: bool = False
    """Whether it does nothing when its descriptors have run out."""
    model: str = ""


class Rest:
    """The books on what a server holds; they begin once it has answered a first client, who stays."""

    def __init__(self, trial: Trial, invariants: Invariants, stack: ExitStack) -> None:
        self._trial, self._invariants = trial, invariants
        self._restless = False
        self._bystander = stack.enter_context(Peer(trial))
        self.ask()
        self.wait()
        self._sockets, self._all = count_sockets(trial.pid), watch.count_descriptors(trial.pid)
        self._resident = watch.measure_largest_bytes(trial.pid)
        self._threads = read_threads(trial.pid)
        self._ended_ns = self._measure_ended_ns()

    def expect(self, clients: int, owing: int, *, full: bool = False) -> None:
        """Raise Violated unless the server is at rest as one is that serves so many clients, and owes some of them.

        It is full if it has no descriptor for another one.
        """
        self.ask()
        self.wait()
        self._expect_operations()
        if full and self._invariants.idle_when_full:
            expect_idle(self._trial, "when descriptors have run out and nobody asks", owing)
        self._expect_memory(clients, owing)
        if self._invariants.descriptors:
            self._expect_descriptors(clients)
        if self._invariants.idle:
            self._expect_idle(owing)
        if self._invariants.one_thread:
            self._expect_one_thread(owing)
        if self._invariants.waits_in:
            self._expect_calls(owing)
        if not self._trial.alive():
            raise Violated(f"the server did not stay alive: {self._trial.describe_end()}")

    def ask(self) -> None:
        """Have the first client ask, and expect its reply."""
        request = self._trial.draw.randbytes(20)
        self._bystander.ask(request, "a client that reads what it is owed")

    def wait(self) -> None:
        """Wait until it does nothing, or half a second; never again for one that never rests."""
        if self._restless:
            return
        before, end_s = self._trial.read_motion(), time.monotonic() + 0.5
        while time.monotonic() < end_s:
            time.sleep(0.01)
            now = self._trial.read_motion()
            if now and now == before:
                return
            before = now
        self._restless = not self._invariants.idle

    def _expect_memory(self, clients: int, owing: int) -> None:
        grown = watch.measure_largest_bytes(self._trial.pid) - self._resident
        if self._invariants.memory and grown > GROWTH_BYTES + (clients + owing * 8) * CLIENT_BYTES:
            raise Violated(f"the server's memory had grown by {grown / MIB:.0f} MiB, with {clients} clients connected")

    def _expect_operations(self) -> None:
        calls = self._trial.notes.calls if self._trial.notes else None
        if self._invariants.operations and calls:
            name, times = calls.most_common(1)[0]
            raise Violated(
                f"the server called `{name}` on a connection itself ({times} time{'s' * (times > 1)}); "
                f"this exercise asks for {self._invariants.model}"
            )

    def expect_frozen(self, clients: int) -> None:
        """Raise Violated if more was added than so many clients may cost that ask on and on, and read nothing."""
        grown = watch.measure_largest_bytes(self._trial.pid) - self._resident
        if grown > FROZEN_BYTES:
            raise Violated(
                f"the server's memory had grown by {grown / MIB:.0f} MiB while {clients} clients asked and read "
                "nothing; stop reading from a client while you owe it bytes"
            )

    def _expect_descriptors(self, clients: int) -> None:
        patience = Patience(self._trial)
        while more := self._count_leaks(clients):
            if patience.over():
                raise Violated(f"{more} descriptors of clients that had left were never closed")
            time.sleep(0.01)

    def _count_leaks(self, clients: int) -> int:
        sockets = count_sockets(self._trial.pid) - self._sockets - clients
        if sockets <= 0:  # what a message holds that nobody receives is in no list of descriptors
            sockets = count_half_open(self._trial.address[1]) - clients
        if len(watch.list_family(self._trial.pid)) > 1 or clients:
            return max(sockets, 0)  # a process that is forked has a copy of every descriptor
        return max(sockets, watch.count_descriptors(self._trial.pid) - self._all, 0)

    def _expect_idle(self, owing: int) -> None:
        if owing:
            expect_idle(self._trial, f"while it owes {owing} client{'s' * (owing > 1)} that read nothing", owing)
        else:
            expect_idle(self._trial, "while nobody asks")

    def _expect_one_thread(self, owing: int) -> None:
        model, now = self._invariants.model, read_threads(self._trial.pid)
        # What a library starts when it is imported is there before, and does nothing.
        busy = [each for each in now if now[each] != self._threads.get(each)]
        if len(busy) > 1:
            raise Violated(
                f"{len(busy)} threads or processes do the server's work{' while it owes' * bool(owing)}; "
                f"this exercise asks for {model}"
            )
        ended_ns = self._measure_ended_ns() - self._ended_ns
        if ended_ns > THREAD_NS or count_children(self._trial.pid):
            raise Violated(
                f"a thread or process did some of the server's work and ended; this exercise asks for {model}"
            )

    def _measure_ended_ns(self) -> int:
        if not self._restless:
            return measure_ended_ns(self._trial.pid)
        with self._trial.pause():  # of a thread that runs, the kernel counts anew only when it stops
            time.sleep(0.005)
            return measure_ended_ns(self._trial.pid)

    def _expect_calls(self, owing: int) -> None:
        seen: Counter[str] = Counter()
        for _ in range(5):
            seen.update(name_calls(self._trial.pid, self._threads))
            time.sleep(0.004)
        wrong = [name for name, times in seen.most_common() if times > 2 and name not in self._invariants.waits_in]
        if wrong:
            when = "while it owes bytes" if owing else "while nobody asks"
            raise Violated(
                f"the server waits in {PHRASES.get(wrong[0], f'`{wrong[0]}`')} {when}; "
                f"this exercise asks for {self._invariants.model}"
            )


def expect_idle(trial: Trial, when: str, owing: int = 0) -> None:
    """Raise Violated if the server uses 1 % of a CPU or wakes up again and again, in window after window."""
    for _ in range(WINDOWS):
        before, wakes, share = watch.list_family(trial.pid), count_wakes(trial.pid), trial.measure_cpu_share(WINDOW_S)
        wakes, new = count_wakes(trial.pid) - wakes, set(watch.list_family(trial.pid)) - set(before)
        if share < IDLE_SHARE and wakes < WAKES and not new:
            return
    if new:
        raise Violated(f"the server starts processes {when}")
    if share >= IDLE_SHARE:
        raise Violated(f"the server uses {share:.0%} of a CPU {when}{name_cause(trial, owing)}")
    wakes, begin_s = count_wakes(trial.pid), time.monotonic()
    time.sleep(0.5)
    wakes_per_s = (count_wakes(trial.pid) - wakes) / (time.monotonic() - begin_s)
    if wakes_per_s > WAKES_PER_S:
        raise Violated(
            f"the server wakes up {wakes_per_s:.0f} times a second {when}; let the call that it waits in "
            "tell it when there is something to do"
        )


def has_limit(pid: int) -> bool:
    """Say whether a thread of a process or its descendants is seen in a wait that ends by itself."""
    for _ in range(5):
        if any(call and watch.has_limit(call) for call in watch.list_calls(pid)):
            return True
        time.sleep(0.02)
    return False


def name_calls(pid: int, before: dict[int, int]) -> set[str]:
    """Return the names of the calls that threads of a process and its descendants sleep in now.

    Threads that have done nothing since `before` are left out: a library may start some when it is imported.
    """
    now = read_threads(pid)
    tasks = [(each, task) for each, task in _list_tasks(pid) if now.get(task) != before.get(task)]
    calls = [watch.read_call(each, task) for each, task in tasks]
    return {_name_call(call) for call in calls if call and call.name not in RESTARTS}


def _name_call(call: watch.SystemCall) -> str:
    # To wait for one descriptor without a limit is no timeout of a socket.
    endless = call.name == "timeout" and call.arguments[2] & 0xFFFFFFFF == 0xFFFFFFFF
    return "poll" if endless else call.name


def name_cause(trial: Trial, owing: int) -> str:
    """Say which connections epoll watches for room to write though nothing is owed to them; nothing if none."""
    level = [
        events
        for events in watch.read_interest(trial.pid).values()
        if events & watch.EPOLLOUT and not events & watch.EPOLLET
    ]
    if len(level) <= owing:
        return ""
    return f"; it watches {len(level)} connections for room to write: do so only while you owe them bytes"


def count_sockets(pid: int) -> int:
    """Return how many sockets a process and its descendants hold; one that several hold counts once."""
    return len({link for each in watch.list_family(pid) for link in read_links(each) if link.startswith("socket:")})


def count_half_open(port: int) -> int:
    """Return how many connections to a port were closed by the client alone (CLOSE_WAIT, `proc_net_tcp(5)`)."""
    rows = (line.split() for line in watch.read("/proc/thread-self/net/tcp").splitlines()[1:])
    return sum(row[3] == "08" and int(row[1].rpartition(":")[2], 16) == port for row in rows)


def read_links(pid: int) -> list[str]:
    """Return what the descriptors of a process lead to, as the kernel names it."""
    links = []
    for number in watch.list_folder(f"/proc/{pid}/fd"):
        try:
            links.append(str(Path(f"/proc/{pid}/fd/{number}").readlink()))
        except OSError:  # closed meanwhile
            continue
    return links


def read_pending(pid: int) -> list[int]:
    """Return the operations that wait in the rings of a process, by their numbers (linux/io_uring.h)."""
    rings = [
        number
        for number in watch.list_folder(f"/proc/{pid}/fd")
        if "SqMask" in watch.read(f"/proc/{pid}/fdinfo/{number}")
    ]
    texts = "".join(watch.read(f"/proc/{pid}/fdinfo/{number}") for number in rings)
    return [int(number) for number in re.findall(r"op=(\d+)", texts)]


def count_wakes(pid: int) -> int:
    """Return how often threads of a process and its descendants went to sleep by themselves (`proc_pid_status(5)`)."""
    return sum(count_wakes_of(each) for each in watch.list_family(pid))


def count_wakes_of(pid: int) -> int:
    """Return how often threads of one process went to sleep by themselves."""
    texts = (watch.read(f"/proc/{pid}/task/{task}/status") for task in watch.list_threads(pid))
    lines = (line.split() for text in texts for line in text.splitlines())
    return sum(int(words[1]) for words in lines if words and words[0] == "voluntary_ctxt_switches:")


def read_threads(pid: int) -> dict[int, int]:
    """Return the CPU time of each thread of a process and its descendants, in ns (`proc_pid_schedstat(5)`)."""
    texts = {task: watch.read(f"/proc/{each}/task/{task}/schedstat").split() for each, task in _list_tasks(pid)}
    return {task: int(words[0]) for task, words in texts.items() if words}


def measure_ended_ns(pid: int) -> int:
    """Return the CPU time of threads that have ended: what the process used, less what those used that are left."""
    left = sum(read_threads(pid).values())
    return watch.measure_cpu_ns(pid) - left


def count_children(pid: int) -> int:
    """Return the page faults of children that have ended and were waited for: none, if there were none."""
    columns = watch.read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(columns[8]) if columns else 0


def _list_tasks(pid: int) -> list[tuple[int, int]]:
    return [(each, task) for each in watch.list_family(pid) for task in watch.list_threads(each)]
