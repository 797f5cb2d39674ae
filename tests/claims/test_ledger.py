"""The ledger: every claim once, with the verdict that is on record or the lesson that will give it."""

from pathlib import Path

import pytest

from iolab import progress
from iolab.claims import CLAIMS, ledger
from iolab.claims.verdicts import Word, conclude, together


def words(of: str) -> list[str]:
    return [verdict.word for verdict in ledger().verdicts if verdict.claim == of]


@pytest.mark.usefixtures("progress_file")
class TestLedger:
    def test_every_claim_stands_in_it_once(self) -> None:
        assert [verdict.claim for verdict in ledger().verdicts] == list(CLAIMS)

    def test_a_claim_without_a_verdict_names_its_lesson(self) -> None:
        assert words("C10") == ["not judged yet"]
        assert {verdict.because for verdict in ledger().verdicts if verdict.claim in ("C10", "C11")} == {
            "lesson 06 judges it"
        }

    def test_a_verdict_is_taken_from_the_record(self) -> None:
        conclude("C5", "fails", "a full socket was left out")
        assert words("C5") == ["fails"]
        assert words("C6") == ["not judged yet"]

    @pytest.mark.parametrize("found", [None, "holds", [], {}, {"word": "holds"}])
    def test_what_is_no_verdict_counts_for_nothing(self, found: object, progress_file: Path) -> None:
        progress.record("verdicts", "C1", found)
        assert words("C1") == ["not judged yet"]


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        (["holds", "holds"], "holds"),
        (["holds", "fails"], "fails in part"),
        (["cannot tell", "fails"], "fails in part"),
        (["fails", "fails"], "fails"),
        (["holds", "cannot tell"], "cannot tell"),
        (["holds", "cannot run here"], "cannot tell"),
        (["cannot run here", "cannot run here"], "cannot run here"),
    ],
)
def test_a_claim_of_two_parts_has_one_word(words: list[Word], whole: str) -> None:
    assert together(words) == whole
