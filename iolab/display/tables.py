"""Rows of figures as tables, in HTML and in plain text, with the same headings and formats everywhere."""

import math
import numbers
import re
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from iolab.display.html import prose
from iolab.errors import UsageError, guard, require_list

HEADINGS = {
    "model": "model",
    "worker": "worker",
    "connections": "conns",
    "server_cpu_us_per_request": "CPU µs/req",
    "ratio": "ratio",
    "interval": "interval",
    "p": "p",
    "verdict": "verdict",
    "server_cpu_share": "CPU",
    "requests": "requests",
    "per_s": "req/s",
    "memory_kb": "memory, kB",
    "p50_us": "p50 µs",
    "p90_us": "p90 µs",
    "p99_us": "p99 µs",
    "p999_us": "p99.9 µs",
    "max_us": "max µs",
    "service_p50_us": "service p50 µs",
    "service_p99_us": "service p99 µs",
    "service_max_us": "service max µs",
    "in_client_us": "in client µs",
    "errors": "errors",
    "client_cpu_share": "client CPU",
    "call": "call",
    "per_request": "calls/req",
    "asleep_us": "asleep µs",
    "waking_us": "waking µs",
    "running_us": "running µs",
    "preempted_us": "preempted µs",
    "lock_us": "lock µs",
}
"""The figures of a run in the order in which a table shows them: first those that a narrow page must show."""

MARKED = {"p50_us", "p90_us", "p99_us", "p999_us", "max_us"}
"""Figures that get a mark in a row whose `latency_of` is the client."""

HIDDEN = {"latency_of"}
SHARES = {"server_cpu_share", "client_cpu_share", "share", "least_share", "most_share"}
RATIOS = {"ratio", "interval"}
UNITS = {"ns": "ns", "us": "µs", "ms": "ms", "s": "s", "bytes": "bytes"}
UNIT = re.compile(rf"((?P<what>.+)_)?(?P<unit>{'|'.join(UNITS)})(_per_(?P<each>.+))?")
LONG_CAPTION = 60
LINE_LETTERS, NARROW_LETTERS, GAP = 110, 16, 2
"""How long a line of text may be, from which width on a column is not narrowed, and what is between two."""


def format_value(key: str, value: Any) -> str:
    """Write one figure: a share in percent, a large number without decimals, a dash for none, an interval as two."""
    if value is None:
        return "–"
    if isinstance(value, (list, tuple)):
        return " to ".join(format_value(key, each) for each in value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return str(value)
    if key in SHARES:
        return f"{value:.0%}"
    if key in RATIOS:
        return f"{value:,.2f}"
    return f"{value:,.{_decimals(value)}f}"


def cell(key: str, row: Mapping[str, Any]) -> str:
    """Write one figure of a row; a latency that is the client's has a mark, which a note explains."""
    mark = "†" if key in MARKED and row.get("latency_of") == "client" else ""
    return format_value(key, row[key]) + mark


def _decimals(value: Any) -> int:
    """Return one for floats up to 100, none beyond, and for those below 1 as many as two digits take."""
    if not isinstance(value, float) or abs(value) >= 100 or not math.isfinite(value):
        return 0
    return 1 if abs(value) >= 1 or not value else 1 - math.floor(math.log10(abs(value)))


def heading_of(key: str) -> str:
    """Return the heading of a column: that of HEADINGS, or the key with its unit in words."""
    if key in HEADINGS:
        return HEADINGS[key]
    if key.endswith("_per_s"):
        return f"{key.removesuffix('_per_s')}, requests/s"
    parts = UNIT.fullmatch(key)
    if not parts:
        return key
    what = f"{parts['what']}, " if parts["what"] else ""
    each = f" per {parts['each']}" if parts["each"] else ""
    return what + UNITS[parts["unit"]] + each


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the keys of the rows with their headings: those of HEADINGS in its order, between the others.

    What comes before the first of them in a row, such as a label, stays before all of them.
    """
    known, keys = [key for key in HEADINGS if key in rows[0]], [key for key in rows[0] if key not in HIDDEN]
    first = min(map(keys.index, known), default=0)
    others = [key for key in keys if key not in HEADINGS]
    before = [key for key in others if keys.index(key) < first]
    return {key: heading_of(key) for key in [*before, *known, *(key for key in others if key not in before)]}


def as_html(rows: Sequence[Mapping[str, Any]], caption: str = "") -> str:
    """Return rows as an HTML table with a caption, the first column as row headings; `code` is set as code."""
    if not rows:
        return f"<p>{prose(caption)}</p>"
    headings = columns(rows)
    head = "".join(
        f'<th scope="col"{_alignment(rows[0][key])}>{prose(heading)}</th>' for key, heading in headings.items()
    )
    body = "".join(f"<tr>{_cells(row, list(headings))}</tr>" for row in rows)
    # A caption is only as wide as its table: over few columns a long one would be a tower.
    wide = ' style="min-width: 30em"' if len(caption) > LONG_CAPTION else ""
    return (
        f"<table{wide}><caption>{prose(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cells(row: Mapping[str, Any], keys: list[str]) -> str:
    first, *rest = (prose(cell(key, row)) for key in keys)
    return f'<th scope="row" style="text-align: left">{first}</th>' + "".join(
        f"<td{_alignment(row[key])}>{cell}</td>" for key, cell in zip(keys[1:], rest, strict=True)
    )


def _alignment(value: Any) -> str:
    return ' style="text-align: left"' if isinstance(value, str) else ""


class Part(NamedTuple):
    """One table, with what stands above and below it."""

    rows: Sequence[Mapping[str, Any]]
    caption: str = ""
    sentences: Sequence[object] = ()

    def __str__(self) -> str:
        marked = (
            textwrap.fill(f"- {each}", LINE_LETTERS, subsequent_indent="  ").replace("`", "") for each in self.sentences
        )
        caption = textwrap.fill(self.caption.replace("`", ""), LINE_LETTERS)
        return "\n".join(filter(None, (caption, as_text(self.rows), *marked)))


class Readable(ABC):
    """A value that reads as tables: in HTML in a notebook, and as plain text everywhere else."""

    @abstractmethod
    def parts(self) -> Iterable[Part]:
        """Return the tables, in their order."""

    def __repr__(self) -> str:
        return "\n\n".join(map(str, self.parts()))

    def _repr_html_(self) -> str:
        return "".join(as_html(part.rows, part.caption) + notes(part.sentences) for part in self.parts())


class Table(Readable, list[Mapping[str, Any]]):
    """Rows that are shown as a table."""

    @guard
    def __init__(self, rows: Iterable[Mapping[str, Any]], caption: str = "", sentences: Sequence[object] = ()) -> None:
        require_list(rows, "rows in a list, each a dict of its columns")
        require_list(sentences, "sentences in a list")
        super().__init__(rows)
        if wrong := [row for row in self if not isinstance(row, Mapping)]:
            raise UsageError(f"expected each row to be a dict of its columns, not {wrong[0]!r:.80}")
        self.caption = caption
        self.sentences = sentences
        """What stands under the table, in a list."""

    def parts(self) -> list[Part]:
        """Return the one table."""
        return [Part(list(self), self.caption, self.sentences)]


def notes(sentences: Sequence[object]) -> str:
    """Return sentences as an HTML list, to stand under a table; nothing for none."""
    items = "".join(f"<li>{prose(str(sentence))}</li>" for sentence in sentences)
    return f"<ul>{items}</ul>" if items else ""


def as_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as plain text in columns; what is too wide is broken between words, then into tables below."""
    if not rows:
        return ""
    headings = columns(rows)
    lines = [list(headings.values())] + [[cell(key, row) for key in headings] for row in rows]
    widths = _fit([max(map(len, column)) for column in zip(*lines, strict=True)])
    return "\n\n".join(
        "\n".join(_lines([line[place] for place in block], [widths[place] for place in block]) for line in lines)
        for block in _blocks(widths)
    )


def _fit(widths: list[int]) -> list[int]:
    """Return the widths of columns, the widest of them made narrower until a line fits, or all are narrow."""
    while sum(widths) + GAP * (len(widths) - 1) > LINE_LETTERS and max(widths) > NARROW_LETTERS:
        widest = widths.index(max(widths))
        widths = [*widths[:widest], widths[widest] - 1, *widths[widest + 1 :]]
    return widths


def _blocks(widths: Sequence[int]) -> list[list[int]]:
    """Return which columns stand side by side: all, or as many as fit beside the first, which heads every block."""
    blocks, room = [[0]], LINE_LETTERS - widths[0]
    for place, width in enumerate(widths[1:], start=1):
        if (room := room - width - GAP) < 0 and len(blocks[-1]) > 1:
            blocks.append([0])
            room = LINE_LETTERS - widths[0] - width - GAP
        blocks[-1].append(place)
    return blocks


def _lines(cells: Sequence[str], widths: Sequence[int]) -> str:
    broken = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, widths, strict=True)]
    return "\n".join(
        (" " * GAP).join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()
        for parts in zip_longest(*broken, fillvalue="")
    )
