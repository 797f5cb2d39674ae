"""What the controls have in common: how they are shown and look, and a field that moves with its slider."""

import html
from typing import Any

import ipywidgets

LABELLED = {"description_width": "8rem"}

LIVE = "iolab-live"
"""The class of a control that a kernel answers; the text for pages without one is hidden beside it."""

HIDE_TEXT = f"""<style>
.jp-OutputArea:has(.{LIVE}) .jp-OutputArea-child:has(.iolab-text) {{ display: none }}
</style>"""

STYLE = """<style>
.iolab-question { border-left: 4px solid var(--jp-brand-color1, #1976d2); padding: 0.4rem 0.9rem;
    background: var(--jp-layout-color1, transparent); border-radius: 2px; margin: 0.2rem 0; overflow: visible }
.iolab-question .widget-html-content { white-space: normal; overflow-wrap: anywhere; line-height: 1.45;
    color: var(--jp-content-font-color1) }
.iolab-question .widget-html { height: auto }
.iolab-question .widget-radio-box label { color: var(--jp-content-font-color1) }
</style>"""

WHILE_BUSY = """<style>
.iolab-busy { display: inline-block; max-height: 0; visibility: hidden; overflow: hidden }
.jp-NotebookPanel:has(.jp-Notebook-ExecutionIndicator[data-status="busy"]) .iolab-busy {
    animation: iolab-appear 0s linear 0.7s forwards }
@keyframes iolab-appear { to { max-height: 4em; visibility: visible } }
</style>"""
"""JupyterLab says in the page when the kernel is busy, and a busy kernel hears no click; so the page must say it."""


def present(control: Any, text: str, page: str) -> None:
    """Show a control; a page without a kernel, such as nbconvert's, shows the HTML of `page` in its place.

    These are two outputs: nbconvert takes the control of an output that has one, and drops the rest.
    """
    from IPython.display import display  # a lesson has it; importing the package must not need it

    control.add_class(LIVE)
    styled = ipywidgets.VBox([ipywidgets.HTML(STYLE, layout={"display": "none"}), control])
    display({"text/plain": text, "text/html": f'{HIDE_TEXT}<div class="iolab-text">{page}</div>'}, raw=True)
    display(styled._repr_mimebundle_() | {"text/plain": "", "text/html": ""}, raw=True)


def busy_note(sentence: str) -> Any:
    """Return a sentence that is seen while a cell of the notebook runs."""
    return ipywidgets.HTML(f'{WHILE_BUSY}<span class="iolab-busy">{html.escape(sentence)}</span>')


def with_slider(field: Any, slider: Any, value: str, **options: Any) -> Any:
    """Return a field and a slider that move together.

    The handle of a slider has no name for a screen reader: the field beside it has.
    """
    ipywidgets.link((field, value), (slider, value), **options)
    return ipywidgets.HBox([field, slider])


def status(sentence: str) -> str:
    """Return a sentence, already HTML, as one that a screen reader reads out."""
    return f'<span role="status">{sentence}</span>'
