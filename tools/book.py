"""Make the site of the lessons: `python -m tools.book OUT`, in an environment that has the extra `book`."""

import importlib.util
import json
import pkgutil
import re
import shutil
import sys
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

import iolab
from iolab.models import Model

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("C*.md", "LICENSE", "data/README.md", "data/*/*.*", "docs/*.md", "docs/images/*")
LESSONS = "notebooks/[0-9][0-9]_*.ipynb"
SETTINGS = "docs/book/*"
PACKAGES = [each.name for each in pkgutil.iter_modules(iolab.__path__) if each.ispkg and each.name != "servers"]
"""The parts of the package that have a page of the reference each; the rest shares one."""

REPLAYED = "01_blocking"
"""The lesson with the run that is on the front page: drawn, and to be played."""

HEAD = re.compile(
    r"# (?P<title>[^:\n]+): (?P<question>[^\n]+)\n.*?\n\n(?P<goals>(?:- [^\n]+\n)+).*?(?P<minutes>\d+) minutes", re.S
)
"""The first cell of a lesson: its title and question, what one can do afterwards, and how long it takes."""

FIGURE_CLASS = 'class="iolab-figure"'
PICTURE = re.compile(f"<img {FIGURE_CLASS}[^>]*>")
DRAWING = "figures.idea("
REPLAY = 'id="iolab-replay-'
FIGURE = re.compile(r'<img[^>]* src="data:image/[^>]* alt="[^"]{10}')
SHEET = re.compile(r'<a href=\\"exercises/[^>]*>([^<]*)</a>')
"""A link to a sheet, in the JSON of a lesson."""

FETCHED = re.compile(r'<(?:script|img|iframe|link)[^>]* (?:src|href)="(https?:[^"]+)')


def assemble(source: Path) -> None:
    """Lay out what Sphinx reads: the committed texts and lessons in their places, and the pages made of the package."""
    for pattern in (*PAGES, LESSONS):
        for path in sorted(ROOT.glob(pattern)):
            _put(path, source / path.relative_to(ROOT))
    for path in source.glob(LESSONS):
        _unlink_sheets(path)
    for path in ROOT.glob(SETTINGS):
        _put(path, source / path.name)
    write_front_page(source / "index.md", sorted(source.glob(LESSONS)))
    (source / "models.md").write_text(models(), encoding="utf-8")
    (source / "api").mkdir(exist_ok=True)
    for name, text in reference().items():
        (source / "api" / f"{name}.rst").write_text(text, encoding="utf-8")


def write_front_page(page: Path, lessons: list[Path]) -> None:
    """Put a figure and a replay of one run, and the map of the course, in their places on the front page."""
    run = next(lesson for lesson in lessons if lesson.stem == REPLAYED)
    outputs = next(each for each in map(_outputs_of, _cells(run)) if REPLAY in "".join(each))
    figure, replay = (next(html for html in outputs if mark in html) for mark in (FIGURE_CLASS, REPLAY))
    parts = {"FIGURE": figure, "REPLAY": replay, "MAP": "\n".join(map(signpost, lessons))}
    text = page.read_text(encoding="utf-8")
    for place, html in parts.items():
        text = text.replace(f"\n{place}\n", f"\n``````{{raw}} html\n{html}\n``````\n")
    page.write_text(text, encoding="utf-8")


def signpost(lesson: Path) -> str:
    """Return what the map has of a lesson: a picture, the question, the time, and what one can do afterwards."""
    head = HEAD.match("".join(_cells(lesson)[0]["source"]))
    assert head, f"{lesson.name} does not begin with its title, question, goals and time"
    goals = "".join(f"<li>{_mark_up(goal.strip('-,. '))}</li>" for goal in head["goals"].splitlines())
    return (
        f'<a class="signpost" href="notebooks/{lesson.stem}.html">{picture(lesson)}<div>'
        f"<strong>{head['title']}</strong> <small>{head['minutes']} min</small>"
        f"<p>{_mark_up(head['question'][0].upper() + head['question'][1:])}</p><ul>{goals}</ul></div></a>"
    )


def picture(lesson: Path) -> str:
    """Return the drawing of a lesson's idea, or the first of its figures."""
    cells = sorted(_cells(lesson), key=lambda cell: DRAWING not in "".join(cell["source"]))
    return next(match[0] for cell in cells for html in _outputs_of(cell) if (match := PICTURE.search(html)))


def _mark_up(text: str) -> str:
    code = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", code)


def models() -> str:
    """Return the page of the models: of each its card, and its text."""
    head = "# The models\n\nEvery model is one page. Its card says what sets it apart; its text is the whole server.\n"
    return "\n".join([head, *map(card, iolab.MODELS.values())])


def card(model: Model) -> str:
    """Return the card of a model as a table whose first column heads the rows, and the text of its server."""
    rows = "".join(f"* - {head}\n  - {line}\n" for head, line in model.card.items())
    table = f"```{{list-table}}\n:stub-columns: 1\n\n{rows}```\n"
    return f"## `{model.name}`\n\n{table}\n```python\n{iolab.source(model.name)}\n```\n"


def reference() -> dict[str, str]:
    """Return the pages of the reference: the face, one for each part of the package, and an index."""
    rest = [name for name in _modules(iolab.__path__, "iolab") if name.split(".")[1] not in (*PACKAGES, "servers")]
    pages = {"face": _page("The face of the package", ["iolab"]), "others": _page("Everything else", rest)}
    for name in PACKAGES:
        package = importlib.import_module(f"iolab.{name}")
        pages[name] = _page(f"iolab.{name}", [package.__name__, *_modules(package.__path__, package.__name__)])
    listed = "\n".join(f"   {name}" for name in ("face", *PACKAGES, "others"))
    return pages | {"index": f"Reference\n=========\n\n.. toctree::\n   :maxdepth: 2\n\n{listed}\n"}


def _modules(path: Iterable[str], prefix: str) -> list[str]:
    packages = pkgutil.walk_packages(path, f"{prefix}.")
    return [each.name for each in packages if each.name.rpartition(".")[2] != "__main__"]


def _page(title: str, names: list[str]) -> str:
    return "\n".join([f"{title}\n{'=' * len(title)}\n", *map(_section, names)])


def _section(name: str) -> str:
    package = importlib.util.find_spec(name)
    passed_on = (
        "   :no-index:\n" if package and package.submodule_search_locations else ""
    )  # indexed where it is defined
    return f"{name}\n{'-' * len(name)}\n\n.. automodule:: {name}\n{passed_on}"


def _unlink_sheets(lesson: Path) -> None:
    """Leave the names of exercise sheets without their links: only a learner's copy has the sheets."""
    text = lesson.read_text(encoding="utf-8")
    lesson.write_text(SHEET.sub(r"\1", text), encoding="utf-8")


def _put(path: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, copy)


def complaints(source: Path, html: Path) -> list[str]:
    """Return what the site lacks: figures of the lessons, or their alternative text; and what it would fetch."""
    faults = []
    for lesson in sorted(source.glob(LESSONS)):
        page = (html / lesson.relative_to(source).with_suffix(".html")).read_text(encoding="utf-8")
        figures, arrived = len(FIGURE.findall("".join(_html(lesson)))), len(FIGURE.findall(page))
        faults += [f"{lesson.name}: {arrived} of {figures} figures have come through"] if figures != arrived else []
    for page_ in sorted(html.rglob("*.html")):
        faults += [f"{page_.name} would fetch {url}" for url in FETCHED.findall(page_.read_text(encoding="utf-8"))]
    return faults


def _cells(lesson: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(lesson.read_text(encoding="utf-8"))["cells"]
    return cells


def _outputs_of(cell: dict[str, Any]) -> list[str]:
    return ["".join(output.get("data", {}).get("text/html", "")) for output in cell.get("outputs", ())]


def _html(lesson: Path) -> list[str]:
    return [html for cell in _cells(lesson) for html in _outputs_of(cell)]


def main() -> int:
    """Assemble the pages anew, and build the site; a warning ends it with status 1."""
    from sphinx.cmd.build import main as build

    out = Path(sys.argv[1])
    source, html = out / "source", out / "html"
    shutil.rmtree(out, ignore_errors=True)
    assemble(source)
    status = build(["-q", "-W", "--keep-going", "-d", str(out / "trees"), str(source), str(html)])
    faults = [] if status else complaints(source, html)
    print("\n".join(faults or [f"{html}/index.html"]) if not status else "the pages have warnings")
    return status or bool(faults)


if __name__ == "__main__":
    sys.exit(main())
