"""What strace wrote, line by line, as system calls (`strace -f -ttt -T -yy`).

A call that another thread interrupts stands in two lines, `<unfinished ...>` and `resumed`; they become one. The
bytes that a server received stand in quotes and may hold anything, so a line is read from both ends.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_LINE = re.compile(r"(\d+) +(\d+\.\d+) (.*)")
_CALL = re.compile(r"(\w+)\((.*)\)\s+= (.*)")
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)")
_RESULT = re.compile(r"(-?\d+|0x[0-9a-f]+|\?)(?:<(.*?\]|[^>]*)>)?(?: (E[A-Z0-9]+))?")
_DESCRIPTOR = re.compile(r"(\d+)<(.*?\]|[^>]*)>")
UNFINISHED = " <unfinished ...>"


@dataclass(frozen=True, slots=True)
class Syscall:
    """One system call of a thread: its times in seconds, its arguments as strace has them, and its result.

    `descriptor` is the first argument if that is one, and `target` what it stands for, such as
    `TCP:[127.0.0.1:80->127.0.0.1:5000]`; `opened` is the same of a result. A call that never returned has no result.
    A signal is a call of the name `signal`, the end of a thread one of the name `exit`.
    """

    thread: int
    name: str
    start_s: float
    end_s: float
    arguments: str = ""
    result: int | None = None
    error: str = ""
    descriptor: int | None = None
    target: str = ""
    opened: str = ""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end_s - self.start_s

    @property
    def got(self) -> int:
        """Its result if that is more than nothing; else 0."""
        return max(0, self.result or 0)

    @property
    def in_vain(self) -> bool:
        """Whether there was nothing to do."""
        return self.error in ("EAGAIN", "EWOULDBLOCK")


def parse(lines: Iterable[str]) -> list[Syscall]:
    """Return the calls in the order in which they began; lines that are none are left out."""
    return sorted(_parse(lines), key=lambda call: call.start_s)


def _parse(lines: Iterable[str]) -> Iterator[Syscall]:
    pending: dict[int, tuple[float, str]] = {}
    last_s = 0.0
    for line in lines:
        if not (match := _LINE.match(line)):
            continue
        thread, at_s, body = int(match[1]), float(match[2]), match[3].rstrip()
        last_s = max(last_s, at_s)
        if body.endswith(UNFINISHED):
            pending[thread] = at_s, body.removesuffix(UNFINISHED)
            continue
        if resumed := _RESUMED.match(body):
            at_s, head = pending.pop(thread, (at_s, f"{resumed[1]}("))
            body = head + resumed[2]
        if call := _call(thread, at_s, body):
            yield call
        elif "(" in body:
            pending[thread] = at_s, body
    for thread, (start_s, head) in pending.items():
        yield _begun(thread, start_s, last_s, head)


def _call(thread: int, at_s: float, body: str) -> Syscall | None:
    if body.startswith("---"):
        return Syscall(thread, "signal", at_s, at_s, body)
    if body.startswith("+++"):
        return Syscall(thread, "exit", at_s, at_s, body)
    body, _, took = body.rpartition(" <")
    match = _CALL.match(body)
    result = match and _RESULT.match(match[3])
    if not match or not result or not took[:1].isdigit():
        return None
    descriptor = _DESCRIPTOR.match(match[2])
    return Syscall(
        thread,
        match[1],
        at_s,
        at_s + float(took.rstrip(">")),
        match[2],
        None if result[1] == "?" else int(result[1], 0),
        result[3] or "",
        int(descriptor[1]) if descriptor else None,
        descriptor[2] if descriptor else "",
        result[2] or "",
    )


def _begun(thread: int, start_s: float, end_s: float, head: str) -> Syscall:
    name, _, arguments = head.partition("(")
    descriptor = _DESCRIPTOR.match(arguments)
    number, target = (int(descriptor[1]), descriptor[2]) if descriptor else (None, "")
    return Syscall(thread, name, start_s, end_s, arguments, None, "", number, target)
