"""The servers as texts: the source that a learner reads, what changes between two, and the card."""

import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from iolab import models as servers
from iolab.display import tables
from iolab.errors import UsageError, guard


class Text(str):
    """A text that a notebook shows in monospace, coloured as Python or as a diff."""

    language = "python"

    def __repr__(self) -> str:
        return str(self)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/markdown": f"```{self.language}\n{self}\n```", "text/plain": str(self)}


class Diff(Text):
    """The lines that two servers do not share."""

    language = "diff"


class Card(tables.Readable, dict[str, str]):
    """What sets a model apart, in six lines."""

    def parts(self) -> list[tables.Part]:
        """Return the lines as one table."""
        return [tables.Part([{"card": heading, "what it says": line} for heading, line in self.items()])]


@guard
def source(model: str | Callable[..., Any]) -> Text:
    """Show the text of a server, without its card; or that of a function or method."""
    if callable(model):
        try:
            return Text(textwrap.dedent(inspect.getsource(model)).strip())
        except (TypeError, OSError):
            raise UsageError(f"the text of {model!r} cannot be found; give a function written with `def`") from None
    return Text("\n".join(servers.body(servers.find(model))).strip())


@guard
def diff(before: str | Callable[..., Any], after: str | Callable[..., Any]) -> Diff:
    """Show what changes from one server to another; either may be a function of yours."""
    return Diff(servers.diff(before, after))


@guard
def card(model: str) -> Card:
    """Show the card of a model: what it waits in, what it keeps, when it breaks."""
    return Card(servers.find(model).card)
