"""Acts of tasks that sleep: not too short, not too long, and till the same moment."""

from typing import Any


def find_clocks() -> list[tuple[dict[str, Any], str, Any]]:
    """Return the clocks of Python, in its own module and by whatever name in the learner's: place, name, function."""
    import time

    clocks, places = (time.monotonic, time.time, time.perf_counter), (vars(time), globals())
    pairs = [(each, name, value) for each in places for name, value in each.items()]
    return [(each, name, value) for each, name, value in pairs if any(value is clock for clock in clocks)]


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
