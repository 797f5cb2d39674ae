"""Acts of tasks that receive and send: both at once, in small bites, after a reset, after a close."""

from typing import Any


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
    import contextlib
    import socket

    received: list[bytes] = []
    left: list[int] = []

    def receive(sock: Any, size: int) -> Any:
        with sock:
            received.append((yield from loop.recv(sock, size)))
            with contextlib.suppress(BlockingIOError):
                left.append(len(sock.recv(100, socket.MSG_PEEK)))

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
        if left != [len(text) - size]:
            return f"of {len(text)} bytes, `recv` with a size of {size} took more from the socket, and kept the rest"
        left.clear()
    return ""


def reset_four(loop: Any, draw: Any) -> str:
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

    pairs = [socket.socketpair() for _ in range(4)]
    for one, _ in pairs:
        one.send(b"unread, so that closing the other end resets this one")
        one.setblocking(False)
    pairs[0][1].close()
    pairs[1][1].close()
    tasks = [expect_error("recv", loop.recv(pairs[number][0], 100)) for number in (0, 3)]
    tasks += [reset_later(pairs[number][1]) for number in (2, 3)]
    tasks += [expect_error("send", loop.send(pairs[number][0], b"x" * (1 << 22))) for number in (1, 2)]
    for task in draw.sample(tasks, len(tasks)):
        loop.spawn(task)
    loop.run()
    for one, _ in pairs:
        one.close()
    if says := next(filter(None, seen), ""):
        return f"a connection was reset, and {says}; it should raise an OSError in the task that asked"
    return "" if len(seen) == 4 else f"of 4 tasks on connections that were reset, {len(seen)} were told"


def resets(loop: Any, draw: Any, reset: Any = reset_four) -> str:
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
