"""Every docstring is valid reStructuredText, or the book, whose warnings are errors, cannot be built."""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.frontend import get_default_settings
from docutils.parsers.rst import Parser
from docutils.utils import new_document

PACKAGE = Path(__file__).resolve().parents[2] / "iolab"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "servers" not in path.parts)
"""All that the reference shows; a server's card is six lines, which the book sets as a table."""


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield every docstring of a module with its line: those of attributes, too, which stand below them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, inspect.cleandoc(node.value.value)


@cache
def settings_of_docutils() -> Any:
    """Return the settings that find all and print nothing; to make them takes longer than to read a docstring."""
    settings = get_default_settings(Parser)
    settings.report_level, settings.halt_level, settings.warning_stream = 5, 5, False
    return settings


def complaints(text: str) -> list[str]:
    """Return what docutils says against a text."""
    document = new_document("docstring", settings_of_docutils())
    found: list[str] = []
    document.reporter.attach_observer(lambda message: found.append(message.astext()))
    Parser().parse(text, document)
    return [
        *found,
        *(f"|{each.astext()}| stands for nothing" for each in document.findall(nodes.substitution_reference)),
    ]


def test_a_bad_one_is_found() -> None:
    assert complaints("Say `this` and **that.") and complaints("A list:\n- one\n  two\n three")
    assert complaints("From |here to there|.")
    assert complaints("Say `this`, as in `accept(2)`.") == []


def test_every_docstring_is_valid() -> None:
    texts = {f"{path.relative_to(PACKAGE)}:{line}": text for path in MODULES for line, text in docstrings(path)}
    assert {place: found for place, text in texts.items() if (found := complaints(text))} == {}
