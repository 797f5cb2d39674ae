"""Acts: what tasks of the judge's do on the learner's loop, in one process with it; each returns what went wrong.

The text of this module is a program that is run behind the learner's (`child.load_answer`): `Loop` is the learner's
class. So every function has all that it needs in itself or as an argument. Each act has a loop of its own, and takes
its numbers from a generator of the judge's.
"""

from __future__ import annotations

from typing import Any

CLIENTS = 20
"""Clients that have connected before a task accepts them."""


def find_clocks() -> list[tuple[dict[str, Any], str, Any]]:
    """Return the clocks of Python, in its own module and by whatever name in the learner's: place, name, function."""
    import time

    clocks, places = (time.monotonic, time.time, time.perf_counter), (vars(time), globals())
    pairs = [(each, name, value) for each in places for name, value in each.items()]
    return [(each, name, value) for each, name, value in pairs if any(value is clock for clock in clocks)]


def empty(loop: Any, _: Any) -> str:
    """Run a loop without tasks, and one whose only task ends at once."""
    ended = []

    def end_at_once() -> Any:
        yield from ()
        ended.append(True)

    loop.run()
    loop.spawn(end_at_once())
    loop.run()
    return "" if ended else "a loop that has run can run a task that is spawned then: this one never began"


def pair(loop: Any, draw: Any) -> str:
    """Give two loops tasks before either of them runs, and run one after the other."""
    ran: list[int] = []

    def note(number: int, own: Any) -> Any:
        yield from own.sleep(0)
        ran.append(number)

    loops = draw.sample((loop, globals()["Loop"]()), 2)
    for number in draw.sample((0, 1, 0, 1), 4):
        loops[number].spawn(note(number, loops[number]))
    for each in loops:
        each.run()
    says = "two loops had two tasks each and ran one after the other: each must run its own tasks, and no others"
    return "" if ran == [0, 0, 1, 1] else says


def beforehand(loop: Any, draw: Any) -> str:
    """Have tasks wait for what was called outside of any task, or by another task."""
    import socket

    one, other = socket.socketpair()
    ended = []

    def wait(early: Any) -> Any:
        yield from early
        ended.append(early)

    def call_for_others() -> Any:
        for early in (loop.sleep(0.002), loop.sleep(0)):
            loop.spawn(wait(early))
        yield from loop.sleep(0.001)
        ended.append(None)

    with one, other:
        one.setblocking(False)
        other.send(b"tea")
        early = [wait(loop.sleep(0)), wait(loop.sleep(0.001)), wait(loop.recv(one, 3)), call_for_others()]
        for task in draw.sample(early, len(early)):
            loop.spawn(task)
        loop.run()
    says = f"six tasks waited for what had been called before they began, or by another task, and {len(ended)} went on"
    return "" if len(ended) == 6 else says


def crowd(loop: Any, draw: Any) -> str:
    """Have tasks start others, which start others; some sleep, some have nothing to wait for."""
    ended: list[int] = []

    def work(depth: int) -> Any:
        for _ in range(3 if depth else 0):
            loop.spawn(work(depth - 1))
        for seconds in draw.sample((0, 0.001, 0.0023, 0.004), draw.randrange(3)):
            yield from loop.sleep(seconds)
        ended.append(depth)

    for _ in range(3):
        loop.spawn(work(4))
    loop.run()
    return "" if len(ended) == 363 else f"of 363 tasks that started one another, {len(ended)} had ended when `run` did"


def naps(loop: Any, draw: Any) -> str:
    """Sleep for all sorts of times; nobody wakes early, and everybody wakes."""
    import time

    early: list[tuple[float, float]] = []
    ended: list[float] = []
    lengths = [draw.uniform(0.0003, 0.03) for _ in range(20)]

    def sleep_each(mine: list[float]) -> Any:
        for seconds in mine:
            begin_s = time.perf_counter()
            yield from loop.sleep(seconds)
            slept_s = time.perf_counter() - begin_s
            if slept_s < seconds - 0.00005:
                early.append((seconds, slept_s))
            ended.append(seconds)

    for number in range(8):
        loop.spawn(sleep_each(lengths[number:] + lengths[:number]))
        loop.spawn(sleep_each(lengths[:3]))  # those of one number sleep for as long, and began in the same turn
    loop.run()
    if early:
        return f"a task that should sleep {early[0][0] * 1000:.2f} ms woke after {early[0][1] * 1000:.2f} ms"
    return "" if len(ended) == 8 * 23 else f"of {8 * 23} sleeps only {len(ended)} had ended when `run` did"


def ties(loop: Any, draw: Any, find: Any = find_clocks) -> str:
    """Have tasks sleep until the very same moment, on clocks that stand still in between."""
    ended: list[int] = []

    def sleep(number: int) -> Any:
        yield from loop.sleep(0.1)
        ended.append(number)

    clocks = find()
    for place, name, clock in clocks:
        place[name] = lambda clock=clock: clock() // 0.05 * 0.05
    try:
        for number in draw.sample(range(8), 8):
            loop.spawn(sleep(number))
        loop.run()
    finally:
        for place, name, clock in clocks:
            place[name] = clock
    return "" if len(ended) == 8 else f"of eight tasks whose sleeps ended together, {len(ended)} woke"


def late(loop: Any, _: Any) -> str:
    """Sleep for so long as was asked, and not for much longer each time."""
    import time

    slept_s: list[float] = []

    def sleep() -> Any:
        for _ in range(10):
            begin_s = time.perf_counter()
            yield from loop.sleep(0.005)
            slept_s.append(time.perf_counter() - begin_s)

    loop.spawn(sleep())
    loop.run()
    return "" if min(slept_s) < 0.04 else "a sleep of 5 ms took 40 ms or more, ten times out of ten"


class Company:
    """Tasks that do all sorts of things on one loop, and the books on what the loop owes each of them.

    For each task that waits stands here what it waits for, how to see that it can go on, and for how many calls of
    each other one it could. A sleep counts as over once the process has computed for longer.
    """

    def __init__(self, loop: Any, draw: Any) -> None:
        import itertools
        import time

        self.loop, self.draw, self.now, self.used = loop, draw, time.perf_counter, time.process_time
        self.numbers = itertools.count()
        self.waits: dict[int, tuple[str, Any]] = {}
        self.counts: dict[tuple[int, int], int] = {}
        self.spawns, self.ended = 0, 0
        self.faults: list[str] = []

    def call(self, number: int, what: str, generator: Any, reason: str = "", can_go_on: Any = bool) -> Any:
        """Make a call for a task, and see who else could have gone on when it comes back."""
        self.waits[number] = reason, can_go_on
        result = yield from generator
        self.come_back(number, what)
        return result

    def come_back(self, number: int, what: str) -> None:
        """Forget that a task waits, and count its call for all who wait and need not."""
        del self.waits[number]
        self.counts = {pair: count for pair, count in self.counts.items() if pair[0] != number}
        for other, (reason, can_go_on) in self.waits.items():
            if can_go_on():
                count = self.counts[other, number] = self.counts.get((other, number), 0) + 1
                if count > 12:  # of more than ten, one may have begun before, and one may be the last
                    self.faults.append(
                        f"a task that could go on, since {reason}, had to wait for more than ten calls of `{what}` "
                        "of another one"
                    )

    def sleep(self, number: int, seconds: float) -> Any:
        """Sleep, and not for less than that."""
        begin_s = self.now()
        due_s = self.used() + seconds + (0.03 if seconds else 0)  # CPU time: a busy machine takes none of it
        yield from self.call(
            number, "sleep", self.loop.sleep(seconds), "its sleep was over", lambda: self.used() > due_s
        )
        slept_s = self.now() - begin_s
        if slept_s < seconds - 0.00005:
            self.faults.append(f"a task that should sleep {seconds * 1000:.2f} ms woke after {slept_s * 1000:.2f} ms")

    def recv(self, number: int, sock: Any, size: int) -> Any:
        """Receive, and no more than that."""
        import select

        def can_go_on() -> bool:
            return bool(select.select([sock], [], [], 0)[0])

        data = yield from self.call(
            number, "recv", self.loop.recv(sock, size), "there was something to receive", can_go_on
        )
        if len(data) > size:
            self.faults.append(f"`recv` with a size of {size} returned {len(data)} bytes")
        return data

    def send(self, number: int, sock: Any, data: bytes) -> Any:
        """Send what the kernel has room for."""
        yield from self.call(number, "send", self.loop.send(sock, data))

    def spawn(self, work: Any) -> None:
        """Spawn a task, which must not begin before this returns."""
        number, self.spawns = next(self.numbers), self.spawns + 1
        inside = [True]

        def begin() -> Any:
            if inside:
                self.faults.append("`spawn` began a task itself, before `run` came to it")
            if number in self.waits:
                self.come_back(number, "spawn")
            yield from work(number)
            self.ended += 1

        self.waits[number] = "it was spawned", lambda: True
        self.loop.spawn(begin())
        inside.clear()

    def spin(self, kind: str) -> Any:
        """Return a task that never has to wait, for longer than a sleep may be late."""

        def work(number: int) -> Any:
            import socket

            one, other = socket.socketpair()
            one.setblocking(False)
            with one, other:
                end_s = self.used() + 0.045
                while self.used() < end_s:
                    if kind == "sleep":
                        yield from self.sleep(number, 0)
                    elif kind == "send":
                        yield from self.send(number, one, b"a piece")
                        other.recv(100)
                    else:
                        other.send(b"more")
                        yield from self.recv(number, one, 100)

        return work

    def live(self, number: int) -> Any:
        """Do a few things in any order: sleep, compute, have a child, receive by and by, wait for bytes."""
        import socket

        deeds = [self.nap, self.tire, self.be_patient, self.sip, self.sip, self.wait_for_child]
        one, other = socket.socketpair()
        one.setblocking(False)
        with one, other:
            for deed in self.draw.sample(deeds, len(deeds)):
                yield from deed(number, one, other)
            yield from self.hear_last(number, one, other)
            if (yield from self.recv(number, one, 10)):
                self.faults.append("`recv` returned bytes at the end of file")

    def hear_last(self, number: int, one: Any, other: Any) -> Any:
        """Wait for bytes that arrive together with the end of file."""
        text, received = self.draw.randbytes(self.draw.randrange(1, 40)), b""

        def leave(child: int) -> Any:
            yield from self.sleep(child, self.draw.choice((0, 0.001)))
            other.send(text)
            other.close() if self.draw.random() < 0.5 else other.shutdown(1)  # SHUT_WR

        self.spawn(leave)
        while data := (yield from self.recv(number, one, self.draw.randrange(1, 20))):
            received += data
        if received != text:
            count = f"{len(received)} of {len(text)} bytes"
            self.faults.append(f"a task that waited in `recv` got {count} that came together with the end of file")

    def nap(self, number: int, *_: Any) -> Any:
        """Sleep for a while."""
        yield from self.sleep(number, self.draw.uniform(0.0003, 0.004))

    def tire(self, number: int, *_: Any) -> Any:
        """Compute for so long that a clock that was read before is wrong, and sleep."""
        end_s = self.now() + 0.002
        while self.now() < end_s:
            pass
        yield from self.sleep(number, self.draw.uniform(0.0003, 0.002))

    def be_patient(self, number: int, *_: Any) -> Any:
        """Let others have a turn again and again."""
        for _turn in range(self.draw.randrange(1, 20)):
            yield from self.sleep(number, 0)

    def sip(self, number: int, one: Any, other: Any) -> Any:
        """Receive what is there, a part each time, perhaps with a sleep in between."""
        text, received = self.draw.randbytes(self.draw.randrange(1, 40)), b""
        other.send(text)
        while len(received) < len(text):
            received += yield from self.recv(number, one, self.draw.randrange(1, 20))
            if self.draw.random() < 0.1:
                yield from self.sleep(number, 0.001)
        if received != text:
            self.faults.append("a task received other bytes than those that were sent to it")

    def wait_for_child(self, number: int, one: Any, other: Any) -> Any:
        """Wait for bytes that a child sends later, and raises then."""

        def feed(child: int) -> Any:
            yield from self.sleep(child, self.draw.choice((0, 0, 0.001)))
            other.send(b"milk")
            self.ended += 1
            raise LookupError("this task of the judge's raises on purpose")

        self.spawn(feed)
        yield from self.sip_rest(number, one, 4)

    def sip_rest(self, number: int, one: Any, count: int) -> Any:
        """Receive so many bytes."""
        while count > 0:
            count -= len((yield from self.recv(number, one, count)))


def company(loop: Any, draw: Any, tasks_of: Any = Company) -> str:
    """Have tasks do all sorts of things, twice on one loop, while three others never have to wait."""
    tasks = tasks_of(loop, draw)
    for _ in range(2):
        for work in draw.sample([*[tasks.live] * 6, *map(tasks.spin, ("sleep", "send", "recv"))], 9):
            tasks.spawn(work)
        loop.run()
        if tasks.faults:
            return str(tasks.faults[0])
        if tasks.ended < tasks.spawns:
            return f"of {tasks.spawns} tasks that did all sorts of things, {tasks.ended} had ended when `run` did"
    return ""


class Refusals:
    """Errors that accept(2) lists: `listening.accept()` raises three of them, one of them several times in a row."""

    ROW = 6

    def __init__(self, draw: Any, clients: int) -> None:
        import errno

        from iolab.listening import ListeningSocket

        network = ["EPROTO", "ENETDOWN", "ENOPROTOOPT", "EHOSTDOWN", "ENONET", "EHOSTUNREACH", "EOPNOTSUPP"]
        others = ["EPERM", "ETIMEDOUT", "ENOBUFS", "ENOMEM", "ENOSR"]
        names = draw.choice(network), *draw.sample(others, 2)
        times = draw.sample((self.ROW, 1, 1), 3)
        rows = [[name] * count for name, count in zip(names, times, strict=True)]
        self.due = dict(zip(draw.sample(range(clients), 3), rows, strict=True))
        self.refused_s: float | None = None
        self.rests_s: list[float] = []
        self.number_of = {name: getattr(errno, name) for name in names}
        self.place: Any = ListeningSocket
        self.accept, self.count, self.last = ListeningSocket.accept, 0, ""

    def __enter__(self) -> Any:
        self.place.accept = lambda listening: self.refuse_or_accept(listening)
        return self

    def __exit__(self, *_: object) -> None:
        self.place.accept = self.accept

    def refuse_or_accept(self, listening: Any) -> Any:
        """Raise what is due before this client, or return the client."""
        import time

        if self.refused_s is not None:
            self.rests_s.append(time.monotonic() - self.refused_s)
            self.refused_s = None
        if row := self.due.get(self.count):
            self.last, self.refused_s = row.pop(), time.monotonic()
            raise OSError(self.number_of[self.last], "the judge has `accept` fail")
        result = self.accept(listening)
        self.count += 1
        return result

    def rests_for_long(self) -> bool:
        """Return whether it rested for far more than 0.1 s, three times in a row; a busy machine may do so once."""
        threes = zip(self.rests_s, self.rests_s[1:], self.rests_s[2:], strict=False)
        return max(map(min, threes), default=0) > 0.3


def accepts(loop: Any, draw: Any, listening: Any, clients: int = CLIENTS, refusals_of: Any = Refusals) -> str:
    """Have one task accept many clients that are there, in spite of errors, and another one take turns meanwhile."""
    accepted: list[Any] = []
    turns, over = [0], []

    def accept() -> Any:
        try:
            while len(accepted) < clients:
                accepted.append((yield from loop.accept(listening)))
        finally:
            over.append(True)

    def take_turns() -> Any:
        while not over:
            turns.append(len(accepted))
            yield from loop.sleep(0)

    listening.setblocking(False)
    for task in draw.sample((accept(), take_turns()), 2):
        loop.spawn(task)
    with refusals_of(draw, clients) as refusals:
        loop.run()
    for connection in accepted:
        connection.close()
    if len(accepted) < clients:
        return f"`listening.accept()` raised an OSError ({refusals.last}), and `accept` did not go on after it"
    if refusals.rests_for_long():
        rests = ", ".join(f"{each:.1f}" for each in refusals.rests_s)
        return f"after errors of `listening.accept()`, `accept` rested for {rests} s: it may rest for 0.1 s each time"
    most = max(after - before for before, after in zip(turns, [*turns[1:], len(accepted)], strict=True))
    says = f"a task that slept 0 s had to wait for {most} calls of `accept` of another one, which never had to wait"
    return says if most > 12 else ""


def duplex(loop: Any, draw: Any) -> str:
    """Have one task receive on a socket on which another one is sending."""
    import socket

    seen: list[Any] = []
    one, other = socket.socketpair()
    size = draw.randrange(1 << 20, 1 << 21)

    def send_much() -> Any:
        yield from loop.send(one, b"m" * size)
        seen.append("all is sent")

    def receive() -> Any:
        seen.append((yield from loop.recv(one, 100)))
        loop.spawn(read_much())

    def ask() -> Any:
        yield from loop.sleep(0.005)
        yield from loop.send(other, b"")
        yield from loop.send(other, b"a question")

    def read_much() -> Any:
        count = 0
        while count < size:
            count += len((yield from loop.recv(other, 1 << 16)))
        seen.append(count)

    one.setblocking(False)
    other.setblocking(False)
    with one, other:
        for task in draw.sample((send_much(), receive(), ask()), 3):
            loop.spawn(task)
        loop.run()
    right = seen[0] == b"a question" and set(seen[1:]) == {"all is sent", size}
    return "" if right else "one task sent on a socket while another one received on it, and they did not both end"


def leftovers(loop: Any, draw: Any) -> str:
    """Receive a part of what is there, close the socket, and receive on another one of the same number."""
    import socket

    received: list[bytes] = []

    def receive(sock: Any, size: int) -> Any:
        with sock:
            received.append((yield from loop.recv(sock, size)))

    for text in (b"the first one's bytes", b"the other one's bytes"):
        one, other = socket.socketpair()
        one.setblocking(False)
        with other:
            other.send(text)
            size = draw.randrange(3, 8)
            loop.spawn(receive(one, size))
            loop.run()
        if received.pop() != text[:size]:
            return "`recv` gave bytes of a connection that was closed before, whose descriptor had the same number"
    return ""


def reset_three(loop: Any, draw: Any) -> str:
    """Receive and send on connections that are reset; the task that asked is told."""
    import socket

    seen: list[str] = []

    def expect_error(name: str, call: Any) -> Any:
        try:
            yield from call
            seen.append(f"`{name}` returned")
        except Exception as error:
            seen.append("" if isinstance(error, OSError) else f"`{name}` raised {type(error).__name__}")

    def reset_later(sock: Any) -> Any:
        yield from loop.sleep(0.005)
        sock.close()

    pairs = [socket.socketpair() for _ in range(3)]
    for one, _ in pairs:
        one.send(b"unread, so that closing the other end resets this one")
        one.setblocking(False)
    pairs[0][1].close()
    pairs[1][1].close()
    tasks = [expect_error("recv", loop.recv(pairs[0][0], 100)), reset_later(pairs[2][1])]
    tasks += [expect_error("send", loop.send(pairs[number][0], b"x" * (1 << 22))) for number in (1, 2)]
    for task in draw.sample(tasks, len(tasks)):
        loop.spawn(task)
    loop.run()
    for one, _ in pairs:
        one.close()
    if says := next(filter(None, seen), ""):
        return f"a connection was reset, and {says}; it should raise an OSError in the task that asked"
    return "" if len(seen) == 3 else f"of 3 tasks on connections that were reset, {len(seen)} were told"


def resets(loop: Any, draw: Any, reset: Any = reset_three) -> str:
    """Have connections reset again and again on one loop: what it keeps of the first must not hurt the others."""
    return next(filter(None, (reset(loop, draw) for _ in range(3))), "")


def use_closed(loop: Any, draw: Any) -> str:
    """Receive and send on three connections that are closed, twice each: each call is told, and a sleeper goes on."""
    import socket

    ended: list[str] = []
    pairs = [socket.socketpair() for _ in range(3)]

    def sleep() -> Any:
        yield from loop.sleep(0.002)
        ended.append("sleeper")

    def call(name: str, one: Any) -> Any:
        for _ in range(2):
            try:
                yield from (loop.recv(one, 100) if name == "recv" else loop.send(one, b"bytes"))
                ended.append("one that was told nothing")
            except (OSError, ValueError):
                ended.append("caller")
            except Exception as error:
                ended.append(f"one that was told {type(error).__name__}")

    tasks = [sleep()]
    for one, other in pairs:
        one.setblocking(False)
        one.close()
        other.close()
        tasks += [call("recv", one), call("send", one)]
    for task in draw.sample(tasks, len(tasks)):
        loop.spawn(task)
    loop.run()
    if odd := [each for each in ended if each.startswith("one")]:
        return f"tasks used connections that were closed, and should be told by an OSError each time: {odd[0]} ended"
    right = sorted(ended) == ["caller"] * 12 + ["sleeper"]
    return "" if right else "tasks used connections that were closed, another one slept, and not all of them ended"


def closings(loop: Any, draw: Any, use: Any = use_closed) -> str:
    """Receive and send, again and again, on connections that their own tasks have closed; others go on."""
    return next(filter(None, (use(loop, draw) for _ in range(2))), "")


def raisers(loop: Any, draw: Any) -> str:
    """Have tasks raise, before and after they wait, spawned from outside and by one that goes on."""
    ended: list[str] = []
    kinds = [ValueError, KeyboardInterrupt, StopIteration, GeneratorExit, RuntimeError, LookupError, BaseException]

    def group(says: str) -> BaseException:
        return BaseExceptionGroup(says, [KeyboardInterrupt(says), ValueError(says)])

    def raise_at_once(kind: Any) -> Any:
        yield from ()
        raise kind("this task of the judge's raises on purpose")

    def raise_later(kind: Any) -> Any:
        yield from loop.sleep(draw.choice((0, 0.002)))
        raise kind("this task of the judge's raises on purpose")

    def go_on() -> Any:
        for kind in draw.sample([*kinds, group], len(kinds) + 1):
            loop.spawn(raise_at_once(kind))
            loop.spawn(raise_later(kind))
            yield from loop.sleep(0.001)
        ended.append("this one")

    loop.spawn(raise_at_once(ValueError))
    loop.spawn(go_on())
    loop.run()
    return "" if ended else "tasks raised, and the one that had spawned them did not go on"


def make_odd_kinds() -> list[Any]:
    """Return kinds of exceptions that raise when one looks at them: as text, as a truth value, or compares them."""

    def refuse(*_: Any) -> Any:
        raise LookupError("an exception of the judge's does not want to be looked at")

    hooks = (("__str__",), ("__repr__",), ("__str__", "__repr__"), ("__eq__", "__hash__"), ("__bool__", "__len__"))
    bases = (Exception, OSError, BaseException)
    return [type("Odd", (base,), dict.fromkeys(names, refuse)) for names in hooks for base in bases]


def oddities(loop: Any, draw: Any, make_kinds: Any = make_odd_kinds) -> str:
    """Have tasks raise exceptions that raise when one looks at them."""
    import sys

    ended: list[str] = []
    sys.unraisablehook = lambda _: None

    def raise_odd(kind: Any, seconds: float | None) -> Any:
        if seconds is not None:
            yield from loop.sleep(seconds)
        raise kind("this task of the judge's raises on purpose")

    def go_on() -> Any:
        kinds = make_kinds()
        for kind in draw.sample(kinds, len(kinds)):
            loop.spawn(raise_odd(kind, draw.choice((None, 0, 0.001))))
            yield from loop.sleep(0)
        yield from loop.sleep(0.002)
        ended.append("this one")

    loop.spawn(go_on())
    loop.run()
    return "" if ended else "tasks raised exceptions whose `__str__` and the like raise, and another one did not go on"


def keeping(loop: Any, _: Any) -> str:
    """Have many tasks raise, each with something in its frame; the loop must let go of it."""
    import gc
    import weakref

    class Load:
        """Stands for a megabyte."""

    kept: Any = weakref.WeakSet()
    counts: list[int] = []

    def raise_with_load(waits: bool) -> Any:
        load = Load()
        kept.add(load)
        if waits:
            yield from loop.sleep(0)
        raise ValueError("this task of the judge's raises on purpose")

    def count() -> Any:
        for number in range(60):
            loop.spawn(raise_with_load(number % 2 == 0))
            yield from loop.sleep(0)
        for _ in range(20):
            yield from loop.sleep(0)
        gc.collect()
        counts.append(len(kept))

    loop.spawn(count())
    loop.run()
    if not counts:
        return "tasks raised, and the one that had spawned them did not go on"
    says = f"60 tasks had raised, and the loop still kept {counts[0]} of them, with all that their frames hold"
    return says if counts[0] > 16 else ""


class Burst:
    """Forty tasks that become ready in one moment, beside a busy one that counts its calls from then on."""

    SIZE = 40

    def __init__(self, loop: Any, draw: Any, kind: str) -> None:
        import socket

        self.loop, self.draw, self.kind = loop, draw, kind
        self.calls, self.waited = 0, [0][:0]
        self.pairs = [socket.socketpair() for _ in range(self.SIZE if kind in ("recv", "send") else 0)]
        self.own = socket.socketpair()
        for one, other in (*self.pairs, self.own):
            one.setblocking(False)
            other.setblocking(False)

    def fill(self, one: Any) -> None:
        """Fill what the kernel keeps for a socket."""
        try:
            while True:
                one.send(bytes(1 << 16))
        except BlockingIOError:
            pass

    def wait(self, number: int) -> Any:
        """Wait for what `let_go` does, and note how many calls the busy task has made since."""
        if self.kind == "recv":
            yield from self.loop.recv(self.pairs[number][0], 100)
        elif self.kind == "send":
            yield from self.loop.send(self.pairs[number][0], b"the last bytes")
        elif self.kind == "sleep":
            yield from self.loop.sleep(0.02)
        self.waited.append(self.calls)

    def let_go(self) -> None:
        """Make all tasks ready."""
        import time

        end_s = time.perf_counter() + 0.06  # each sleep is over then, and as late as it may be
        while self.kind == "sleep" and time.perf_counter() < end_s:
            pass
        for number in range(self.SIZE if self.kind == "spawn" else 0):
            self.loop.spawn(self.wait(number))
        for _, other in self.pairs:
            if self.kind == "recv":
                other.send(b"bytes")
            else:
                self.drain(other)

    def drain(self, other: Any) -> None:
        """Read all that is there."""
        try:
            while other.recv(1 << 20):
                pass
        except BlockingIOError:
            pass

    def keep_busy(self) -> Any:
        """Make calls that need not wait: until all others wait, and for long after they are ready."""
        for begun in range(100):
            if begun == 20:
                self.let_go()
                self.calls = 0
            if self.draw.random() < 0.5:
                yield from self.loop.sleep(0)
            else:
                self.own[1].send(b"more")
                yield from self.loop.recv(self.own[0], 100)
            self.calls += 1

    def run(self) -> str:
        """Run the loop, and say who had to wait for too long."""
        tasks = [self.keep_busy()]
        for number in range(self.SIZE if self.kind != "spawn" else 0):
            if self.kind == "send":
                self.fill(self.pairs[number][0])
            tasks.append(self.wait(number))
        for task in self.draw.sample(tasks, len(tasks)):
            self.loop.spawn(task)
        self.loop.run()
        for one, other in (*self.pairs, self.own):
            one.close()
            other.close()
        if len(self.waited) < self.SIZE:
            return f"of {self.SIZE} tasks that became ready at once, {len(self.waited)} had gone on when `run` returned"
        says = f"{self.SIZE} tasks became ready at once ({self.kind}), and the last had to wait for {max(self.waited)}"
        return f"{says} calls of another one, more than ten" if max(self.waited) > 12 else ""


def bursts(loop: Any, draw: Any, burst_of: Any = Burst) -> str:
    """Have many tasks become ready in one moment, for every cause, on one loop."""
    says = (str(burst_of(loop, draw, kind).run()) for kind in draw.sample(("sleep", "recv", "send", "spawn"), 4))
    return next(filter(None, says), "")


def far(loop: Any, _: Any, find: Any = find_clocks) -> str:
    """Have a task sleep for an hour while clocks go faster, and one leave by SystemExit."""
    import socket

    woke: list[str] = []
    clocks = find()
    one, other = socket.socketpair()
    one.setblocking(False)

    def sleep_long() -> Any:
        yield from loop.sleep(3600)
        woke.append("woke")

    def hurry() -> Any:
        yield from loop.sleep(0.001)
        for place, name, clock in clocks:
            place[name] = lambda clock=clock: clock() + 1_000
        for _ in range(20):  # no sleeps: the loop may have kept a clock that does not go faster
            other.send(b"more")
            yield from loop.recv(one, 100)
        raise SystemExit

    loop.spawn(sleep_long())
    loop.spawn(hurry())
    says = "a task raised SystemExit, and `run` did not"
    try:
        loop.run()
    except* SystemExit:
        says = "a task that should sleep 3,600 s woke after 1,000 s" if woke else ""
    finally:
        for place, name, clock in clocks:
            place[name] = clock
    return says


class Leaver:
    """One round of `exits`: tasks in every state, which will not simply end, and one that raises SystemExit."""

    def __init__(self, loop: Any, draw: Any, cause: str) -> None:
        import socket

        self.loop, self.draw, self.cause = loop, draw, cause
        self.exits: list[BaseException] = []
        self.pairs = [socket.socketpair() for _ in range(3)]
        self.tasks: list[Any] = []
        for one, _ in self.pairs:
            one.setblocking(False)

    def leave(self, says: str) -> None:
        """Raise SystemExit, and take note of it."""
        self.exits.append(SystemExit(says))
        raise self.exits[-1]

    def refuse(self, number: int) -> Any:
        """Do what a task may do in its `finally`: wait, send, have a child, leave itself, raise, or never end."""
        if number == 0:
            yield from self.loop.sleep(self.draw.choice((0, 3600)))
        elif number == 1:
            yield from self.loop.send(self.pairs[2][0], b"one last word")
        elif number == 2:
            self.loop.spawn(self.wait(0, 3))
        elif number == 3:
            self.leave("a task of the judge's leaves because it is closed")
        elif number == 4:
            raise self.draw.choice((ValueError, KeyboardInterrupt, GeneratorExit))("raised as the task is closed")
        while number == 5:
            yield from self.loop.sleep(0)

    def wait(self, state: int, number: int) -> Any:
        """Wait for what does not come."""
        try:
            if state == 0:
                yield from self.loop.sleep(3600)
            elif state == 1:
                yield from self.loop.recv(self.pairs[0][0], 100)
            elif state == 2:
                yield from self.loop.send(self.pairs[1][0], bytes(1 << 22))
            while True:
                yield from self.loop.sleep(0)
        finally:
            yield from self.refuse(number)

    def end(self) -> Any:
        """Wait until all others do, and raise SystemExit; the other one that does is not waited for."""
        yield from self.loop.sleep(0.003)
        if self.cause == "recv":
            self.pairs[2][1].send(b"leave")
            yield from self.loop.recv(self.pairs[2][0], 100)
        elif self.cause == "error":
            self.pairs[2][1].close()
            try:
                yield from self.loop.send(self.pairs[2][0], b"to one that is gone")
            except OSError:
                self.leave("a task of the judge's leaves when the other side has gone")
        elif self.cause == "child":
            self.loop.spawn(self.end_at_once())
            yield from self.loop.sleep(3600)
        self.leave("a task of the judge's leaves")

    def end_at_once(self) -> Any:
        """Raise SystemExit before it waits for anything."""
        yield from ()
        self.leave("a task of the judge's leaves at once")

    def run(self) -> str:
        """Run the loop, and say what is wrong with how it ended."""
        numbers = self.draw.sample(range(6), 5)
        self.tasks = [self.wait(state, number) for state, number in zip((0, 1, 2, 3, 3), numbers, strict=True)]
        for task in self.draw.sample([*self.tasks, self.end(), self.end()], 7):
            self.loop.spawn(task)
        says = "a task raised SystemExit while others waited, and `run` returned"
        try:
            self.loop.run()
        except BaseException as error:
            leaves = [error]
            for each in leaves:
                leaves += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
            if any(each is self.exits[0] for each in leaves if self.exits):
                return ""
            kind = "another SystemExit" if isinstance(error, SystemExit) else type(error).__name__
            says = f"a task raised SystemExit while others waited, and `run` raised {kind} in place of it"
        return says


def exits(loop: Any, draw: Any, leaver_of: Any = Leaver) -> str:
    """Have a task raise SystemExit for every cause, while others wait, are ready, and do much when they are closed."""
    import sys

    sys.unraisablehook = lambda _: None  # of tasks that refuse when they are forgotten
    for cause in draw.sample(("sleep", "recv", "error", "child"), 4):
        leaver = leaver_of(type(loop)(), draw, cause)
        if says := leaver.run():
            return str(says)
    return ""


ACTS = {
    each.__name__: each
    for each in (
        *(empty, pair, beforehand, crowd, naps, ties, late, company, accepts, far, exits),
        *(duplex, leftovers, resets, closings, raisers, oddities, keeping, bursts),
    )
}


def serve(listening: Any, respond: Any, acts: Any = ACTS) -> None:
    """Do what clients ask for: an act by its name, with numbers drawn from a seed."""
    import random

    while True:
        connection, _ = listening.accept()
        with connection:
            name, seed = connection.recv(100).decode().split()
            try:
                more = [listening] if name == "accepts" else []
                says = acts[name](globals()["Loop"](), random.Random(seed), *more) or "fine"
            except BaseException as error:
                says = f"`run` raised {type(error).__name__}: {error}"
            connection.sendall(respond(says.encode()))
