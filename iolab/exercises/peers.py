"""The judge's clients: they wait as long as the server may still do something, and say what is missing."""

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import NoReturn, Self

from iolab.exercises.sandbox import watch
from iolab.exercises.trial import Trial
from iolab.kernel import threads
from iolab.traffic import faults

CLIENT_WAITS_FOR_SLEEPING_SERVER_S = 0.8
"""A server that slept so long, and was not woken by what arrived, will not be."""

JUDGE_WAITS_FOR_EXIT_S = 3.0
"""A process that is about to end may sleep in the kernel for longer than one that serves."""

JUDGE_WAITS_FOR_REST_S = 6.0
ENDS_WITHIN_NS = 300_000_000
"""CPU time in which a Python that has left its `main` ends; one that uses more goes on computing."""

CLIENT_LOOKS_EVERY_S = 0.1


class Violated(Exception):
    """Say which property an answer lacks, with its numbers."""


class Patience:
    """Wait for the process of a trial to do what is due.

    It ends early where the wait is in vain: all threads have slept since, on no CPU time at
    all, so that a busy machine is not the reason; or the process has ended.
    """

    def __init__(self, trial: Trial, at_rest_s: float = CLIENT_WAITS_FOR_SLEEPING_SERVER_S) -> None:
        self._trial, self._at_rest_s = trial, at_rest_s
        self.renew()

    def renew(self) -> None:
        """Begin anew: something arrived."""
        self._motion: tuple[int, int] | None = None
        self._since = time.monotonic()
        self._deadline = self._since + self._trial.patience_s

    def over(self) -> bool:
        """Say whether waiting on is in vain."""
        now, motion = time.monotonic(), self._trial.read_motion()
        if motion is None or motion != self._motion:
            self._motion, self._since = motion, now
        return not self._trial.alive() or now - self._since > self._at_rest_s or now > self._deadline

    def why(self) -> str:
        """Say what the process does instead, in a half sentence; and of what a part of it died before."""
        alive, words = self._settle(), self._trial.list_words()
        if own := [line for line in words if line.startswith("it died")]:
            return own[0]
        if not alive:
            return self._trial.describe_end()
        return f"the server {self._activity()}" + (f", after {words[0]}" if words else "")

    def _settle(self) -> bool:
        """Say whether the process lives, once it sleeps, or has computed for a while: it may close sockets and end."""
        enough_ns = watch.measure_cpu_ns(self._trial.pid) + ENDS_WITHIN_NS
        end_s = time.monotonic() + JUDGE_WAITS_FOR_REST_S
        while self._trial.alive() and time.monotonic() < end_s:
            if None not in watch.list_calls(self._trial.pid) or watch.measure_cpu_ns(self._trial.pid) > enough_ns:
                break
            time.sleep(0.01)
        return self._trial.alive()

    def wait_for_exit(self, should: str = "the server does not end:") -> int:
        """Wait until the process ends by itself, and return its status. Raise Violated if that is in vain."""
        while self._trial.alive():
            if self.over() and self._trial.alive():
                raise Violated(f"{should} it {self._activity()}")
            time.sleep(0.01)
        return self._trial.wait_for_end()

    def _activity(self) -> str:
        names = sorted(set(self._trial.list_calls()))
        return f"sleeps in {' and '.join(names)}" if names else "is still computing"


def expect_clean_exit(trial: Trial, function: str) -> None:
    """Raise Violated unless the process ends by itself and without an error, now that its socket is shut down."""
    if Patience(trial, JUDGE_WAITS_FOR_EXIT_S).wait_for_exit():
        raise Violated(
            f"shutting the listening socket down should end `{function}` without an error: {trial.describe_end()}"
        )


class Peer:
    """One connection of the judge; a narrow one takes a reply in hundreds of partial sends."""

    def __init__(self, trial: Trial, *, narrow: bool = False) -> None:
        self._trial = trial
        self.at_rest_s = CLIENT_WAITS_FOR_SLEEPING_SERVER_S
        self.connection = (faults.connect_narrow if narrow else faults.connect)(trial.address)
        self.connection.settimeout(CLIENT_LOOKS_EVERY_S)

    def send(self, request: bytes) -> None:
        """Send all of it. Raise Violated if the server takes no more of it."""
        rest, patience = memoryview(request), Patience(self._trial)
        while rest:
            try:
                sent = self.connection.send(rest)
            except TimeoutError:
                if patience.over():
                    self._fail(
                        f"the server took only {len(request) - len(rest):,} of the {len(request):,} bytes of a request",
                        patience,
                    )
            except OSError:
                self._fail("the server closed the connection before the client could send its request", patience)
            else:
                rest = rest[sent:]
                patience.renew()

    def receive(self, length: int, *, bite_bytes: int = 1 << 18) -> bytes:
        """Return the next bytes, as many as are due; fewer if the connection ends, or waiting on is in vain."""
        received, patience = bytearray(), Patience(self._trial, self.at_rest_s)
        while len(received) < length:
            try:
                chunk = self.connection.recv(min(bite_bytes, length - len(received)))
            except TimeoutError:
                if patience.over():
                    break
                continue
            except OSError:
                break
            if not chunk:
                break
            received += chunk
            patience.renew()
        return bytes(received)

    def expect(self, due: bytes, who: str, *, bite_bytes: int = 1 << 18) -> None:
        """Receive what is due. Raise Violated if anything else arrives."""
        received = self.receive(len(due), bite_bytes=bite_bytes)
        if received != due:
            self._fail(describe_difference(received, due, who), Patience(self._trial))

    def why(self) -> str:
        """Say what the server does instead of what is due, in a half sentence."""
        return Patience(self._trial).why()

    def ask(self, request: bytes, who: str) -> None:
        """Send a request, and expect the reply that is due."""
        self.send(request)
        self.expect(self._trial.due(request), who)

    def expect_end(self, who: str) -> None:
        """Expect the end of file, and nothing before it."""
        patience = Patience(self._trial)
        while True:
            try:
                received = self.connection.recv(1 << 16)
            except TimeoutError:
                if patience.over():
                    self._fail(f"the server did not close the connection of {who}", patience)
                continue
            except ConnectionError:
                self._fail(f"the server reset the connection of {who} instead of closing it", patience)
            if received:
                raise Violated(f"{who} received {len(received):,} bytes too many")
            return

    def was_turned_away(self) -> bool:
        """Say whether the connection ended before a byte of a reply came."""
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except ConnectionError:
            return True

    def has_something(self) -> bool:
        """Say whether bytes of a reply, or the end, are there to be received."""
        ready = select.poll()
        ready.register(self.connection, select.POLLIN)
        return bool(ready.poll(0))

    def half_close(self) -> None:
        """Say that nothing more will be asked."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close the connection with a reset."""
        faults.reset(self.connection)

    @contextmanager
    def send_meanwhile(self, request: bytes) -> Iterator[None]:
        """Send in the background for the length of a block."""
        thread = threads.start(threading.Thread(target=self._send_or_give_up, args=(request,), daemon=True))
        yield
        thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def _send_or_give_up(self, request: bytes) -> None:
        with suppress(Violated):  # whoever reads the reply says the same
            self.send(request)

    def _fail(self, says: str, patience: Patience) -> NoReturn:
        raise Violated(f"{says}; {patience.why()}")


def describe_difference(received: bytes, due: bytes, who: str) -> str:
    """Say in numbers how replies differ from what is due."""
    if due.startswith(received):
        hint = " (did `send` take only a part of the reply, and was the rest dropped?)" if received else ""
        count = f"only {len(received):,}" if received else "none"
        return f"{who} received {count} of the {len(due):,} byte{'s' * (len(due) > 1)} owed to it{hint}"
    first = next(place for place, (one, other) in enumerate(zip(received, due, strict=False)) if one != other)
    return f"{who} was owed {len(due):,} bytes, and byte {first + 1:,} is not the one that it was owed"
