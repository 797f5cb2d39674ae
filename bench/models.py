"""Every model beside the C floor and the plainest server of its kind, in one run: `make bench`.

    python -m bench.models [--repeats N] [--seconds S] [--connections N,N...] [MODEL ...]

The servers take turns in every repeat, each in a new process and under the same load client; server and
client have a CPU each where there are two. Ten thousand connections are asked at a fixed
10,000 requests per second, and the first second does not count; all others, as fast as they can go.
Writes data/bench/models.json and docs/benchmarks.md.
"""

import argparse
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench import floor
from bench.plain import PLAIN
from iolab.archive.provenance import circumstances
from iolab.archive.results import to_json
from iolab.cli import terminal
from iolab.errors import LoadFailed, ServerFailed
from iolab.measurement.cpu import CpuSamples
from iolab.measurement.placement import place
from iolab.measurement.run import measure
from iolab.models import MODELS, resolve
from iolab.traffic.process import Client
from iolab.traffic.workload import Tick, Workload

ROOT = Path(__file__).resolve().parents[1]
MANY = 10_000
CROWD: dict[str, Any] = {"rate_per_s": 10_000, "warm_up_s": 1.0}
LIMIT_S = 15
FIGURES = ("cpu_us_per_request", "per_s", "p50_us", "p99_us")
Server = Callable[[Workload], dict[str, Any]]


def main() -> None:
    options = arguments()
    servers = dict(all_servers(options.models))
    rows = [row for count in options.connections for row in run_all(servers, count, options.repeats, options.seconds)]
    head = about(options)
    path = ROOT / "data" / "bench" / "models.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(to_json({**head, "rows": rows}), encoding="utf-8")
    (ROOT / "docs" / "benchmarks.md").write_text(page(head, rows), encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure every model beside the C floor.")
    parser.add_argument("models", nargs="*", choices=[*MODELS, []], help="models to measure; all, if none is named")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--connections", type=lambda text: [int(each) for each in text.split(",")])
    parser.set_defaults(connections=[1, 10, 100, 1000, MANY])
    return parser.parse_args()


def all_servers(names: Sequence[str]) -> Iterator[tuple[tuple[str, str], Server]]:
    """Yield every server under (model, kind): the C floor, then each model and the plainest of its kind."""
    yield ("C epoll", "floor"), c_server
    for name in names or MODELS:
        if MODELS[name].why_not() is None:
            yield (name, "model"), python_server(name)
            if name in PLAIN:
                yield (name, "plain"), python_server(PLAIN[name])


def python_server(serve: Any) -> Server:
    def run(workload: Workload) -> dict[str, Any]:
        result = measure(resolve(serve), workload)
        return result.records.summary() | {"cpu_us_per_request": result.cpu_us_per_request}

    return run


def c_server(workload: Workload) -> dict[str, Any]:
    """Measure the floor as `measure` does its own server: CPU time from the first request that counts."""
    where, readings = place(), []
    with floor.Server(where.server) as server, Client(server.address, workload, where.client) as client:

        def read(_: Tick | None = None) -> None:
            readings.append((time.perf_counter_ns(), server.cpu_ns()))

        client.connect()
        read()
        records = client.run(read)
        read()
    used_ns = CpuSamples(*np.array(readings, np.int64).T).since(records.start_ns).total_ns
    return records.summary() | {"cpu_us_per_request": used_ns / 1e3 / len(records) if len(records) else None}


def run_all(servers: dict[tuple[str, str], Server], count: int, repeats: int, seconds: float) -> list[dict[str, Any]]:
    """Measure every server that can hold this many connections, and return a row for each."""
    able = {key: run for key, run in servers.items() if can_hold(key[0], count)}
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {key: [] for key in able}
    work = Workload(connections=count, seconds=seconds, **(CROWD if count >= MANY else {}))
    with terminal.steps(quiet=False) as show:
        for turn in range(repeats):
            for key, run in able.items():
                show(f"{count} connections, turn {turn + 1} of {repeats}: {' '.join(key)}")
                runs[key].append(attempt(run, work))
    return [row(key, count, own, runs) for key, own in runs.items()]


def can_hold(name: str, count: int) -> bool:
    model = MODELS.get(name)
    return (model is None or model.serves_many or count == 1) and (name != "select" or count < 1000)


def attempt(run: Server, workload: Workload) -> dict[str, Any]:
    """Measure in a process of its own, for LIMIT_S at most.

    Threads that wait for the GIL ask for it every 5 ms: where ten thousand wait, asking takes the whole CPU, and
    for minutes none of them gets any further.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=send_result, args=(run, workload, sender))
    child.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(LIMIT_S) else failure(f"it had not ended after {LIMIT_S} s")
    except EOFError:
        return failure("its process ended without a result")
    finally:
        child.kill()
        child.join()


def send_result(run: Server, workload: Workload, sender: Connection) -> None:
    try:
        sender.send(run(workload))
    except (LoadFailed, ServerFailed) as error:
        sender.send(failure(str(error)))


def failure(why: str) -> dict[str, Any]:
    return dict.fromkeys(FIGURES) | {"errors": 1, "client_cpu_share": None, "failed": why}


def row(
    key: tuple[str, str], count: int, own: list[dict[str, Any]], runs: dict[tuple[str, str], list[dict[str, Any]]]
) -> dict[str, Any]:
    figures = {figure: middle([each[figure] for each in own]) for figure in FIGURES}
    return {
        "model": key[0],
        "kind": key[1],
        "connections": count,
        **figures,
        "over_plain": over(own, runs.get((key[0], "plain"), [])) if key[1] == "model" else None,
        "over_c": over(own, runs[("C epoll", "floor")]),
        "errors": sum(each["errors"] for each in own),
        "client_cpu_share": middle([each["client_cpu_share"] for each in own]),
        "failed": [each["failed"] for each in own if "failed" in each],
    }


def over(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> float | None:
    """Return the median ratio of CPU time per request, turn by turn."""
    pairs = [
        (mine["cpu_us_per_request"], other["cpu_us_per_request"]) for mine, other in zip(ours, theirs, strict=False)
    ]
    ratios = [mine / other for mine, other in pairs if mine and other]
    return round(median(ratios), 2) if ratios else None


def middle(values: list[Any]) -> float | None:
    present = [value for value in values if value is not None]
    return round(median(present), 2) if present else None


def about(options: argparse.Namespace) -> dict[str, Any]:
    counts = ",".join(map(str, options.connections))
    sizes = f"--repeats {options.repeats} --seconds {options.seconds:g} --connections {counts}"
    command = " ".join(["python -m bench.models", sizes, *options.models])
    return {"title": "every model beside the C floor", **circumstances(command), "placement": str(place())}


def page(head: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """Return the page of docs: a table for each number of connections, cheapest first."""
    counts = dict.fromkeys(row["connections"] for row in rows)
    return "\n".join([*introduction(head), *(line for count in counts for line in section(count, rows))]) + "\n"


def introduction(head: dict[str, Any]) -> list[str]:
    return [
        "# Benchmarks",
        "",
        f"Measured on {head['machine']}, {head['date'][:10]}, commit {head['commit']};",
        f"{head['placement']}. The command:",
        "",
        f"    {head['command']}",
        "",
        "Requests of 64 bytes, closed loop; 10,000 connections at a fixed 10,000 requests per second, after",
        "a second that does not count.",
        "Compare by CPU time per request. Requests per second of the fast servers are the client's limit:",
        "see the column *client CPU*. *over plain* compares a model with the plainest Python server of its",
        "kind (`bench/plain.py`), *over C* with an epoll server in C (`bench/floor/server.c`). Medians of",
        "runs that took turns.",
    ]


def section(count: int, rows: list[dict[str, Any]]) -> list[str]:
    chosen = [row for row in rows if row["connections"] == count and row["kind"] != "plain"]
    chosen.sort(key=lambda row: row["cpu_us_per_request"] or float("inf"))
    head = ["server", "CPU µs/req", "over plain", "over C", "req/s", "p50 µs", "p99 µs", "errors", "client CPU"]
    lines = [f"| {' | '.join(cells(row))} |" for row in chosen]
    table = [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines]
    return ["", f"## {count:,} connection{'s' * (count > 1)}", "", *table, *missing_figures(chosen)]


def missing_figures(rows: list[dict[str, Any]]) -> list[str]:
    """Return a line for each server with a run that gave no figures, and the reason of the first."""
    lines = [
        f"- `{row['model']}`, {len(row['failed'])} without figures: {row['failed'][0]}" for row in rows if row["failed"]
    ]
    return ["", *lines] if lines else []


def cells(row: dict[str, Any]) -> list[str]:
    keys = (*FIGURES[:1], "over_plain", "over_c", *FIGURES[1:])
    return [
        f"`{row['model']}`" if row["kind"] == "model" else row["model"],
        *(number(row[key]) for key in keys),
        str(row["errors"]),
        "-" if row["client_cpu_share"] is None else f"{row['client_cpu_share']:.0%}",
    ]


def number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
