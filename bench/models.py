"""Every model beside the C floor and the plainest server of its kind, in one run: `make bench`.

    python -m bench.models [--repeats N] [--seconds S] [--connections N,N...] [MODEL ...]

All servers take turns in every repeat, each in a fresh process, under the same load client, server and
client on a CPU of their own where there are two. Ten thousand connections are asked at a fixed
10,000 requests per second, and the first second does not count; all others as fast as they go.
Writes data/bench/models.json and docs/benchmarks.md.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench import floor
from bench.plain import PLAIN
from iolab.archive.provenance import commit
from iolab.archive.results import to_json
from iolab.errors import LoadFailed, ServerFailed
from iolab.measurement.cpu import CpuSamples
from iolab.measurement.machine import machine
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
    asked = arguments()
    servers = dict(everything(asked.models))
    rows = [row for count in asked.connections for row in measured(servers, count, asked.repeats, asked.seconds)]
    head = about(asked)
    kept = ROOT / "data" / "bench" / "models.json"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(to_json({**head, "rows": rows}), encoding="utf-8")
    (ROOT / "docs" / "benchmarks.md").write_text(page(head, rows), encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure every model beside the C floor.")
    parser.add_argument("models", nargs="*", choices=[*MODELS, []], help="models to measure; all, if none is named")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--connections", type=lambda text: [int(each) for each in text.split(",")])
    parser.set_defaults(connections=[1, 10, 100, 1000, MANY])
    return parser.parse_args()


def everything(names: Sequence[str]) -> Iterator[tuple[tuple[str, str], Server]]:
    """Yield every server under (model, kind): the C floor, then each model and the plainest of its kind."""
    yield ("C epoll", "floor"), c_server
    for name in names or MODELS:
        if MODELS[name].why_not() is None:
            yield (name, "model"), python_server(name)
            if name in PLAIN:
                yield (name, "plain"), python_server(PLAIN[name])


def python_server(serve: Any) -> Server:
    def run(workload: Workload) -> dict[str, Any]:
        made = measure(resolve(serve), workload)
        return made.records.summary() | {"cpu_us_per_request": made.cpu_us_per_request}

    return run


def c_server(workload: Workload) -> dict[str, Any]:
    """Measure the floor as `measure` does a server of this process: CPU time from the first request that counts."""
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


def measured(servers: dict[tuple[str, str], Server], count: int, repeats: int, seconds: float) -> list[dict[str, Any]]:
    """Return one row a server that can hold so many connections."""
    able = {key: run for key, run in servers.items() if holds(key[0], count)}
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {key: [] for key in able}
    work = Workload(connections=count, seconds=seconds, **(CROWD if count >= MANY else {}))
    for turn in range(repeats):
        for key, run in able.items():
            print(f"\r{count} connections, turn {turn + 1} of {repeats}: {' '.join(key):40}", end="", file=sys.stderr)
            runs[key].append(attempt(run, work))
    print(file=sys.stderr)
    return [row(key, count, found, runs) for key, found in runs.items()]


def holds(name: str, count: int) -> bool:
    model = MODELS.get(name)
    return (model is None or model.serves_many or count == 1) and (name != "select" or count < 1000)


def attempt(run: Server, workload: Workload) -> dict[str, Any]:
    """Measure in a process of its own, and no longer than LIMIT_S.

    Threads that wait for the GIL ask for it every 5 ms: where ten thousand wait, asking takes the whole CPU, and
    nobody gets on, for minutes.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=tell, args=(run, workload, sender))
    child.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(LIMIT_S) else failed(f"it had not ended after {LIMIT_S} s")
    except EOFError:
        return failed("its process ended without a word")
    finally:
        child.kill()
        child.join()


def tell(run: Server, workload: Workload, sender: Connection) -> None:
    try:
        sender.send(run(workload))
    except (LoadFailed, ServerFailed) as why:
        sender.send(failed(str(why)))


def failed(why: str) -> dict[str, Any]:
    return dict.fromkeys(FIGURES) | {"errors": 1, "client_cpu_share": None, "failed": why}


def row(
    key: tuple[str, str], count: int, found: list[dict[str, Any]], runs: dict[tuple[str, str], list[dict[str, Any]]]
) -> dict[str, Any]:
    figures = {figure: middle([each[figure] for each in found]) for figure in FIGURES}
    return {
        "model": key[0],
        "kind": key[1],
        "connections": count,
        **figures,
        "over_plain": over(found, runs.get((key[0], "plain"), [])) if key[1] == "model" else None,
        "over_c": over(found, runs[("C epoll", "floor")]),
        "errors": sum(each["errors"] for each in found),
        "client_cpu_share": middle([each["client_cpu_share"] for each in found]),
        "failed": [each["failed"] for each in found if "failed" in each],
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


def about(asked: argparse.Namespace) -> dict[str, Any]:
    counts = ",".join(map(str, asked.connections))
    options = f"--repeats {asked.repeats} --seconds {asked.seconds:g} --connections {counts}"
    return {
        "title": "every model beside the C floor",
        "machine": str(machine()),
        **vars(machine()),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": " ".join(["python -m bench.models", options, *asked.models]),
        "commit": commit(),
        "placement": str(place()),
    }


def page(head: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """Return the page of docs: one table a number of connections, cheapest first."""
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
        "see the column *client CPU*. *over plain* holds a model against the plainest Python server of its",
        "kind (`bench/plain.py`), *over C* against an epoll server in C (`bench/floor/server.c`). Medians of",
        "runs that took turns.",
    ]


def section(count: int, rows: list[dict[str, Any]]) -> list[str]:
    shown = [row for row in rows if row["connections"] == count and row["kind"] != "plain"]
    shown.sort(key=lambda row: row["cpu_us_per_request"] or float("inf"))
    head = ["server", "CPU µs/req", "over plain", "over C", "req/s", "p50 µs", "p99 µs", "errors", "client CPU"]
    lines = [f"| {' | '.join(cells(row))} |" for row in shown]
    table = [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines]
    return ["", f"## {count:,} connection{'s' * (count > 1)}", "", *table, *why_not(shown)]


def why_not(rows: list[dict[str, Any]]) -> list[str]:
    """Return a line for each server of which a run gave no figures, with the reason of the first."""
    said = [
        f"- `{row['model']}`, {len(row['failed'])} without figures: {row['failed'][0]}" for row in rows if row["failed"]
    ]
    return ["", *said] if said else []


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
