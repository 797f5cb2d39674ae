"""Acts: what tasks of the judge's do on the learner's loop, in one process with it; each returns what went wrong.

The text of this module is a program that is run behind the learner's (`child.load_answer`): `Loop` is the learner's
class. So every function has all that it needs in itself or as an argument. Each act has a loop of its own, and takes
its numbers from a generator of the judge's.
"""

from __future__ import annotations

from typing import Any


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


def rounds(loop: Any, draw: Any) -> str:
    """Have tasks that are always ready take turns."""
    steps: list[int] = []

    def step(number: int) -> Any:
        for _ in range(20):
            steps.append(number)
            yield from loop.sleep(0)

    for number in draw.sample(range(3), 3):
        loop.spawn(step(number))
    loop.run()
    return "" if len(set(steps[:9])) == 3 else "three tasks that sleep 0 s again and again should take turns"


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


def turns(loop: Any, draw: Any) -> str:
    """Have one task that is always ready, and others that wait for time and for bytes."""
    import socket
    import time

    ended: list[str] = []
    one, other = socket.socketpair()

    def spin() -> Any:
        end_s = time.monotonic() + 1
        while len(ended) < 2 and time.monotonic() < end_s:
            yield from loop.sleep(0)
        ended.append("spinner")

    def wait_for_time() -> Any:
        yield from loop.sleep(0.02)
        ended.append("sleeper")

    def wait_for_bytes() -> Any:
        yield from loop.recv(one, 10)
        ended.append("reader")

    one.setblocking(False)
    with one, other:
        for task in draw.sample((spin(), wait_for_time(), wait_for_bytes()), 3):
            loop.spawn(task)
        other.send(b"bytes")
        loop.run()
    others = " and ".join(f"one that waits for {'time' if each == 'sleeper' else 'bytes'}" for each in ended[1:])
    return "" if ended[-1] == "spinner" else f"a task that sleeps 0 s again and again let {others} have no turn"


def busy(loop: Any, draw: Any) -> str:
    """Have one task that receives and never has to wait, and one that sleeps meanwhile."""
    import socket
    import time

    woke: list[bool] = []
    received: list[bool] = []
    one, other = socket.socketpair()

    def receive() -> Any:
        end_s = time.monotonic() + 1
        while not woke and time.monotonic() < end_s:
            other.send((yield from loop.recv(one, 10)))
        received.append(True)

    def wait_for_time() -> Any:
        yield from loop.sleep(0.02)
        woke.append(not received)

    one.setblocking(False)
    with one, other:
        other.send(b"more")
        for task in draw.sample((receive(), wait_for_time()), 2):
            loop.spawn(task)
        loop.run()
    return "" if woke == [True] else "a task whose client always has more to ask let one that sleeps have no turn"


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


def resets(loop: Any, draw: Any) -> str:
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


def closings(loop: Any, draw: Any) -> str:
    """Receive and send on a connection that its own task has closed: that one ends, and another one does not."""
    import socket

    ended: list[str] = []
    one, other = socket.socketpair()
    one.setblocking(False)
    one.close()

    def sleep() -> Any:
        yield from loop.sleep(0.002)
        ended.append("sleeper")

    def call(task: Any) -> Any:
        try:
            yield from task
        finally:
            ended.append("caller")

    for task in draw.sample((call(loop.recv(one, 100)), call(loop.send(one, b"bytes")), sleep()), 3):
        loop.spawn(task)
    with other:
        loop.run()
    right = sorted(ended) == ["caller", "caller", "sleeper"]
    return "" if right else "two tasks used a connection that was closed, a third one slept, and not all three ended"


def raisers(loop: Any, draw: Any) -> str:
    """Have tasks raise, before and after they wait, spawned from outside and by one that goes on."""
    ended: list[str] = []
    kinds = [ValueError, KeyboardInterrupt, StopIteration, GeneratorExit, RuntimeError, LookupError, BaseException]

    def raise_at_once(kind: Any) -> Any:
        yield from ()
        raise kind("this task of the judge's raises on purpose")

    def raise_later(kind: Any) -> Any:
        yield from loop.sleep(draw.choice((0, 0.002)))
        raise kind("this task of the judge's raises on purpose")

    def go_on() -> Any:
        for kind in draw.sample(kinds, len(kinds)):
            loop.spawn(raise_at_once(kind))
            loop.spawn(raise_later(kind))
            yield from loop.sleep(0.001)
        ended.append("this one")

    loop.spawn(raise_at_once(ValueError))
    loop.spawn(go_on())
    loop.run()
    return "" if ended else "tasks raised, and the one that had spawned them did not go on"


def far(loop: Any, _: Any, find: Any = find_clocks) -> str:
    """Have a task sleep for an hour while clocks go faster, and one leave by SystemExit."""
    woke: list[str] = []
    clocks = find()

    def sleep_long() -> Any:
        yield from loop.sleep(3600)
        woke.append("woke")

    def hurry() -> Any:
        yield from loop.sleep(0.001)
        for place, name, clock in clocks:
            place[name] = lambda clock=clock: clock() + 1_000
        for _ in range(3):
            yield from loop.sleep(0.001)
        raise SystemExit

    loop.spawn(sleep_long())
    loop.spawn(hurry())
    try:
        loop.run()
        return "a task raised SystemExit, and `run` did not"
    except SystemExit:
        return "a task that should sleep 3,600 s woke after 1,000 s" if woke else ""
    finally:
        for place, name, clock in clocks:
            place[name] = clock


ACTS = {
    each.__name__: each
    for each in (
        *(empty, crowd, naps, ties, rounds, late, turns, busy, far),
        *(duplex, leftovers, resets, closings, raisers),
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
                says = acts[name](globals()["Loop"](), random.Random(seed)) or "fine"
            except BaseException as error:
                says = f"`run` raised {type(error).__name__}: {error}"
            connection.sendall(respond(says.encode()))
