"""Every model beside the C floor and the plainest server of its kind, in one run: `make bench`.

    python -m bench.models [--repeats N] [--seconds S] [--connections N,N...] [MODEL ...]

The servers take turns in every repeat, in an order drawn for it, each in a fresh process and under the same load
client; server and client have a CPU each where there are two. Ten thousand connections are asked at a fixed
10,000 requests per second, and the first second does not count; all others, as fast as they can go.
Writes a file for each number of connections into data/bench, and docs/benchmarks.md from all that are there.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench import floor
from bench.plain import PLAIN
from iolab.archive.provenance import circumstances
from iolab.archive.results import to_json
from iolab.cli import terminal
from iolab.display.progress_bar import Tick
from iolab.errors import LoadFailed, ServerFailed
from iolab.measurement.cpu import CpuSamples
from iolab.measurement.fresh import in_fresh_process, warm_up
from iolab.measurement.placement import place
from iolab.measurement.run import NEIGHBOUR_LIMIT, measure
from iolab.measurement.statistics import fewest, judge, pair
from iolab.models import MODELS, resolve
from iolab.traffic.process import Client
from iolab.traffic.workload import Workload

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "data" / "bench"
MANY = 10_000
CROWD: dict[str, Any] = {"rate_per_s": 10_000, "warm_up_s": 1.0}
LIMIT_S = 15
FIGURES = ("cpu_us_per_request", "per_s", "p50_us", "p99_us")
FLOOR = ("C epoll", "floor")
ORDER_SEED = 1
Server = Callable[[Workload], dict[str, Any]]
Runs = dict[tuple[str, str], list[dict[str, Any]]]
"""The figures of each run of each server, by name and kind."""


def main() -> None:
    options = arguments()
    servers = dict(all_servers(options.models))
    FOLDER.mkdir(exist_ok=True)
    for count in options.connections:
        repeats, seconds = options.repeats or repeats_of(count), options.seconds or seconds_of(count)
        head = about(f"--repeats {repeats} --seconds {seconds:g} --connections {count}", options.models)
        part = {**head, "rows": run_all(servers, count, repeats, seconds)}
        (FOLDER / f"connections-{count}.json").write_text(to_json(part), encoding="utf-8")
    parts = [json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("connections-*.json")]
    (ROOT / "docs" / "benchmarks.md").write_text(page(parts), encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure every model beside the C floor.")
    parser.add_argument("models", nargs="*", choices=[*MODELS, []], help="models to measure; all, if none is named")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--connections", type=lambda text: [int(each) for each in text.split(",")])
    parser.set_defaults(connections=[1, 10, 100, 1000, MANY])
    return parser.parse_args()


def repeats_of(count: int) -> int:
    """Return as many as a verdict on every model takes; ten thousand connections, minutes a turn, have three."""
    return 3 if count >= MANY else fewest(len(MODELS))


def seconds_of(count: int) -> float:
    return 1.0 if count >= MANY else 0.3


def all_servers(names: Sequence[str]) -> Iterator[tuple[tuple[str, str], Server]]:
    """Yield every server under (model, kind): the C floor, then each model and the plainest of its kind."""
    yield FLOOR, c_server
    for name in names or MODELS:
        if MODELS[name].why_not() is None:
            yield (name, "model"), partial(python_server, name)
            if name in PLAIN:
                yield (name, "plain"), partial(python_server, PLAIN[name])


def python_server(serve: Any, workload: Workload) -> dict[str, Any]:
    model = resolve(serve)
    warm_up(model)
    result = measure(model, workload)
    own = {"cpu_us_per_request": result.cpu_us_per_request, "neighbours_share": result.neighbours_share}
    return result.records.summary() | own


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
    runs: Runs = {key: [] for key in able}
    work = Workload(connections=count, seconds=seconds, **(CROWD if count >= MANY else {}))
    draw = random.Random(f"{ORDER_SEED} {count}")
    with terminal.steps(quiet=False) as show:
        for turn in range(repeats):
            for key in draw.sample(list(able), len(able)):
                show(f"{count} connections, turn {turn + 1} of {repeats}: {' '.join(key)}")
                runs[key].append(attempt(able[key], work))
    return rows_of(count, runs)


def can_hold(name: str, count: int) -> bool:
    model = MODELS.get(name)
    return (model is None or count <= (model.serves_at_once or count)) and (name != "select" or count < 1000)


def attempt(run: Server, workload: Workload) -> dict[str, Any]:
    """Measure in a process of its own, for LIMIT_S at most.

    Threads that wait for the GIL ask for it every 5 ms: where ten thousand wait, asking takes the whole CPU, and
    for minutes none of them gets any further.
    """
    try:
        return in_fresh_process(run, workload, patience_s=LIMIT_S)
    except (LoadFailed, ServerFailed) as error:
        return failure(str(error))


def failure(why: str) -> dict[str, Any]:
    return dict.fromkeys(FIGURES) | {"errors": 1, "client_cpu_share": None, "failed": why}


def rows_of(count: int, runs: Runs) -> list[dict[str, Any]]:
    """Return a row for each server. Holm's correction is for all models over C, and for all over the plainest."""
    models = [key for key in runs if key[1] == "model"]
    over_c = over(runs, dict.fromkeys(models, FLOOR)) | {FLOOR: {"ratio": 1.0, "interval": None}}
    over_plain = over(runs, {key: (key[0], "plain") for key in models if (key[0], "plain") in runs})
    nothing = {"ratio": None, "interval": None}
    return [
        {
            "model": key[0],
            "kind": key[1],
            "connections": count,
            **{figure: middle([each[figure] for each in own]) for figure in FIGURES},
            **{f"over_plain_{name}": value for name, value in over_plain.get(key, nothing).items()},
            **{f"over_c_{name}": value for name, value in over_c.get(key, nothing).items()},
            "errors": sum(each["errors"] for each in own),
            "client_cpu_share": middle([each["client_cpu_share"] for each in own]),
            "neighbours_share": middle([each.get("neighbours_share") for each in own]),
            "failed": [each["failed"] for each in own if "failed" in each],
        }
        for key, own in runs.items()
    ]


def over(runs: Runs, others: dict[tuple[str, str], tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the ratio of CPU time per request of each server to that of its other one, with its interval."""
    costs = {key: [run["cpu_us_per_request"] for run in own] for key, own in runs.items()}
    judgements = judge([pair(costs[key], costs[other]) for key, other in others.items()])
    return {
        key: {
            "ratio": judgement.ratio and round(judgement.ratio, 3),
            "interval": judgement.interval and [round(judgement.interval.low, 3), round(judgement.interval.high, 3)],
        }
        for key, judgement in zip(others, judgements, strict=True)
    }


def middle(values: list[Any]) -> float | None:
    present = [value for value in values if value is not None]
    return round(median(present), 2) if present else None


def about(sizes: str, models: Sequence[str]) -> dict[str, Any]:
    command = " ".join(["python -m bench.models", sizes, *models])
    return {"title": "every model beside the C floor", **circumstances(command), "placement": str(place())}


def page(parts: list[dict[str, Any]]) -> str:
    """Return the page of docs: a table for each number of connections, by the ratio to C."""
    parts.sort(key=lambda part: int(part["rows"][0]["connections"]))
    return "\n".join([*introduction(), *(line for part in parts for line in section(part))]) + "\n"


def introduction() -> list[str]:
    return [
        "# Benchmarks",
        "",
        "Requests of 64 bytes, closed loop; 10,000 connections at a fixed 10,000 requests per second, after",
        "a second that does not count.",
        "*over C* is the ratio of the CPU time per request to that of an epoll server in C (`bench/floor/server.c`),",
        "and the order of the tables. *over plain* is the ratio to the plainest Python server of the same kind",
        "(`bench/plain.py`). Each is the median of the ratios of all repeats: in each the servers ran in an order",
        "drawn for it, every one in a fresh process. In brackets is the interval, with Holm's correction for all",
        "models of a table; where it holds 1 there is no verdict, and where two overlap their order may be chance.",
        "CPU µs/req drifts with the machine, and ranks nothing. Requests per second of the fast servers are the",
        "client's limit: see the column *client CPU*.",
    ]


def section(part: dict[str, Any]) -> list[str]:
    count = part["rows"][0]["connections"]
    chosen = [row for row in part["rows"] if row["kind"] != "plain"]
    chosen.sort(key=lambda row: row["over_c_ratio"] or float("inf"))
    head = ["server", "over C", "over plain", "CPU µs/req", "req/s", "p50 µs", "p99 µs", "errors", "client CPU"]
    lines = [f"| {' | '.join(cells(row))} |" for row in chosen]
    table = [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines]
    title = f"## {count:,} connection{'s' * (count > 1)}"
    return ["", title, "", *table, *missing_figures(chosen), "", *origin(part)]


def origin(part: dict[str, Any]) -> list[str]:
    return [
        f"Measured on {part['machine']}, {part['date'][:10]}, commit {part['commit']};",
        f"{part['placement']}: `{part['command']}`.",
        *([part["note"]] if "note" in part else []),
        *busy(part["rows"]),
    ]


def busy(rows: list[dict[str, Any]]) -> list[str]:
    share = middle([row.get("neighbours_share") for row in rows]) or 0.0
    if share <= NEIGHBOUR_LIMIT:
        return []
    return [
        f"Other processes took {share:.0%} of a core: only the ratios mean anything, and those of many threads little."
    ]


def missing_figures(rows: list[dict[str, Any]]) -> list[str]:
    """Return a line for each server with a run that gave no figures, and the reason of the first."""
    lines = [
        f"- `{row['model']}`, {len(row['failed'])} without figures: {row['failed'][0]}" for row in rows if row["failed"]
    ]
    return ["", *lines] if lines else []


def cells(row: dict[str, Any]) -> list[str]:
    return [
        f"`{row['model']}`" if row["kind"] == "model" else row["model"],
        *(between(row[f"{other}_ratio"], row[f"{other}_interval"]) for other in ("over_c", "over_plain")),
        *(number(row[key]) for key in FIGURES),
        str(row["errors"]),
        "-" if row["client_cpu_share"] is None else f"{row['client_cpu_share']:.0%}",
    ]


def between(ratio: float | None, interval: list[float] | None) -> str:
    if ratio is None:
        return "-"
    return f"{ratio:.2f} ({interval[0]:.2f} to {interval[1]:.2f})" if interval else f"{ratio:.2f}"


def number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    from bench import models  # fresh processes import what they are to run, which they cannot from __main__

    models.main()
