"""The judge's clients: they wait as long as the server may still do something, and say what is missing."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

from iolab.kernel import threads
from iolab.traffic import faults

if TYPE_CHECKING:
    from iolab.exercises.trial import Trial

LONGEST_S = 6.0
"""How long to wait for a server that does something, but not what is due."""

AT_REST_S = 0.8
"""A process that slept so long, and was not woken by what came, will not be."""

LOOK_S = 0.1


class Violated(Exception):
    """Say which property an answer lacks, with its numbers."""


class Patience:
    """Wait for a process to do what is due.

    It ends early where the wait is in vain: all threads have slept since, on no CPU time at
    all, so that a busy machine is not the reason; or the process has ended.
    """

    def __init__(self, trial: "Trial", at_rest_s: float = AT_REST_S) -> None:
        self._trial, self._at_rest_s = trial, at_rest_s
        self.renew()

    def renew(self) -> None:
        """Begin anew: something came."""
        self._motion: tuple[int, int] | None = None
        self._since = time.monotonic()
        self._deadline = self._since + LONGEST_S

    def over(self) -> bool:
        """Say whether waiting on is in vain."""
        now, motion = time.monotonic(), self._trial.motion()
        if motion is None or motion != self._motion:
            self._motion, self._since = motion, now
        return not self._trial.alive() or now - self._since > self._at_rest_s or now > self._deadline

    def sleep(self) -> None:
        """Wait for a moment; raise Violated if that is in vain, and the process still there."""
        if self.over() and self._trial.alive():
            raise Violated(f"it does not end: it {self._trial_does()}")
        time.sleep(0.01)

    def why(self) -> str:
        """Say what the process does instead, in a half sentence."""
        if not self._trial.alive():
            return self._trial.how_it_ended()
        return f"the server {self._trial_does()}"

    def _trial_does(self) -> str:
        names = sorted(set(self._trial.calls()))
        return f"sleeps in {' and '.join(names)}" if names else "goes on computing"


class Peer:
    """One connection of the judge."""

    def __init__(self, trial: "Trial", *, narrow: bool = False) -> None:
        self._trial = trial
        self.connection = (faults.connect_narrow if narrow else faults.connect)(trial.address)
        self.connection.settimeout(LOOK_S)
        self.sent_bytes = 0

    def send(self, request: bytes) -> None:
        """Send all of it. Raise Violated if the server takes no more of it."""
        rest, patience = memoryview(request), self._trial.patience()
        while rest:
            try:
                sent = self.connection.send(rest)
            except TimeoutError:
                if patience.over():
                    self._fail(f"it took {len(request) - len(rest):,} of {len(request):,} bytes of a request", patience)
            except OSError:
                self._fail("it closed the connection of a client that was about to ask", patience)
            else:
                rest = rest[sent:]
                patience.renew()

    def receive(self, length: int, *, bite_bytes: int = 1 << 18) -> bytes:
        """Return the next bytes, as many as are due; fewer if the connection ends, or waiting on is in vain."""
        came, patience = bytearray(), self._trial.patience()
        while len(came) < length:
            try:
                chunk = self.connection.recv(min(bite_bytes, length - len(came)))
            except TimeoutError:
                if patience.over():
                    break
                continue
            except OSError:
                break
            if not chunk:
                break
            came += chunk
            patience.renew()
        return bytes(came)

    def expect(self, due: bytes, what: str, *, bite_bytes: int = 1 << 18) -> None:
        """Receive what is due. Raise Violated if anything else comes."""
        came = self.receive(len(due), bite_bytes=bite_bytes)
        if came != due:
            self._fail(difference(came, due, what), self._trial.patience())

    def why(self) -> str:
        """Say what the server does instead of what is due, in a half sentence."""
        return self._trial.patience().why()

    def ask(self, request: bytes, what: str) -> None:
        """Send a request, and expect the reply that is due."""
        self.send(request)
        self.expect(self._trial.due(request), what)

    def ends(self, what: str) -> None:
        """Expect the end of file, and nothing before it."""
        patience = self._trial.patience()
        while True:
            try:
                came = self.connection.recv(1 << 16)
            except TimeoutError:
                if patience.over():
                    self._fail(f"{what} did not see the end of its connection", patience)
                continue
            except ConnectionError:
                self._fail(f"{what} saw a reset in place of the end of file", patience)
            if came:
                raise Violated(f"{what} got {len(came):,} bytes that were not due")
            return

    def half_close(self) -> None:
        """Say that nothing more will be asked."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close the connection with a reset."""
        faults.reset(self.connection)

    @contextmanager
    def sending(self, request: bytes) -> Iterator[None]:
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
        with suppress(Violated):  # who reads the reply says the same
            self.send(request)

    def _fail(self, says: str, patience: Patience) -> NoReturn:
        raise Violated(f"{says}; {patience.why()}")


def difference(came: bytes, due: bytes, what: str) -> str:
    """Say in numbers how replies differ from what is due."""
    if due.startswith(came):
        missing = len(due) - len(came)
        hint = " (did `send` take a part of them, and was the rest dropped?)" if came else ""
        return f"of {len(due):,} bytes owed to {what} {missing:,} never came{hint}"
    first = next(place for place, (one, other) in enumerate(zip(came, due, strict=False)) if one != other)
    return f"of {len(due):,} bytes owed to {what} byte {first + 1:,} is another one than `respond` gave"
