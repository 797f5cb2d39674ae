"""Where the files of the course are: beside the package in a checkout, inside it where it is installed."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
CHECKOUT = PACKAGE.parent


def folder(name: str) -> Path:
    """Return a folder of the course, such as "data"; it may exist in neither place."""
    installed = PACKAGE / "files" / name  # setup.py puts it there
    return installed if installed.is_dir() else CHECKOUT / name
