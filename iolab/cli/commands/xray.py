"""`iolab xray`: which I/O model a server runs, of the course or of anybody."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import RenderableType
from rich.text import Text

from iolab.cli import terminal
from iolab.cli.arguments import FigureFile, OutputFile, json_option
from iolab.cli.commands.timeline import write
from iolab.xrays import xray as xrays
from iolab.xrays.protocols import PROTOCOLS
from iolab.xrays.xray import Xray

COMMAND = "command after --"


class WithCommand(click.Command):
    """A command whose last words, after `--`, are a command of their own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Set the words after the first `--` aside."""
        if "--" in args:
            place = args.index("--")
            ctx.meta[COMMAND], args = args[place + 1 :], args[:place]
        return super().parse_args(ctx, args)


@click.command(cls=WithCommand, options_metavar="[OPTIONS]")
@click.argument("pid", type=int, required=False)
@click.option("--seconds", type=float, default=4.0, show_default=True, help="How long to watch.")
@click.option("--load", type=click.Choice(list(PROTOCOLS)), help="Ask it meanwhile, in the protocol that it speaks.")
@click.option("--send", type=click.Path(dir_okay=False, path_type=Path), help="Ask it with the bytes of this file.")
@click.option("--expect", type=click.Path(dir_okay=False, path_type=Path), help="The reply to those, whole.")
@click.option("--connections", type=int, default=4, show_default=True, help="Connections that ask.")
@click.option("--port", type=int, help="Which to ask, if it listens on several.")
@click.option(
    "--tracer", type=click.Choice(xrays.TRACERS), default="auto", show_default=True,
    help="strace, or tracepoints of the kernel: they cost less, tell less, and take root.",
)  # fmt: skip
@click.option("--figure", type=FigureFile(), help="Draw a typical stretch into this file: .png, .svg or .pdf.")
@click.option("--trace", type=OutputFile(), help="Write Chrome trace events, which ui.perfetto.dev opens.")
@click.option("--replay", type=OutputFile(), help="Write a page that plays it in slow motion, in any browser.")
@json_option
@click.pass_context
def xray(ctx: click.Context, /, pid: int | None, json_: bool, **options: Any) -> None:
    """Watch a server, and say which I/O model it runs: `iolab xray PID`, or `iolab xray -- COMMAND ...`.

    A process that runs is left as it was; a command is ended with all its children. It takes strace.
    """
    command: list[str] = ctx.meta.get(COMMAND, [])
    if (pid is None) == (not command):
        raise click.UsageError("give either a PID or a command after --", ctx)
    for name in ("send", "expect"):
        options[name] = options[name] and _bytes(ctx, options[name])
    files = [options.pop(name) for name in ("figure", "trace", "replay")]
    with terminal.steps(quiet=json_) as on_step:
        on_step(f"watching {command[0] if pid is None else pid}")
        picture = xrays.xray(command if pid is None else pid, **options)
    if json_:
        click.echo(json.dumps(picture.as_dict()))
    else:
        terminal.show(picture_parts(picture))
    if any(files):
        write(picture.timeline(), json_, *files)


def _bytes(ctx: click.Context, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.UsageError(f"cannot read {str(path)!r}: {error.strerror}", ctx) from None


def picture_parts(picture: Xray) -> Iterator[RenderableType]:
    """Yield what was seen: the model, what it waits in, its calls, what is wrong, and what the tracing cost."""
    model, *rest, price = picture.sentences()
    yield Text(picture.command, style="dim", no_wrap=True, overflow="ellipsis")
    yield Text(model, style="bold")
    grid = terminal.plain_table(gap=2)
    for row in picture.rows:
        grid.add_row(row["call"], f"{row['share']:.0%} of the time in calls that wait", f"threads: {row['threads']}")
    yield grid
    yield from map(Text, rest)
    for finding in picture.findings:
        yield Text.assemble(("! ", "yellow"), (finding.kind, "bold"), f": {finding.means}")
        yield Text(f"  {finding.evidence} ({finding.see})")
    yield Text(price, style="dim")
