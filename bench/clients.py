"""The load client beside the C client, on the same C server: one connection, and a hundred.

    python -m bench.clients

At one connection both run on the server's CPU, where a round trip has no wake-up of another
CPU in it; at a hundred each has a CPU of its own.
"""

from statistics import median

from bench import floor
from iolab.display.tables import as_text
from iolab.measurement.placement import place
from iolab.traffic.process import load
from iolab.traffic.workload import Workload

ROUNDS, SECONDS = 9, 1.0


def main() -> None:
    server_cpu = place().server or 0
    client_cpu = place().client or 0
    rows = [row(1, server_cpu, server_cpu), row(100, server_cpu, client_cpu)]
    print(as_text(rows))


def row(connections: int, server_cpu: int, client_cpu: int) -> dict[str, object]:
    ours, theirs = [], []
    with floor.Server(server_cpu) as server:
        for _ in range(ROUNDS):
            work = Workload(connections=connections, seconds=SECONDS)
            ours.append(load(server.address, work, cpu=client_cpu).summary())
            theirs.append(floor.client(server.address, connections, 64, seconds=SECONDS, cpu=client_cpu))
    python_p50, c_p50 = (median([run["p50_us"] for run in runs]) for runs in (ours, theirs))
    return {
        "connections": connections,
        "python p50 µs": python_p50,
        "c p50 µs": c_p50,
        "difference µs": python_p50 - c_p50,
        "python req/s": median([run["per_s"] for run in ours]),
        "best req/s": max(run["per_s"] for run in ours),
        "c req/s": median([run["per_s"] for run in theirs]),
        "errors": sum(run["errors"] for run in ours),
    }


if __name__ == "__main__":
    main()
