"""Where and when something was recorded, in general words, and the folder that it goes to."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from iolab.data.places import CHECKOUT
from iolab.errors import UsageError
from iolab.measurement.machine import machine


def ensure_writable(folder: Path) -> Path:
    """Make a folder, if it is not there. Raise UsageError if nothing can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}; choose another folder with --to") from None


def circumstances(command: str) -> dict[str, Any]:
    """Say on what machine, when (UTC), with which command and at which commit something is recorded."""
    here = machine()
    return {
        "machine": str(here),
        **vars(here),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": command,
        "commit": commit(),
    }


def commit() -> str:
    """Return the commit of this checkout, and whether the package was changed since."""
    top = _git("rev-parse", "--show-toplevel")
    if not top or Path(top) != CHECKOUT:
        return "not in a checkout"
    changed = _git("status", "--porcelain", "--", "iolab")
    return f"{_git('rev-parse', '--short', 'HEAD')}{' with changes' if changed else ''}"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(CHECKOUT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
