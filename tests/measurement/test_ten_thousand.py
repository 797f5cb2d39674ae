"""Ten thousand threads that all work, beside one thread that serves as many connections."""

from statistics import median

import pytest

from iolab.experiments import connection_cost

pytestmark = [pytest.mark.certify, pytest.mark.timeout(1800)]
TURNS = 3


def test_ten_thousand_busy_threads_are_a_queue() -> None:
    rows = connection_cost(connections=(10_000,), models=("threads", "epoll") * TURNS, seconds=10).rows
    for row in rows:
        print(
            row["model"], {name: value for name, value in row.items() if name.startswith("loaded") or name == "why_not"}
        )
    if reasons := [row["why_not"] for row in rows if row["why_not"]]:
        pytest.skip(reasons[0])
    threads, epoll = ([row for row in rows if row["model"] == model] for model in ("threads", "epoll"))
    pairs = list(zip(threads, epoll, strict=True))
    for figure, least in (("loaded_server_cpu_us_per_request", 2), ("loaded_p99_us", 5)):
        times = [mine[figure] / other[figure] for mine, other in pairs]
        print(figure, "threads over epoll:", [f"{each:.1f}" for each in times])
        assert median(times) > least
