"""What counts as the answer in a notebook: what its cells define."""

import json
from pathlib import Path

import nbformat
import pytest

from iolab.classroom.fair_copy import write_fair_copy
from iolab.errors import UsageError
from iolab.exercises.papers import read_answer
from tests.classroom.support import code


def locked(text: str) -> dict[str, object]:
    return code(text) | {"metadata": {"nbgrader": {"grade": True, "locked": True, "solution": False}}}


def answer(text: str) -> dict[str, object]:
    return code(text) | {"metadata": {"nbgrader": {"grade": False, "locked": False, "solution": True}}}


def names(path: Path, *cells: dict[str, object]) -> list[str]:
    """Return the names that the answer in a notebook of these cells defines."""
    numbered = [dict(each, id=f"c{number}") for number, each in enumerate(cells)]
    path.write_text(json.dumps({"cells": numbered, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    defined: dict[str, object] = {}
    exec(compile(read_answer(path), "answer", "exec"), defined)
    return [name for name in defined if not name.startswith("__")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "book.ipynb"


def test_functions_classes_imports_and_constants_count_wherever_they_stand(path: Path) -> None:
    cells = [code("import os\nSIZE = 4096"), answer("def serve(listening, respond):\n    pass"), code("class A: pass")]
    assert names(path, *cells) == ["os", "SIZE", "serve", "A"]


def test_what_tries_the_answer_out_does_not(path: Path) -> None:
    tried = "iolab.measure(serve)\nrun = iolab.measure(serve)\nwith iolab.start(serve): pass\nfor _ in (): pass"
    assert names(path, answer("def serve(): pass"), code(f"import os\n{tried}")) == ["serve", "os"]


def test_magics_are_left_out(path: Path) -> None:
    assert names(path, code("%matplotlib inline\n!ls\nSIZE = 1"), answer("SERVE = 1")) == ["SIZE", "SERVE"]


def test_a_cell_of_the_teacher_does_not_count(path: Path) -> None:
    assert names(path, answer("A = 1"), locked("A = 2\nB = 2")) == ["A"]


def test_a_decorated_function_keeps_its_decorators(path: Path) -> None:
    assert names(
        path, answer("import functools\n@functools.cache\ndef a(): pass\n@functools.cache\nclass B: pass")
    ) == [
        *("functools", "a", "B"),
    ]


def test_an_experiment_that_python_cannot_read_is_left_aside(path: Path) -> None:
    assert names(path, code("for"), answer("A = 1")) == ["A"]


def test_an_answer_that_python_cannot_read_is_handed_on(path: Path) -> None:
    with pytest.raises(SyntaxError):
        names(path, answer("def serve(:"))


def test_a_byte_order_mark_is_no_part_of_it(path: Path) -> None:
    assert names(path, answer("\ufeffA = 1"), code("\ufeffB = 1")) == ["A", "B"]


def test_half_a_character_can_be_written_to_a_file(path: Path) -> None:
    names(path, answer("A = 'x'"))
    path.write_text(path.read_text().replace("'x'", r"'\ud800'"))
    assert read_answer(path) == "A = '?'\n"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"cells": 3, "nbformat": 4, "nbformat_minor": 5}', b"\xff\xfe"]
)
def test_what_is_no_notebook(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"book\.ipynb cannot be read as a notebook"):
        read_answer(path)


def test_a_fair_copy_has_the_answer_and_all_else_as_it_was_handed_out(path: Path, tmp_path: Path) -> None:
    names(path, code("mine = 1"), answer("raise NotImplementedError"), locked("# the judge's"))
    write_fair_copy(path, "def serve(): pass", tmp_path / "new" / "copy.ipynb")
    copied = nbformat.read(tmp_path / "new" / "copy.ipynb", as_version=4)
    assert [each.source for each in copied.cells] == ["mine = 1", "def serve(): pass", "# the judge's"]
