"""Every link of README, docs, data and lessons: inside the repository it resolves, outside it is well-formed."""

import json
import re
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
TEXTS = [path for place in ("*.md", "docs/*.md", "data/*.md") for path in sorted(ROOT.glob(place))]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINK = re.compile(r"\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)")
HOST = re.compile(r"([a-z0-9-]+\.)+[a-z]{2,}")


def text_of(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.sub(r"```.*?```", "", text, flags=re.S)


def anchors(path: Path) -> set[str]:
    """Return the names that headings get: small letters, no signs, a hyphen for each space."""
    headings = re.findall(r"^#+ (.+)$", text_of(path), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def wrong(path: Path, link: str) -> str | None:
    """Say what is wrong with a link, or return None."""
    url = urlsplit(link)
    if url.scheme or url.netloc:
        fine = url.scheme in ("http", "https") and HOST.fullmatch(url.hostname or "")
        return None if fine else f"{link} is no address"
    target = (path.parent / url.path).resolve() if url.path else path
    if not target.exists() or not target.is_relative_to(ROOT):
        return f"{link} is not there"
    return None if not url.fragment or url.fragment in anchors(target) else f"{link} has no such heading"


@pytest.mark.parametrize("path", [*TEXTS, *LESSONS], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    found = LINK.findall(text_of(path))
    assert [says for link in found if (says := wrong(path, link))] == []


@pytest.mark.parametrize(
    "link", ["nowhere.md", "../outside.md", "README.md#no-such-heading", "https://", "htp://a.b", "https://local"]
)
def test_a_link_that_leads_nowhere_is_found(link: str) -> None:
    assert wrong(ROOT / "README.md", link)


def test_the_map_has_every_lesson_with_its_time_and_a_binder() -> None:
    rows = re.findall(r"^\| \[.+?\]\(notebooks/(.+?)\) \| .+\? \| (\d+) min \| \[open\]\((.+?)\) \|$", README, re.M)
    assert [name for name, _, _ in rows] == [path.name for path in LESSONS]
    for name, minutes, binder in rows:
        assert re.search(rf"takes (about )?{minutes} minutes", text_of(ROOT / "notebooks" / name))
        assert parse_qs(urlsplit(binder).query) == {"urlpath": [f"lab/tree/notebooks/{name}"]}


def test_all_binders_are_of_one_repository() -> None:
    assert len(set(re.findall(r"mybinder\.org/v2/gh/([\w.-]+/[\w.-]+)/HEAD", README))) == 1


def test_every_command_of_make_that_is_named_is_there() -> None:
    targets = re.findall(r"^([\w ]+):", (ROOT / "Makefile").read_text(), re.M)
    known = {name for line in targets for name in line.split()}
    for path in TEXTS:
        named = set(re.findall(r"(?:`|^    )make (\w+)", path.read_text(encoding="utf-8"), re.M))
        assert named <= known, path


def test_what_is_cited_is_what_is_released() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
