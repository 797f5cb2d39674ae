"""Write the licence of every locked package, as its own metadata states it: `python -m tools.licences`."""

import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "docs/licences.md"
SHORT = 60
HEAD = """# Licences

What the metadata of each package of `uv.lock` says of its licence, where it is installed on Linux.
`python -m tools.licences` writes this page; a test compares it with what is installed.

| package | licence |
|---|---|
"""


def names() -> list[str]:
    """Return the names of all locked packages."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    return [package["name"] for package in lock["package"] if "registry" in package["source"]]


def licence(metadata: Any) -> str:
    """Return the licence: the expression, else the classifiers, else the first line of the old field."""
    classifiers = [each for each in metadata.get_all("Classifier", []) if each.startswith("License ::")]
    named = [each.split(" :: ")[-1] for each in classifiers]
    old = (metadata.get("License") or "").strip().splitlines() or ["not stated"]
    return metadata.get("License-Expression") or ", ".join(named) or old[0][:SHORT]


def licences() -> dict[str, str]:
    """Return the licence of every locked package that is installed."""
    by_name = {}
    for name in names():
        with suppress(PackageNotFoundError):  # another system's, or the book's
            by_name[name] = licence(distribution(name).metadata)
    return dict(sorted(by_name.items()))


def main() -> None:
    LIST.write_text(HEAD + "".join(f"| `{name}` | {text} |\n" for name, text in licences().items()), encoding="utf-8")
    print(LIST.relative_to(ROOT))


if __name__ == "__main__":
    main()
