"""Acts of many tasks that become ready in one moment."""

from typing import Any


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
