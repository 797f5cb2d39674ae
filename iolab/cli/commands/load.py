"""`iolab load`: a load on a server that runs already, from this machine or from many."""

import json
from pathlib import Path
from typing import Any

import click

from iolab.cli import terminal
from iolab.cli.arguments import Duration, Expectation, LoadTarget, OutputFile, TextOrFile, json_option, load_options
from iolab.display.progress_bar import progress_bar
from iolab.errors import UsageError
from iolab.traffic import exports, http, process
from iolab.traffic.workload import Workload

ALWAYS = ("--latency", "-L", "--latency-correction", "--no-tui")
"""What others must be asked for; taken, and without effect."""

REFUSED = {
    "-t, --threads, --workers": "a client is one thread, and the table shows its share of a CPU; `--dask` has more of "
    "them (oha's -t is `--timeout`)",
    "-s, --script, --targets": "every request is the same: see `--send`, or `--http` with `--method` and `--body`",
    "--disable-keepalive": "`--header 'Connection: close'` has each request on a connection of its own",
    "--http2, -p": "HTTP/1.1 is spoken, one request at a time on each connection",
    "--insecure, -k": "TLS is not spoken",
    "--max-workers": "with a rate, what finds no free connection waits, and its response time has the wait: "
    "see `--connections`",
}
"""What users of wrk, wrk2, oha and vegeta reach for and do not find, and why."""

ELSEWHERE = "\b\nNot here, of wrk, wrk2, oha and vegeta:\n" + "\n".join(
    click.formatting.wrap_text(f"{names}: {why}.", 76, initial_indent="  ", subsequent_indent="      ")
    for names, why in REFUSED.items()
)


class LoadCommand(click.Command):
    """A command whose `--http` can do without a path, wherever it stands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options; what follows `--http` is its path only if it begins with a slash."""
        following = [*args[1:], ""]
        whole = [
            "--http=/" if each == "--http" and not then.startswith("/") else each
            for each, then in zip(args, following, strict=False)
        ]
        return super().parse_args(ctx, whole)


def _refuse(_: click.Context, parameter: click.Parameter, is_given: object) -> None:
    if is_given:
        names = next(names for names in REFUSED if parameter.opts[0] in names.split(", "))
        raise UsageError(f"there is no {parameter.opts[0]}: {REFUSED[names]}")


def _refused_options(command: Any) -> Any:
    """Add the options that say why they are not there, and those that are always on."""
    # They take values so that what follows them is no address.
    as_values: dict[str, Any] = {"is_flag": False, "flag_value": "given", "hidden": True, "expose_value": False}
    for number, name in enumerate(", ".join(REFUSED).split(", ")):
        command = click.option(name, f"refused_{number}", callback=_refuse, **as_values)(command)
    return click.option(*ALWAYS, "always", is_flag=True, hidden=True, expose_value=False)(command)


def _exchange_options(command: Any) -> Any:
    """Add the options that say what is sent, and what must come back."""
    for option in (
        click.option("--body", "-D", type=TextOrFile(), default=b"", help="Send this as the body of each request."),
        click.option(
            "--header", "-H", "headers", multiple=True, metavar="'NAME: VALUE'", help="Send this header, too."
        ),
        click.option("--method", "-m", metavar="METHOD", help="Ask by this method.  [default: GET, with a body POST]"),
        click.option("--http", metavar="[PATH]", help="Speak HTTP/1.1, and count the status of each response."),
        click.option(
            "--expect",
            type=Expectation(),
            metavar="upper|echo|any|FILE",
            default="upper",
            help="The right reply.  [default: upper]",
        ),
        click.option("--send", "request", type=TextOrFile(), help="Send this each time, in place of random letters."),
    ):
        command = option(command)
    return command


@click.command(cls=LoadCommand, epilog=ELSEWHERE)
@click.argument("target", metavar="HOST:PORT|URL", type=LoadTarget())
@click.option("--connections", "-c", type=int, default=10, show_default=True, help="Connections at once.")
@load_options
@_exchange_options
@click.option("--timeout", "patience_s", type=Duration(), default=5.0, help="Wait so long for replies.  [default: 5s]")
@click.option(
    "--hgrm", type=OutputFile(), help="Write the percentile distribution, as HdrHistogram's plotters read it."
)
@click.option("--csv", type=OutputFile(), help="Write a line for each request.")
@click.option(
    "--dask", "scheduler", metavar="SCHEDULER", help="Ask from every worker of the Dask cluster at this HOST:PORT."
)
@_refused_options
@json_option
def load(
    target: tuple[str, int, str | None],
    scheduler: str | None,
    hgrm: Path | None,
    csv: Path | None,
    json_: bool,
    **options: Any,
) -> None:
    """Put a load on the server at HOST:PORT, and check every reply.

    The right reply is the request in upper case, unless `--expect` says otherwise: its `echo`, `any` (whatever comes
    next), or a FILE with the bytes. A server of HTTP is asked by `--http PATH`, or by its URL, and `--expect FILE` is
    then the body. The exit status is 1 if no request succeeded.
    """
    if scheduler and csv:
        raise UsageError("a cluster hands back histograms, not each request: --hgrm writes those, --csv cannot")
    address, workload = target[:2], _workload(target, options)
    result = _load_from_cluster(scheduler, address, workload, json_) if scheduler else _load(address, workload, json_)
    _show(result.as_dict(), json_)
    if hgrm:
        exports.write(hgrm, exports.hgrm(result))
    if csv:
        exports.write(csv, exports.csv(result))
    if not result.succeeded or (scheduler and result.lost):
        raise SystemExit(1)


def _workload(target: tuple[str, int, str | None], options: dict[str, Any]) -> Workload:
    """Return the work that options spell out. Raise UsageError for those that contradict each other."""
    host, port, path = target
    method, headers, body = (options.pop(name) for name in ("method", "headers", "body"))
    path = options["http"] = options["http"] or path
    if method or headers or body:
        if path is None or options["request"]:
            raise UsageError("--method, --header and --body are parts of a request of HTTP: give --http, and no --send")
        method = method or ("POST" if body else "GET")
        options["request"] = http.compose((host, port), path, method, headers, body)
    return Workload(**options)


def _load(address: tuple[str, int], workload: Workload, json_: bool) -> Any:
    with progress_bar(quiet=json_) as show:
        return process.load(address, workload, on_tick=lambda tick: show(f"{address[0]}:{address[1]}", tick))


def _load_from_cluster(scheduler: str, address: tuple[str, int], workload: Workload, json_: bool) -> Any:
    from iolab.traffic.cluster import drive  # it needs distributed, which few have

    with terminal.steps(quiet=json_) as on_step:
        on_step(f"connecting from the workers of {scheduler}")
        return drive.load(
            scheduler,
            address,
            workload,
            on_tick=lambda tick: on_step(f"{tick.requests:,} requests, {tick.errors:,} errors, {tick.done:.0%}"),
        )


def _show(whole: dict[str, Any], json_: bool) -> None:
    if json_:
        click.echo(json.dumps(whole))
        return
    terminal.show(terminal.load_tables(whole))
    if "workers" in whole:
        apart = (*terminal.NARROW, "statuses")
        terminal.show(
            [terminal.table([{key: row[key] for key in row if key not in apart} for row in whole["workers"]])]
        )
    terminal.show(terminal.notes(doubt["says"] for doubt in whole["doubts"]))
