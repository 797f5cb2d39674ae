"""How Sphinx makes the site: nothing is run, nothing is fetched, a warning is an error."""

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
html_static_path = ["site.css"]
html_css_files = ["site.css"]

nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, object] = {}  # the widgets' text is shown; their scripts would be fetched
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
nb_merge_streams = True
myst_heading_anchors = 3

default_role = "literal"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": False}
autodoc_mock_imports = ["nbgrader"]  # an editor's tools and a database, to read two docstrings
suppress_warnings = ["ref.python"]  # a doctor and a judge both write a Report
python_maximum_signature_line_length = 88


def not_ours(_app: Any, _what: str, _name: str, found: Any, skip: bool, _options: Any) -> bool:
    """Leave out what a library adds to a class of ours, as matplotlib does."""
    return skip or not str(getattr(found, "__module__", None) or "iolab").startswith("iolab")


def setup(app: Any) -> None:
    """Tell Sphinx."""
    app.connect("autodoc-skip-member", not_ours)
