"""The site of the lessons: what it is made of, and what would be missing from it. `make book` builds it."""

import json
import re
from pathlib import Path

import pytest

import iolab
from tools import book

ALT = "A figure, told in words."
SHOWN = f'<img src="data:image/png;base64,AA==" alt="{ALT}">'


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("book")
    book.assemble(folder)
    return folder


def test_every_lesson_and_every_page_of_docs_is_in_a_table_of_contents(source: Path) -> None:
    contents = (source / "index.md").read_text()
    pages = {str(path.relative_to(source).with_suffix("")) for path in (source / "docs").glob("*.md")}
    assert pages <= set(contents.split()) and "notebooks/*" in contents
    assert len(list((source / "notebooks").iterdir())) == len(list(book.ROOT.glob(book.LESSONS))) > 0


def test_every_model_has_its_card_and_its_text(source: Path) -> None:
    page = (source / "models.md").read_text()
    for model in iolab.MODELS.values():
        assert f"## `{model.name}`" in page and str(iolab.source(model.name)) in page
        assert all(f"* - {head}\n  - {line}\n" in page for head, line in model.card.items())


def test_every_module_is_in_the_reference_once() -> None:
    pages = "".join(book.reference().values())
    modules = {
        ".".join(path.relative_to(book.ROOT).with_suffix("").parts)
        for path in (book.ROOT / "iolab").rglob("*.py")
        if path.stem not in ("__init__", "__main__") and path.parent.name != "servers"
    }
    assert {name for name in modules if pages.count(f"automodule:: {name}\n") != 1} == set()


class TestComplaints:
    @pytest.fixture
    def site(self, tmp_path: Path) -> Path:
        for folder in ("source/notebooks", "html/notebooks"):
            (tmp_path / folder).mkdir(parents=True)
        outputs = [{"data": {"text/html": [SHOWN]}}, {"text": "no figure"}]
        lesson = {"cells": [{"outputs": outputs}, {"source": "prose"}]}
        (tmp_path / "source/notebooks/01_a.ipynb").write_text(json.dumps(lesson))
        return tmp_path

    @pytest.mark.parametrize(
        ("page", "says"),
        [
            (SHOWN, []),
            ("", ["01_a.ipynb: 0 of 1 figures have come through"]),
            (SHOWN.replace(ALT, ""), ["01_a.ipynb: 0 of 1 figures have come through"]),
            (SHOWN + '<script src="https://cdn/x.js">', ["01_a.html would fetch https://cdn/x.js"]),
            (SHOWN + '<a href="https://man7.org/">', []),
        ],
    )
    def test_says_what_is_missing(self, site: Path, page: str, says: list[str]) -> None:
        (site / "html/notebooks/01_a.html").write_text(page)
        assert book.complaints(site / "source", site / "html") == says


class TestTheFrontPage:
    def test_it_has_a_figure_a_replay_and_a_signpost_to_every_lesson(self, source: Path) -> None:
        page = (source / "index.md").read_text()
        assert page.index(book.FIGURE_CLASS) < page.index(book.REPLAY) < page.index('class="signpost"')
        assert not {"FIGURE", "REPLAY", "MAP"} & set(page.splitlines())
        lessons = [path.stem for path in sorted(source.glob(book.LESSONS))]
        assert re.findall(r'class="signpost" href="notebooks/(\w+)\.html"><img', page) == lessons

    @pytest.mark.parametrize("lesson", sorted(book.ROOT.glob(book.LESSONS)), ids=lambda path: path.stem[:2])
    def test_a_signpost_says_what_is_asked_how_long_it_takes_and_what_one_can_do_then(self, lesson: Path) -> None:
        text = book.signpost(lesson)
        number, minutes = lesson.stem[:2], re.findall(r"<small>(\d+) min</small>", text)
        assert f"<strong>{number} · " in text and re.search(r"<p>[A-Z].*\?</p>", text)
        assert len(minutes) == 1 and 20 <= int(minutes[0]) <= 45
        assert 3 <= text.count("<li>") <= 5 and "`" not in text and 'alt="' in text


def test_who_searches_lands_in_a_lesson_first() -> None:
    places = re.findall(r'\["([a-z/]+)", (-?\d+)\]', (book.ROOT / "docs/book/scorer.js").read_text())
    ranks = {place: int(score) for place, score in places}
    assert max(ranks, key=lambda place: ranks[place]) == "notebooks/"
    assert min(ranks, key=lambda place: ranks[place]) == "api/"
