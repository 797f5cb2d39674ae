"""The work that a load client is given, and its progress."""

import math
import numbers
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from iolab.errors import UsageError
from iolab.kernel import descriptors

Spacing = Literal["even", "poisson"]

WHOLE = ("connections", "requests", "size_bytes", "idle", "reply_bytes", "seed")
NEWER = {"spin"}
"""Fields that runs of an earlier version were recorded without; the default says what was so."""

FINITE = ("seconds", "rate_per_s", "think_s", "ramp_s", "warm_up_s", "patience_s")


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Say what to ask of a server, and how fast.

    Without a rate the loop is closed: every connection sends its next request when the
    reply to the last one is there (and `think_s` has passed). With `rate_per_s`, the rate
    of all connections together, the loop is open: requests fall due on a schedule, however
    slow the replies are, and one that is late is still timed from when it was due; those
    that could not be sent `patience_s` after the end are counted as errors.
    The work ends after `seconds`, or after `requests` in all, whichever is given.
    """

    connections: int = 10
    seconds: float | None = None
    requests: int | None = None
    size_bytes: int = 64
    rate_per_s: float | None = None
    spacing: Spacing = "even"
    think_s: float = 0.0
    ramp_s: float = 0.0
    idle: int = 0
    warm_up_s: float = 0.0
    patience_s: float = 5.0
    request: bytes | None = None
    reply_bytes: int | None = None
    seed: int = 1
    spin: bool = False
    """Whether the client never sleeps: it takes a whole CPU, and its own wake-ups are in no time that it measures."""

    def __post_init__(self) -> None:
        self._settle(WHOLE, numbers.Integral, int, "a whole number")
        self._settle(FINITE, numbers.Real, float, "a finite number")
        if self.seconds is None and self.requests is None:
            object.__setattr__(self, "seconds", 1.0)
        for wrong, says in self._problems():
            if wrong:
                raise UsageError(says)

    def _settle(self, names: tuple[str, ...], kind: Any, plain: Any, called: str) -> None:
        # Numbers of numpy become plain ones, which JSON can write.
        for name in names:
            value: Any = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, kind) or not math.isfinite(value):
                raise UsageError(f"{name} is {called}, not {value!r}")
            object.__setattr__(self, name, plain(value))

    def _problems(self) -> Iterator[tuple[bool, str]]:
        room, asked = descriptors.most_connections(), self.connections + self.idle
        yield self.connections < 1, f"a load needs at least 1 connection, not {self.connections}"
        yield self.idle < 0, f"idle connections are 0 or more, not {self.idle}"
        yield (
            asked > room,
            f"{asked} connections were asked for, and this process may hold {room} "
            "(descriptor limit, `ulimit -Hn`); ask for fewer, or raise the limit",
        )
        seconds, requests, rate = self.seconds or 1.0, self.requests or self.connections, self.rate_per_s or 1.0
        yield self.seconds == 0 or not 0 < seconds <= 3600, f"a load lasts 3600 seconds at most, and not {self.seconds}"
        yield (
            self.requests == 0 or requests < self.connections,
            f"{self.requests} requests do not give each of {self.connections} connections one; ask for more requests",
        )
        yield not 1 <= self.size_bytes <= 1 << 30, f"a request has 1 byte to 1 GiB, not {self.size_bytes} bytes"
        yield (
            self.rate_per_s == 0 or not 0 < rate <= 1e7,
            f"a rate is more than 0 and at most 10,000,000 requests per second, not {self.rate_per_s}",
        )
        yield (
            self.rate_per_s is not None and self.think_s > 0,
            "think time belongs to a closed loop, a rate to an open one; give one of the two",
        )
        yield min(self.think_s, self.ramp_s, self.warm_up_s) < 0, "think, ramp and warm-up are 0 seconds or more"
        yield self.patience_s <= 0, f"patience is more than 0 seconds, not {self.patience_s}"
        yield self.spacing not in ("even", "poisson"), f"spacing is 'even' or 'poisson', not {self.spacing!r}"
        yield (
            (self.request is None) != (self.reply_bytes is None),
            "a request of your own needs reply_bytes, the length of its reply, and the other way round",
        )
        yield (
            self.request == b"" or (self.reply_bytes or 1) < 1 or self.reply_bytes == 0,
            "a request of your own and its reply have at least 1 byte each",
        )

    def message(self) -> dict[str, Any]:
        """Return the work as the one message that the client process is told."""
        told = asdict(self)
        told["request"] = None if self.request is None else self.request.hex()
        return told

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Self:
        """Return the work of a message; it was done elsewhere, and need not be possible here.

        A field that it lacks is newer than the message. Raise ValueError for what is no such message.
        """
        lacks = set(cls.__dataclass_fields__) - set(message)
        if set(message) - set(cls.__dataclass_fields__) or lacks - NEWER:
            raise ValueError(f"expected the fields of a workload, not {sorted(message)}")
        made = object.__new__(cls)
        for name, value in message.items():
            object.__setattr__(made, name, bytes.fromhex(value) if name == "request" and value else value)
        return made


@dataclass(frozen=True)
class Tick:
    """Progress, ten times a second: the share that is done, and what came so far."""

    done: float
    requests: int
    errors: int


OnTick = Callable[[Tick], None]
