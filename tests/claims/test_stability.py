"""Whether a verdict's word lasts: twenty runs in a row beside a busy process give one word, or *cannot tell*.

Each run gathers its evidence as the lesson does.
"""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

import iolab
from iolab import claims
from iolab.claims import Verdict
from iolab.course import read_file
from iolab.experiments import ONCE, SELECTORS, copy_cost, takes_files, wait_cost

pytestmark = [pytest.mark.certify, pytest.mark.timeout(1800), pytest.mark.usefixtures("progress_file")]
RUNS = 20
SECONDS = 0.3


@pytest.fixture(autouse=True)
def _neighbour() -> Iterator[None]:
    """Keep a CPU busy, and let the scheduler choose which."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            yield
        finally:
            busy.kill()


def blocking() -> Verdict:
    inside = iolab.timeline("blocking", connections=1, requests=200, think_s=0.0005)
    return claims.judge_blocking(inside, copy_cost())


def nonblocking() -> Verdict:
    inside = iolab.timeline("nonblocking", connections=1, requests=200, think_s=0.0005)
    return claims.judge_nonblocking(inside, {}, read_file())


def spinning() -> Verdict:
    inside, waiting = (
        iolab.timeline(model, connections=1, requests=200, think_s=0.0005) for model in ("nonblocking", "select")
    )
    burnt = {model: share_alone(model) for model in ("nonblocking", "select")}
    p50_us: dict[str, list[float]] = {"nonblocking": [], "epoll": []}
    for _ in range(6):
        for model, medians in p50_us.items():
            medians.append(iolab.measure(model, connections=1, seconds=SECONDS).records.summary()["p50_us"])
    return claims.judge_spinning(inside, waiting, burnt, p50_us)


def share_alone(model: str) -> float:
    """Return the share of a CPU that a server uses without a client."""
    with iolab.start(model):
        before_s = time.process_time()
        time.sleep(SECONDS)
        return (time.process_time() - before_s) / SECONDS


def default_selector() -> Verdict:
    costs = wait_cost(calls=(*SELECTORS, *ONCE), watched=(1, 10, 800))
    return claims.judge_default_selector(costs, takes_files())


@pytest.mark.parametrize("judge", [blocking, nonblocking, spinning, default_selector])
def test_a_word_lasts_beside_a_busy_process(judge: Callable[[], Verdict]) -> None:
    verdicts = [judge() for _ in range(RUNS)]
    words = Counter(verdict.word for verdict in verdicts)
    print(f"\n{verdicts[0].claim}: {dict(words)}", *Counter(verdict.because for verdict in verdicts), sep="\n  ")
    assert len(words.keys() - {"cannot tell"}) <= 1
