"""The lessons as they are committed: run from top to bottom, whole, and small enough to read."""

import ast
import builtins
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iolab.course.drills.turn import DRILLS
from iolab.course.lessons import read_heading
from iolab.data.reference import DATA

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))

CHECK = "nbval-check-output"
"""The tag of a cell whose output must not change."""

LEAST_CHECKS, MOST_CELLS, MOST_LINES, MOST_WORDS, MOST_BYTES = 5, 45, 15, 120, 1_000_000
PLACES = re.compile(r"(?<![\w.:/])/(home|root|tmp|work|Users|private|mnt|var/folders)/\w")
"""Folders that belong to a machine; /proc, /sys and /dev are everybody's."""

Cell = dict[str, Any]


def cells(path: Path, kind: str = "") -> list[Cell]:
    found: list[Cell] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind or not kind]


def text(cell: Cell) -> str:
    return "".join(cell["source"])


def outputs(path: Path) -> Iterator[Cell]:
    for cell in cells(path, "code"):
        yield from cell["outputs"]


def shown(output: Cell, kind: str) -> str:
    return "".join(output.get("data", {}).get(kind, ""))


def written(output: Cell) -> str:
    """Return all text of an output; what has none (a picture) is left out."""
    parts = [output.get("text", ""), *(part for part in output.get("data", {}).values() if not isinstance(part, dict))]
    return re.sub(r"base64,[\w+/=]+", "", "".join("".join(part) for part in parts))


def is_checked(cell: Cell) -> bool:
    """Say whether nbval compares the output of a cell; the comment is how lessons said so before there were tags."""
    return CHECK in cell["metadata"].get("tags", ()) or text(cell).startswith("# NBVAL_CHECK_OUTPUT")


def words(cell: Cell) -> int:
    """Count the words of prose: no code, no tables, no addresses."""
    prose = re.sub(r"```.*?```|^\|.*$|\]\([^)]*\)|<[^>]*>", " ", text(cell), flags=re.S | re.M)
    return len(re.findall(r"[^\W_][\w'’.,/-]*", prose))


def shows(cell: Cell) -> bool:
    """Say whether a cell ends in something to show: an expression, or a print anywhere."""
    code = ast.parse(text(cell))
    last = code.body[-1] if code.body else None
    names = {node.func.id for node in ast.walk(code) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    silent = re.search(r";\s*$", text(cell)) or (isinstance(last, ast.Expr) and returns_nothing(last.value))
    return "print" in names or (isinstance(last, ast.Expr) and not silent)


def returns_nothing(value: ast.expr) -> bool:
    """Say whether a call is one of those that a lesson makes for what they do."""
    called = value.func if isinstance(value, ast.Call) else None
    return isinstance(called, ast.Attribute) and called.attr in {"close", "join", "set", "start", "stop", "append"}


def recorded(cell: Cell) -> list[str]:
    """Return the names of the recorded runs that a cell may show, with * for what is filled in."""
    given = (
        node for node in ast.walk(ast.parse(text(cell))) if isinstance(node, ast.keyword) and node.arg == "recorded"
    )
    return [pattern(keyword.value) for keyword in given]


def pattern(value: ast.expr) -> str:
    parts = value.values if isinstance(value, ast.JoinedStr) else [value]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in parts)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
class TestEveryLesson:
    def test_it_ran_from_top_to_bottom_without_an_error(self, path: Path) -> None:
        counts = [cell["execution_count"] for cell in cells(path, "code")]
        assert counts == list(range(1, len(counts) + 1)), "make notebooks runs it from the top"
        assert not [output for output in outputs(path) if output["output_type"] == "error"]
        assert not [output for output in outputs(path) if output.get("name") == "stderr"]

    def test_what_should_be_shown_is_there(self, path: Path) -> None:
        assert [text(cell) for cell in cells(path, "code") if shows(cell) and not cell["outputs"]] == []

    def test_it_names_no_place_of_a_machine(self, path: Path) -> None:
        found = [PLACES.search(part) for part in (*map(text, cells(path)), *map(written, outputs(path)))]
        assert [match[0] for match in found if match] == []

    def test_its_cells_are_short(self, path: Path) -> None:
        code = {text(cell): len(text(cell).splitlines()) for cell in cells(path, "code")}
        prose = {text(cell): words(cell) for cell in cells(path, "markdown")}
        assert {cell: lines for cell, lines in code.items() if lines > MOST_LINES} == {}
        assert {cell: count for cell, count in prose.items() if count > MOST_WORDS} == {}

    def test_it_is_not_too_long(self, path: Path) -> None:
        assert len(cells(path)) <= MOST_CELLS
        assert path.stat().st_size < MOST_BYTES

    def test_what_must_not_change_is_checked(self, path: Path) -> None:
        checked = [cell for cell in cells(path, "code") if is_checked(cell)]
        assert len(checked) >= LEAST_CHECKS or path.stem.startswith("00")
        assert all(cell["outputs"] for cell in checked), "a check without an output checks nothing"

    def test_every_picture_is_told_in_words(self, path: Path) -> None:
        pictures = [image for output in outputs(path) for image in re.findall("<img[^>]*>", shown(output, "text/html"))]
        assert pictures and all(re.search(r'alt="[^"]{40,}"', image) for image in pictures)
        assert not [
            output for output in outputs(path) if any(kind.startswith("image/") for kind in output.get("data", {}))
        ]

    def test_what_it_may_show_instead_is_recorded(self, path: Path) -> None:
        names = [name for cell in cells(path, "code") for name in recorded(cell)]
        assert [name for name in names if not list(DATA.glob(f"recorded/lessons/{name}.json.gz"))] == []
        assert all(name.startswith(path.stem[:2]) for name in names)

    def test_it_can_be_explored(self, path: Path) -> None:
        panels = [cell for cell in cells(path, "code") if "iolab.explore(" in text(cell)]
        output, *_ = panels[0]["outputs"]  # what a page without a kernel shows; the controls come after it
        assert len(panels) == 1 and shown(output, "text/plain").endswith("Nothing has been measured.")

    def test_its_links_into_the_course_lead_somewhere(self, path: Path) -> None:
        links = [link for cell in cells(path, "markdown") for link in re.findall(r"\]\(([^)\s#]+)", text(cell))]
        own = [link for link in links if not re.match(r"[a-z]+:", link)]
        assert [link for link in own if not (NOTEBOOKS / link).exists()] == []


def bound(tree: ast.AST) -> set[str]:
    """Return the names that a text gives a value to, wherever in it."""
    nodes = list(ast.walk(tree))
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    names |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    names |= {node.name for node in nodes if isinstance(node, ast.ExceptHandler) and node.name}
    return names | {(node.asname or node.name).split(".")[0] for node in nodes if isinstance(node, ast.alias)}


def lacking(solution: str, known: set[str]) -> set[str]:
    """Return the names that a solution uses, and neither it nor the lesson so far has."""
    tree = ast.parse(solution)
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - bound(tree) - known


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_what_is_typed_can_use_what_the_lesson_imported(path: Path) -> None:
    known, found = set(dir(builtins)), {}
    for cell in cells(path, "code"):
        for name in re.findall(r'try_out\(\s*"([^"]+)"', text(cell)):
            found[name] = lacking(DRILLS[name].solution, known)
        known |= bound(ast.parse(text(cell)))
    assert {name: names for name, names in found.items() if names} == {}


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_where_there_is_no_epoll_a_cell_asks_first(path: Path) -> None:
    """A function may use it: whoever calls that function asks."""
    code = [ast.parse(text(cell)) for cell in cells(path, "code")]
    outside = [node for tree in code for node in tree.body if not isinstance(node, ast.FunctionDef)]
    parts = [ast.unparse(node) for node in outside if not ast.unparse(node).startswith("if course.runs(")]
    assert [part for part in parts if re.search(r"select\.(epoll|EPOLL)", part)] == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_each_heading_stands_once(path: Path) -> None:
    """JupyterLab makes an id of each, and two of a name are two of an id."""
    headings = re.findall(r"^#+ .*", "\n".join(text(cell) for cell in cells(path, "markdown")), re.MULTILINE)
    assert [each for each in headings if headings.count(each) > 1] == []


@pytest.mark.parametrize("path", LESSONS[:-1], ids=lambda path: path.stem)
def test_it_leads_to_the_next_lesson(path: Path) -> None:
    following = int(path.stem[:2]) + 1
    assert re.search(rf"\]\({following:02}_\w+\.ipynb\)", "".join(text(cell) for cell in cells(path, "markdown")[-3:]))


def test_the_lessons_are_numbered_and_readme_lists_each() -> None:
    readme = (NOTEBOOKS.parent / "README.md").read_text(encoding="utf-8")
    assert len({path.stem[:2] for path in LESSONS}) == len(LESSONS)
    assert [path.name for path in LESSONS if f"(notebooks/{path.name})" not in readme] == []


def test_the_glossary_has_each_term_once_in_both_languages() -> None:
    text = (NOTEBOOKS.parent / "docs/glossary.md").read_text(encoding="utf-8")
    rows = [row.strip("|").split("|") for row in text.splitlines() if row.startswith("|")][2:]
    terms = [row[0].strip() for row in rows]
    assert len(terms) == len(set(terms)) >= 40
    assert all(len(row) == 5 and re.search(r"[\u4e00-\u9fff]", row[3]) for row in rows)


def test_the_readme_names_each_lesson_as_the_lesson_does() -> None:
    readme = (NOTEBOOKS.parent / "README.md").read_text(encoding="utf-8")
    for path in LESSONS:
        assert f"| [{path.name[:2]} · {read_heading(path)[0]}](notebooks/{path.name}) |" in readme


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_title_begins_with_the_number_of_its_lesson(path: Path) -> None:
    title = next(text(cell) for cell in cells(path, "markdown") if text(cell).startswith("# "))
    assert title.startswith(f"# {path.name[:2]} · {read_heading(path)[0]}: ")


def test_a_lessons_kernel_has_no_port_that_another_run_could_take() -> None:
    import nbval.kernel

    assert nbval.kernel.KernelManager(kernel_name="python3").transport == "ipc"
