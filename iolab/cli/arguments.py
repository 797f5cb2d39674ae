"""What a command can be given: addresses, counts, files and options; and how it ends when that is wrong."""

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from iolab.cli.interrupts import Interrupted, interruptible
from iolab.errors import LoadFailed, ServerFailed, UsageError
from iolab.traffic.workload import EXPECTATIONS

Command = Callable[..., Any]


class Refused(click.ClickException):
    """What was asked for cannot be done: one line, and exit status 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print the line."""
        click.echo(f"iolab: {' '.join(self.message.split())}", err=True, file=file)


@contextmanager
def refusing() -> Iterator[None]:
    """Turn every known error into one line."""
    try:
        yield
    except (UsageError, LoadFailed, ServerFailed) as error:
        raise Refused(str(error)) from None
    except click.UsageError as error:
        if error.ctx is None or isinstance(error, click.exceptions.NoArgsIsHelpError):
            raise
        problem = error.format_message().rstrip(".")
        raise Refused(f"{problem}; see `{error.ctx.command_path} --help`") from None


class Commands(click.Group):
    """Commands that end a known error in one line and exit status 2, without a traceback."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command line, which a signal can end."""
        with interruptible():
            return super().main(*args, **extra)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the options, and say what is wrong with them."""
        with refusing():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and say what stopped it."""
        try:
            with refusing():
                return super().invoke(ctx)
        except Interrupted as end:
            ctx.exit(end.status)


class ServerAddress(click.ParamType[tuple[str, int]]):
    """HOST:PORT."""

    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return the host and the port number."""
        host, colon, port = str(value).rpartition(":")
        if not colon or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65536:
            self.fail(f"{value!r} is not HOST:PORT, such as 127.0.0.1:9000", param, ctx)
        return host.strip("[]") or "127.0.0.1", int(port)


class LoadTarget(click.ParamType[tuple[str, int, str | None]]):
    """HOST:PORT, or a URL such as http://HOST:PORT/PATH."""

    name = "host:port or url"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int, str | None]:
        """Return the host, the port number, and the path of a URL."""
        scheme, separator, rest = str(value).partition("://")
        if not separator:
            return *ServerAddress().convert(value, param, ctx), None
        if scheme != "http":
            self.fail(f"{value!r} does not begin with http://; TLS and other protocols are not spoken here", param, ctx)
        address, slash, path = rest.partition("/")
        if ":" not in address.rpartition("]")[2]:
            address += ":80"
        return *ServerAddress().convert(address, param, ctx), slash + path or "/"


SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


class Duration(click.ParamType[float]):
    """A number of seconds, or a number with its unit."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        number, unit = re.fullmatch(r"(.*?)\s*(us|ms|s|m|h|)", str(value).strip(), re.DOTALL).groups()  # type: ignore[union-attr]
        try:
            return float(number) * SECONDS.get(unit, 1)
        except ValueError:
            self.fail(f"{value!r} is not a duration such as 10s, 2m, 500ms, or 10 for seconds", param, ctx)


class Rate(click.ParamType[float]):
    """Requests per second, or so many in a duration, such as 50/1s."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the requests per second."""
        count, slash, time = str(value).partition("/")
        seconds = Duration().convert(f"1{time}" if time in SECONDS else time, param, ctx) if slash else 1.0
        try:
            return float(count) / seconds
        except (ValueError, ZeroDivisionError):
            self.fail(f"{value!r} is not a rate such as 1000 (a second), or 50/1m", param, ctx)


class TextOrFile(click.ParamType[bytes]):
    """The bytes of a file, or those of a text with the escapes of C: those of ESCAPES, and an x with two digits."""

    name = "TEXT|FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """Return the bytes."""
        if isinstance(value, bytes) or not value:
            return value or b""
        try:
            return Path(value).read_bytes()
        except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: no name of a file has a zero in it
            pass
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                self.fail(f"cannot read {value!r}: {error.strerror}", param, ctx)
        return re.sub(rb"\\(x[0-9a-fA-F]{2}|[rnt0\\])", _unescape, os.fsencode(value))


ESCAPES = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}


def _unescape(match: re.Match[bytes]) -> bytes:
    return ESCAPES.get(match[1]) or bytes([int(match[1][1:], 16)])


class Expectation(click.ParamType[str | bytes]):
    """A word of EXPECTATIONS, or a file with the bytes of the reply."""

    name = "reply"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | bytes:
        """Return the word, or the bytes."""
        if value in EXPECTATIONS:
            return str(value)
        try:
            return Path(value).read_bytes()
        except OSError as error:
            words = ", ".join(EXPECTATIONS)
            self.fail(f"{value!r} is none of {words}, and no file to read: {error.strerror}", param, ctx)


class OutputFile(click.ParamType[Path]):
    """FILE, in a folder that can be written to."""

    name = "FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path, once it is known to be writable: the measurement comes first and takes its time."""
        path = Path(value)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            existed = path.exists()
            path.open("ab").close()
            if not existed:
                path.unlink()
        except OSError as error:
            self.fail(f"cannot write to {str(path)!r}: {error.strerror}", param, ctx)
        return path


class FigureFile(OutputFile):
    """FILE.png, or another kind that matplotlib can write."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path, if it is that of a figure."""
        if Path(value).suffix not in (".png", ".svg", ".pdf"):
            self.fail(f"{str(value)!r} is not a figure; use a name that ends in .png, .svg or .pdf", param, ctx)
        return super().convert(value, param, ctx)


class Counts(click.ParamType[tuple[int, ...]]):
    """N[,N...]."""

    name = "N[,N...]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the numbers."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 1,10,100", param, ctx)


def json_option(command: Command) -> Command:
    """Add --json."""
    return click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of a table.")(command)


def load_options(command: Command) -> Command:
    """Add the options that describe a load."""
    for option in (
        click.option("--spin", is_flag=True, help="Never sleep: uses a whole CPU, and no latency contains a wake-up."),
        click.option(
            *("--rate", "-R", "-q", "rate_per_s"),
            type=Rate(),
            help="Open loop: total requests per second, on a schedule.",
        ),
        click.option("--size", "size_bytes", type=int, default=64, show_default=True, help="Bytes in a request."),
        click.option("--requests", "-n", type=int, help="Total number of requests, instead of a duration."),
        click.option(
            *("--seconds", "--duration", "-d", "-z", "seconds"),
            type=Duration(),
            help="How long to send requests: seconds, or 500ms, 10s, 2m.  [default: 1]",
        ),
    ):
        command = option(command)
    return command
