"""When a reply is whole: at a length that is known, at whatever comes, or where HTTP/1.1 says.

A reading is fed what arrives. `missing` is how many bytes it lacks: 0 once the reply is whole, below 0 where more came
than that, and FREE while only what comes next can tell.
"""

from typing import ClassVar, Protocol

from .requests import FREE, LAST, WHOLE, WrongReply, mismatch

HEAD_BYTES = 65536
HEADS_AT_ONCE = 100
"""So many heads are remembered: those of one server differ in little but the second of their date."""


class Reading(Protocol):
    """A reply as it comes in."""

    missing: int

    def feed(self, data: bytes, /) -> None:
        """Take what has arrived. Raise WrongReply for what cannot be a reply."""


class Counted:
    """A reply whose length is known."""

    def __init__(self, reply: bytes, length: int) -> None:
        self.chunks, self.missing = [reply], length - len(reply)

    def feed(self, data: bytes) -> None:
        """Take what has arrived."""
        self.chunks.append(data)
        self.missing -= len(data)


class Anything:
    """A reply of which nothing is known: it is whole as soon as there is some of it."""

    def __init__(self, reply: bytes) -> None:
        self.missing = 0 if reply else FREE

    def feed(self, _: bytes, /) -> None:
        """Take what has arrived."""
        self.missing = 0


class Head:
    """The head of an HTTP response: its status, what follows it, and whether the server closes then (RFC 9112)."""

    def __init__(self, text: bytes, bodiless: bool) -> None:
        first, *lines = text.decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        if not (version in ("HTTP/1.0", "HTTP/1.1") and rest[:3].isdecimal() and rest[3:4] in ("", " ")):
            raise WrongReply(f"expected a response of HTTP/1.1, received {text[:40]!r}...")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        options = fields.get("connection", "").lower()
        self.status = int(rest[:3])
        self.says = first
        self.chunked = "chunked" in fields.get("transfer-encoding", "").lower()
        self.length = self._length(fields.get("content-length"), bodiless)
        self.closes = self.length == FREE or "close" in options
        self.closes |= version == "HTTP/1.0" and "keep-alive" not in options

    def _length(self, length: str | None, bodiless: bool) -> int:
        if bodiless or self.status in (204, 304) or self.status < 200:
            self.chunked = False
            return 0
        if self.chunked:
            return 0
        if length is None:
            return FREE  # it ends with the connection
        if not length.isdecimal():
            raise WrongReply(f"expected Content-Length to be a number, not {length!r}")
        return int(length)


class Response:
    """A response of HTTP/1.1, by length, in chunks, or until the connection is closed."""

    heads: ClassVar[dict[tuple[bytes, bool], Head]] = {}

    def __init__(self, bodiless: bool, body: bytes | None) -> None:
        self.head: Head | None = None
        self.bodiless, self.missing = bodiless, FREE
        self.body, self._rest, self._chunk, self._is_last = body, b"", 0, False
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Take what has arrived."""
        while data and self.head is None:
            data = self._read_head(self._rest + data)
        if self.head is None:
            return
        if self.head.chunked:
            self._read_chunks(data)
        else:
            self._keep(data)
            self.missing -= len(data)

    def end(self, where: str) -> bytes:
        """Return WHOLE or LAST, once no more comes. Raise an error for a response that is not whole, or not right."""
        if self.head is None or (self.missing > 0 and self.head.length != FREE):
            raise ConnectionAbortedError(f"{where}: the server closed the connection in the middle of a response")
        if self.missing < 0:
            raise WrongReply(f"{where}: {-self.missing} bytes more than the response came")
        if self.body is not None and self.head.status == 200 and (body := b"".join(self._pieces)) != self.body:
            raise mismatch(f"{where}, in its body", body, self.body, len(self.body))
        return LAST if self.head.closes else WHOLE

    def _read_head(self, data: bytes) -> bytes:
        """Read the head if it is there, and return what is behind it."""
        text, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            self._rest = data
            if not (data.startswith(b"HTTP/1.") or b"HTTP/1.".startswith(data)) or len(data) > HEAD_BYTES:
                raise WrongReply(f"expected a response of HTTP/1.1, received {data[:40]!r}...")
            return b""
        head = self.heads.get((text, self.bodiless))
        if head is None:
            if len(self.heads) >= HEADS_AT_ONCE:
                self.heads.clear()
            head = self.heads[text, self.bodiless] = Head(text, self.bodiless)
        if 100 <= head.status < 200:  # such as 103 Early Hints: the response itself is still to come
            self._rest = b""
            return rest
        self.head, self._rest = head, b""
        self.missing = FREE if head.chunked else head.length
        return rest

    def _read_chunks(self, data: bytes) -> None:
        rest = self._rest + data
        while rest and self.missing > 0:
            if self._chunk:
                self._keep(rest[: self._chunk])
                self._chunk, rest = max(0, self._chunk - len(rest)), rest[self._chunk :]
                continue
            line, end, after = rest.partition(b"\r\n")
            if not end:
                break
            rest = after
            if self._is_last:  # trailers, until an empty line
                self.missing = self.missing if line else 0
            elif line:  # an empty one ends the chunk before
                self._chunk = size_of_chunk(line)
                self._is_last = not self._chunk
        self._rest = rest
        if self.missing == 0:
            self.missing = -len(rest)

    def _keep(self, data: bytes) -> None:
        if self.body is not None:
            self._pieces.append(data)


def size_of_chunk(line: bytes) -> int:
    """Return how long a chunk is, by the line before it. Raise WrongReply for a line that does not say."""
    size = line.partition(b";")[0].strip()
    if not size or size.strip(b"0123456789abcdefABCDEF"):
        raise WrongReply(f"expected the size of a chunk, received {line[:40]!r}")
    return int(size, 16)
