"""How Sphinx makes the site: nothing is run, nothing is fetched, a warning is an error."""

from pathlib import Path
from typing import Any

project = "iolab"
author = "the iolab contributors"
copyright = author  # noqa: A001  Sphinx asks for this name

extensions = ["myst_nb", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = "iolab"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"light_css_variables": {"color-brand-content": "#0072B2", "color-brand-primary": "#005A8C"}}
html_static_path = ["site.css", "site.js"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_search_scorer = str(Path(__file__).with_name("scorer.js"))

nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, object] = {}  # the widgets' text is shown; their scripts would be fetched
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
nb_merge_streams = True
myst_heading_anchors = 3

default_role = "literal"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_mock_imports = ["nbgrader"]  # an editor's tools and a database, to read two docstrings
suppress_warnings = ["ref.python"]  # a doctor and a judge both write a Report
python_maximum_signature_line_length = 88


def not_ours(_app: Any, _what: str, _name: str, found: Any, skip: bool, _options: Any) -> bool:
    """Leave out what a library adds to a class of ours, as matplotlib does."""
    return skip or not str(getattr(found, "__module__", None) or "iolab").startswith("iolab")


MENDED = {
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    '<aside class="sidebar-drawer': '<aside aria-label="Pages" class="sidebar-drawer',
    '<aside class="toc-drawer': '<aside aria-label="On this page" class="toc-drawer',
}
"""What Sphinx and furo leave unsaid to who hears a page: the level of a heading, and which of two asides is which."""


def mend(app: Any, error: Exception | None) -> None:
    """Say it in every page."""
    for page in () if error else Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for said, better in MENDED.items():
            text = text.replace(said, better)
        page.write_text(text, encoding="utf-8")


def setup(app: Any) -> None:
    """Tell Sphinx."""
    app.connect("autodoc-skip-member", not_ours)
    app.connect("build-finished", mend)
