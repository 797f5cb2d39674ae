"""Write the licence of every pinned package, as its own metadata states it: `python -m tools.licences`."""

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "docs/licences.md"
SHORT = 60
HEAD = """# Licences

What the metadata of each package of `requirements.lock` says of its licence, where it is installed on Linux.
`python -m tools.licences` writes this page; a test compares it with what is installed.

| package | licence |
|---|---|
"""


def pins() -> list[Requirement]:
    """Return the pins that hold for this system and this Python."""
    lines = (ROOT / "tools/constraints.txt").read_text(encoding="utf-8").splitlines()
    return [pin for pin in map(Requirement, lines) if pin.marker is None or pin.marker.evaluate()]


def licence(metadata: Any) -> str:
    """Return the licence: the expression, else the classifiers, else the first line of the old field."""
    classifiers = [each for each in metadata.get_all("Classifier", []) if each.startswith("License ::")]
    named = [each.split(" :: ")[-1] for each in classifiers]
    old = (metadata.get("License") or "").strip().splitlines() or ["not stated"]
    return metadata.get("License-Expression") or ", ".join(named) or old[0][:SHORT]


def licences() -> dict[str, str]:
    """Return the licence of every pinned package that is installed."""
    found = {}
    for pin in pins():
        try:
            found[canonicalize_name(pin.name)] = licence(distribution(pin.name).metadata)
        except PackageNotFoundError:
            print(f"{pin.name} is not installed: make setup", file=sys.stderr)
    return dict(sorted(found.items()))


def main() -> None:
    LIST.write_text(HEAD + "".join(f"| `{name}` | {text} |\n" for name, text in licences().items()), encoding="utf-8")
    print(LIST.relative_to(ROOT))


if __name__ == "__main__":
    main()
