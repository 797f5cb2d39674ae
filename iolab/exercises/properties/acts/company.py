"""Acts of tasks that do all sorts of things on one loop, and the books on what the loop owes each of them."""

from typing import Any


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


def throng(loop: Any, draw: Any, tasks_of: Any = Company) -> str:
    """Have 40 tasks whose sockets always have more, for as long as each of them wants a turn."""
    tasks = tasks_of(loop, draw)
    for _ in range(40):
        tasks.spawn(tasks.spin("recv"))
    loop.run()
    return str(next(iter(tasks.faults), ""))
