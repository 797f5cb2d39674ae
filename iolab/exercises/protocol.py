"""What the processes of the judge say to each other: one message a line, as JSON.

Three processes have a part in judging an answer, and two of them are not believed:

    grade  --- Job -->  judge  --- ServerLaunch or ClientLaunch -->  sandbox
           <-- Check --

The answer's text is `answer` in all of them. `Job` has the seed, so it goes no further than the judge: whoever knows
the seed knows the cases. Nothing that comes back from the sandbox is read as a message.
"""

import json
import time
from dataclasses import asdict, dataclass
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints


class Malformed(Exception):
    """A line is not the message that was expected, or only a part of it."""


@dataclass(frozen=True)
class Job:
    """An answer to be judged; `only` names the one property to look for beside the first, None all of them."""

    exercise: str
    answer: str
    seed: int
    only: str | None


@dataclass(frozen=True)
class Check:
    """One property: whether the answer has it, what that is worth, and what was seen."""

    name: str
    passed: bool
    points: int
    says: str


@dataclass(frozen=True)
class Launch:
    """An answer to be run in the sandbox: its function, the folder to run in, and what the process is granted."""

    answer: str
    entry: str
    folder: str
    limits: dict[str, int]


@dataclass(frozen=True)
class ServerLaunch(Launch):
    """An answer that serves on the judge's socket; its `respond` is `reply` with this table, factor and pace."""

    table: str
    """256 bytes in hexadecimal digits."""
    factor: int
    pace_ms: int
    """How long a call of `respond` takes at least."""
    notes: bool = False
    """Whether the judge is told of each call by which it receives and sends."""


@dataclass(frozen=True)
class ClientLaunch(Launch):
    """An answer that examines the server at an address and says whether it is flawed."""

    host: str
    port: int


@dataclass(frozen=True)
class NamingLaunch(Launch):
    """An answer that names the models of servers by what they called."""

    traces: str
    """A list of traces as JSON, each a list of rows (`calls.Call.to_row`)."""


Message = TypeVar("Message", bound=Job | Check | Launch)


def encode(message: Job | Check | Launch) -> bytes:
    """Return a message as a line."""
    return json.dumps({"kind": type(message).__name__} | asdict(message)).encode() + b"\n"


def decode(line: bytes, *kinds: type[Message]) -> Message:
    """Return the message of a line. Raise Malformed if it is none of these kinds, or not all of one."""
    expected = " or ".join(kind.__name__ for kind in kinds)
    if not line.endswith(b"\n"):
        raise Malformed(f"expected a {expected} and a line feed, got {line[-80:]!r}; the sender ended in mid-message")
    try:
        values = json.loads(line)
        kind = {kind.__name__: kind for kind in kinds}[values.pop("kind")]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise Malformed(f"expected a {expected}, got {line[:80]!r}; both sides must run the same iolab") from None
    return build(kind, values)


def build(kind: type[Message], values: Any) -> Message:
    """Return a message from its fields. Raise Malformed if one is missing, unknown, or of another type."""
    hints = get_type_hints(kind)
    if not isinstance(values, dict) or values.keys() != hints.keys():
        raise Malformed(f"expected the fields {', '.join(hints)} of a {kind.__name__}, got {values!r:.80}")
    for name, hint in hints.items():
        if not _fits(values[name], hint):
            raise Malformed(f"expected {hint} as the {name} of a {kind.__name__}, got {values[name]!r:.80}")
    return kind(**values)


def _fits(value: Any, hint: Any) -> bool:
    """Say whether a value of JSON is of a type; True is no number."""
    if get_origin(hint) is dict:
        key, item = get_args(hint)
        return isinstance(value, dict) and all(_fits(k, key) and _fits(v, item) for k, v in value.items())
    if isinstance(hint, UnionType):
        return any(_fits(value, each) for each in get_args(hint))
    return type(value) is hint


def printable(text: str) -> str:
    """Return a text as one line that any terminal can show: what is not printable is written as an escape of Python."""
    line = " ".join(text.split("\n")).strip()
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)


def reply(request: bytes, table: bytes, factor: int, pace_ms: int = 0) -> bytes:
    """Return the reply that is due to a request: every byte stands for another one, `factor` times."""
    if pace_ms:
        time.sleep(pace_ms / 1000)
    replaced = bytes(request).translate(table)
    if factor == 1:
        return replaced
    grown = bytearray(factor * len(replaced))
    for offset in range(factor):
        grown[offset::factor] = replaced
    return bytes(grown)
