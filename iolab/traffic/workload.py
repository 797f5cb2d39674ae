"""The work that a load client is given, and its progress."""

import math
import numbers
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, TypedDict, get_args

from iolab.display.progress_bar import Tick
from iolab.display.units import count
from iolab.errors import UsageError
from iolab.kernel import descriptors

Spacing = Literal["even", "poisson"]
Expect = Literal["upper", "echo", "any"]

SPACINGS, EXPECTATIONS = get_args(Spacing), get_args(Expect)


@dataclass(frozen=True)
class Limits:
    """Which numbers an option takes."""

    kind: type[int] | type[float]
    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf
    """The number itself is too small."""

    def settle(self, name: str, value: Any) -> int | float:
        """Return a value as a plain number, which JSON can write. Raise UsageError for one that is not allowed."""
        number: Any = numbers.Integral if self.kind is int else numbers.Real
        allowed = isinstance(value, number) and not isinstance(value, bool) and math.isfinite(value)
        if not (allowed and self.above < value and self.least <= value <= self.most):
            raise UsageError(f"expected {name} to be {self}, not {value!r}")
        return self.kind(value)

    def __str__(self) -> str:
        what = "a whole number" if self.kind is int else "a finite number"
        bounds = [f"above {self.above:,g}"] * (self.above > -math.inf)
        bounds += [f"of {self.least:,g} or more"] * (self.least > -math.inf)
        bounds += [f"at most {self.most:,.0f}"] * (self.most < math.inf)
        return " ".join([what, ", ".join(bounds)]).strip()


LIMITS = {
    "connections": Limits(int, least=1),
    "seconds": Limits(float, above=0, most=3600),
    "requests": Limits(int, least=1),
    "size_bytes": Limits(int, least=1, most=1 << 30),
    "rate_per_s": Limits(float, above=0, most=10_000_000),
    "think_s": Limits(float, least=0),
    "ramp_s": Limits(float, least=0),
    "idle": Limits(int, least=0),
    "warm_up_s": Limits(float, least=0),
    "patience_s": Limits(float, above=0),
    "reply_bytes": Limits(int, least=1),
    "seed": Limits(int),
}
OPTIONAL = {"seconds", "requests", "rate_per_s", "reply_bytes"}


class Load(TypedDict, total=False):
    """The options of a Workload but for the number of connections, as an editor completes them."""

    seconds: float | None
    requests: int | None
    size_bytes: int
    rate_per_s: float | None
    spacing: Spacing
    think_s: float
    ramp_s: float
    idle: int
    warm_up_s: float
    patience_s: float
    request: bytes | None
    expect: Expect | bytes
    reply_bytes: int | None
    http: str | None
    seed: int
    spin: bool


class Work(Load, total=False):
    """The options of a Workload."""

    connections: int


@dataclass(frozen=True, kw_only=True, repr=False)
class Workload:
    """Say what to ask of a server, and how fast.

    Without a rate the loop is closed: every connection sends its next request when the
    reply to the last one is there (and `think_s` has passed). With `rate_per_s`, the rate
    of all connections together, the loop is open: requests fall due on a schedule, however
    slow the replies are, and one that is late is still timed from when it was due; those
    that could not be sent `patience_s` after the end are counted as errors.
    The work ends after `seconds`, or after `requests` in all, whichever is given.

    A reply is the request in `upper` case, or its `echo`, or the bytes given; `any` is whatever comes next, or
    whatever has `reply_bytes`. With `http`, a path, the server is one of HTTP/1.1: it is asked to GET that, or for
    the `request` of your own, and the status of each reply is counted. Of its bodies only bytes are expected.
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
    expect: Expect | bytes = "upper"
    reply_bytes: int | None = None
    http: str | None = None
    seed: int = 1
    spin: bool = False
    """Whether the client never sleeps: it takes a whole CPU, and its own wake-ups are in no time that it measures."""

    def __repr__(self) -> str:
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        asks = {name: value for name, value in values.items() if value != self.__dataclass_fields__[name].default}
        asks = {"connections": self.connections, "size_bytes": self.size_bytes} | asks
        asks = ({"requests": self.requests} if self.requests else {"seconds": self.seconds}) | asks
        return f"a workload: {', '.join(f'{name} {value!r}' for name, value in asks.items())}"

    def __post_init__(self) -> None:
        for name, limits in LIMITS.items():
            value = getattr(self, name)
            if value is not None or name not in OPTIONAL:
                object.__setattr__(self, name, limits.settle(name, value))
        if self.seconds is None and self.requests is None:
            object.__setattr__(self, "seconds", 1.0)
        for wrong, says in self._contradictions():
            if wrong:
                raise UsageError(says)

    def _contradictions(self) -> Iterator[tuple[bool, str]]:
        yield (
            self.requests is not None and self.requests < self.connections,
            f"expected at least one request for each of {count(self.connections, 'connection')}, "
            f"not {self.requests} in all",
        )
        yield (
            self.rate_per_s is not None and self.think_s > 0,
            "think time belongs to a closed loop, a rate to an open one; give one of the two",
        )
        yield self.spacing not in SPACINGS, f"expected spacing to be {' or '.join(SPACINGS)}, not {self.spacing!r}"
        yield not isinstance(self.spin, bool), f"expected spin to be True or False, not {self.spin!r}"
        yield (
            self.request is not None and not (isinstance(self.request, bytes) and self.request),
            f"expected request to be at least 1 byte, not {self.request!r}",
        )
        yield (
            not (isinstance(self.expect, bytes) and self.expect) and self.expect not in EXPECTATIONS,
            f"expected expect to be {', '.join(EXPECTATIONS)} or the bytes of the reply, not {self.expect!r:.80}",
        )
        yield (
            self.http is not None and not (isinstance(self.http, str) and self.http.startswith("/")),
            f"expected http to be a path that begins with /, not {self.http!r}",
        )
        yield (
            self.reply_bytes is not None and (self.http is not None or self.expect not in ("upper", "any")),
            "reply_bytes says all that is known of a reply: give that, or expect, or http",
        )
        yield (
            self.http is not None and self.expect == "echo",
            "a server of HTTP does not echo: give http, and as expect the bytes of a body if that is to be compared",
        )

    def why_not(self) -> str | None:
        """Say in one sentence why this machine cannot hold the connections; None if it can."""
        count, room = self.connections + self.idle, descriptors.room()
        if count <= room:
            return None
        return (
            f"{count:,} connections are too many here: this process has descriptors for {room:,} "
            "(descriptor limit, `ulimit -Hn`); ask for fewer, or raise the limit"
        )

    def require(self) -> None:
        """Raise UsageError if this machine cannot hold the connections."""
        if reason := self.why_not():
            raise UsageError(reason)

    def message(self) -> dict[str, Any]:
        """Return the work as the one message that the client process gets."""
        request = None if self.request is None else self.request.hex()
        expect = {"hex": self.expect.hex()} if isinstance(self.expect, bytes) else self.expect
        return asdict(self) | {"request": request, "expect": expect}

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Self:
        """Return the work of a message; an option that it lacks is newer, and has its default.

        Raise TypeError for an option that there is not.
        """
        request, expect = message.get("request"), message.get("expect", "upper")
        expect = bytes.fromhex(expect["hex"]) if isinstance(expect, dict) else expect
        return cls(**{**message, "request": None if request is None else bytes.fromhex(request), "expect": expect})


def workload_of(workload: Workload | None, options: Work) -> Workload:
    """Return the workload that is given whole, or the one that options spell out; raise UsageError for both."""
    if workload is None:
        return Workload(**options)
    if not isinstance(workload, Workload):
        raise UsageError(f"expected a Workload, or options by name such as connections=10, not {workload!r}")
    if options:
        raise UsageError(f"expected a Workload or options, not both; put {', '.join(options)} into the Workload")
    return workload


OnTick = Callable[[Tick], None]
