"""Rankings of servers that are equal, and of one that is not: how often chance makes a verdict."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from iolab.errors import UsageError
from iolab.measurement import comparison
from iolab.measurement.comparison import Comparison, compare
from iolab.measurement.run import Run
from iolab.measurement.statistics import Judgement, judge
from iolab.models import MODELS, Model
from iolab.traffic.workload import Workload
from tests.made_up import run_of

NEEDED = {2: 6, 3: 7, 10: 9, 19: 10}
"""The repeats that allow a verdict among so many models."""

RANKINGS = 200
Machine = Callable[[random.Random, int, int], float]
"""What a request costs by the machine's mood: drawn from, at this run of a comparison of so many models."""


def fair(draw: random.Random, run: int, models: int) -> float:
    return draw.lognormvariate(0, 0.1)


def drifts(draw: random.Random, run: int, models: int) -> float:
    """Get dearer with every run, by a hundredth."""
    return draw.lognormvariate(0, 0.02) * (1 + run / 100)


def stumbles(draw: random.Random, run: int, models: int) -> float:
    """Make the first run of every repeat dearer by half."""
    return draw.lognormvariate(0, 0.02) * (1.5 if run % models == 0 else 1)


@pytest.fixture
def ranking(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Comparison]:
    """Rank models on a made-up machine, of which all cost the same but those in `true`."""

    def rank(models: int, machine: Machine, seed: int, **true: float) -> Comparison:
        draw, runs = random.Random(seed), iter(range(10**6))

        def pretend(model: Model, *_: Any, **options: Any) -> Run:
            return run_of(model.name, 10 * machine(draw, next(runs), models) * true.get(model.name, 1))

        monkeypatch.setattr(comparison, "measure", pretend)
        subjects = [Model(f"m{number}") for number in range(models)]
        return compare(subjects, [Workload()], repeats=NEEDED[models], order_seed=seed)

    return rank


def someone_differs(made: Comparison) -> bool:
    return any(row["verdict"] in ("faster", "slower") for row in made.ranking)


class TestEquals:
    @pytest.mark.parametrize("machine", [fair, drifts, stumbles])
    @pytest.mark.parametrize(
        "models", [pytest.param(count, marks=pytest.mark.certify if count == 10 else ()) for count in NEEDED]
    )
    def test_chance_makes_a_verdict_in_one_ranking_of_twenty_at_most(
        self, models: int, machine: Machine, ranking: Callable[..., Comparison]
    ) -> None:
        wrong = sum(someone_differs(ranking(models, machine, seed)) for seed in range(RANKINGS))
        assert wrong <= RANKINGS // 20

    @pytest.mark.parametrize("models", NEEDED)
    def test_a_server_that_is_dearer_by_30_percent_is_found(
        self, models: int, ranking: Callable[..., Comparison]
    ) -> None:
        for seed in range(20):
            rows = ranking(models, drifts, seed, m1=1.3).ranking
            assert (rows[-1]["model"], rows[-1]["verdict"]) == ("m1", "slower")
            assert rows[-1]["interval"][0] > 1


@pytest.mark.certify
@pytest.mark.timeout(1200)
def test_of_twenty_real_rankings_of_one_server_under_19_names_one_at_most_calls_any_different() -> None:
    """Thirteen repeats: with ten, the fewest, chance alone would fail this test one time in seven."""
    equals = [Model(f"epoll-{number}", function=MODELS["epoll"].serve) for number in range(19)]
    wrong, alone = 0, list[Judgement]()
    for number in range(20):
        made = compare(equals, [Workload(seconds=0.05)], repeats=13)
        alone += [judge([made.ratios(model.name, made.baseline, 10)])[0] for model in equals[1:]]
        wrong += someone_differs(made)
        by_chance = sum(judgement.word != "cannot tell" for judgement in alone)
        print(f"{wrong} of {number + 1} rankings; uncorrected, {by_chance} of {len(alone)} comparisons", flush=True)
    assert wrong <= 1


class TestOrder:
    def test_it_is_drawn_for_every_repeat_and_the_same_by_its_seed(self, ranking: Callable[..., Comparison]) -> None:
        def order(made: Comparison) -> list[str]:
            return [run.model for run in made.runs]

        first, again, other = (order(ranking(10, fair, seed)) for seed in (1, 1, 2))
        repeats = [first[place : place + 10] for place in range(0, len(first), 10)]
        assert first == again != other
        assert all(sorted(repeat) == sorted(repeats[0]) for repeat in repeats)
        assert len({tuple(repeat) for repeat in repeats}) == len(repeats)

    def test_the_seed_is_in_the_result(self, ranking: Callable[..., Comparison]) -> None:
        assert ranking(2, fair, 7).order_seed == 7


class TestModels:
    def test_one_that_is_named_twice_is_still_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(comparison, "measure", lambda model, work, **_: run_of(model.name, 5, work.connections))
        made = compare([MODELS[name] for name in ("epoll", "poll", "poll")], [Workload()], repeats=6)
        assert sorted(run.model for run in made.runs) == ["epoll"] * 6 + ["poll"] * 6


class TestBaseline:
    @pytest.mark.parametrize(
        ("names", "named", "baseline"),
        [
            (("poll", "epoll"), None, "epoll"),
            (("threads", "poll"), None, "threads"),
            (("poll", "epoll"), "poll", "poll"),
        ],
    )
    def test_it_is_epoll_or_the_first_unless_it_is_named(
        self, names: tuple[str, ...], named: str | None, baseline: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(comparison, "measure", lambda model, work, **_: run_of(model.name, 5, work.connections))
        made = compare([MODELS[name] for name in names], [Workload()], repeats=6, baseline=named)
        assert made.baseline == baseline
        assert {row["model"]: row["verdict"] for row in made.ranking}[baseline] == "baseline"

    def test_one_that_is_not_compared_is_refused(self) -> None:
        with pytest.raises(UsageError, match=r"among the models that are compared \(epoll, poll\), not 'threads'"):
            compare([MODELS["epoll"], MODELS["poll"]], [Workload()], baseline="threads")

    def test_one_that_answered_nothing_leaves_no_verdict(self) -> None:
        nothing = run_of("epoll", 0)
        rows = Comparison((nothing, run_of("poll", 5)) * 6).ranking
        assert [(row["model"], row["ratio"], row["verdict"]) for row in rows] == [
            ("epoll", 1.0, "baseline"),
            ("poll", None, "cannot tell"),
        ]
