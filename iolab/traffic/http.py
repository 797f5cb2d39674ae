"""A request of HTTP/1.1, from its parts."""

from collections.abc import Iterable

from iolab.errors import UsageError


def compose(
    address: tuple[str, int], path: str, method: str = "GET", headers: Iterable[str] = (), body: bytes = b""
) -> bytes:
    """Return a request as bytes, with a Host and the length of its body unless a header gives them.

    Each header is `Name: value`. Raise UsageError for what would end a line, and for a header without a colon.
    """
    given = {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise UsageError(f"expected a header such as 'Accept: text/html', not {header!r}")
        given[name.strip()] = value.strip()
    names = {name.lower() for name in given}
    host, port = address
    fields = {"Host": f"[{host}]:{port}" if ":" in host else f"{host}:{port}"}
    fields |= {"Content-Length": str(len(body))} if body else {}
    fields = {name: value for name, value in fields.items() if name.lower() not in names} | given
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    if wrong := [line for line in lines if "\r" in line or "\n" in line or not line.isprintable()]:
        raise UsageError(f"expected one line of a request, not {wrong[0]!r}")
    return "\r\n".join([*lines, "", ""]).encode() + body
