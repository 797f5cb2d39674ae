"""Small pieces of HTML: a card with an edge in its colour, a fold, a quiet note, a sentence with code in it."""

import html
import re
from typing import Any

TONES = {
    "open": "var(--jp-brand-color1, #1976d2)",
    "right": "var(--jp-success-color1, #388e3c)",
    "wrong": "var(--jp-warn-color1, #f57c00)",
}
"""The edge of a card by what it says; the words say it too."""


def card(tone: str, *parts: str) -> str:
    """Return lines of HTML with an edge in the colour of their tone."""
    lines = "".join(f'<div style="margin: 0.15rem 0">{part}</div>' for part in parts if part)
    return f'<div style="border-left: 4px solid {TONES[tone]}; padding: 0.3rem 0.9rem; max-width: 46rem">{lines}</div>'


def fold(summary: str, inside: str) -> str:
    """Return HTML that is folded until somebody wants it."""
    return f"<details><summary>{summary}</summary>{inside}</details>"


def note(sentence: str) -> str:
    """Return a sentence as HTML, in the second colour of text."""
    return f'<span style="color: var(--jp-ui-font-color2, inherit)">{html.escape(sentence)}</span>'


def prose(sentence: str) -> str:
    """Return a sentence as HTML, with what stands between backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(sentence))


def as_html(thing: Any) -> str:
    """Return what a notebook would show of a thing, as HTML: its own, or its text as it stands."""
    from IPython.core.formatters import DisplayFormatter  # a lesson has it; importing the package must not need it

    shown = {} if isinstance(thing, str) else DisplayFormatter().format(thing)[0]
    return str(shown.get("text/html") or f"<pre>{html.escape(str(thing))}</pre>")
