"""What the controls of all three have in common: how they are shown, and a field that moves with its slider."""

import html
from typing import Any

import ipywidgets

LABELLED = {"description_width": "8rem"}


def bundle(control: Any, text: str) -> dict[str, Any]:
    """Return a control as a notebook shows it; where no control can be shown, the text stands in its place."""
    shown: dict[str, Any] = control._repr_mimebundle_()
    return shown | {"text/plain": text, "text/html": f"<p>{html.escape(text)}</p>"}


def with_slider(field: Any, slider: Any, value: str, **options: Any) -> Any:
    """Return a field and a slider that move together.

    The handle of a slider has no name for a screen reader: the field beside it has.
    """
    ipywidgets.link((field, value), (slider, value), **options)
    return ipywidgets.HBox([field, slider])


def status(sentence: str) -> str:
    """Return a sentence, already HTML, as one that a screen reader reads out."""
    return f'<span role="status">{sentence}</span>'
