"""Put the repository of this clone into the links that name one: `make links`, or `make links ARGS=you/iolab`."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACEHOLDER = "OWNER/REPOSITORY"
PLACES = ("README.md", "pyproject.toml", "docs/ci.md")
NAME = r"[\w.-]+/[\w.-]+"


def repository_of(url: str) -> str | None:
    """Return the owner and name of a repository on GitHub, by an address that git has of it; None for another."""
    match = re.fullmatch(rf"(?:https://(?:[^@/]+@)?|ssh://git@|git@)github\.com[:/]({NAME}?)(?:\.git)?/?", url.strip())
    return match[1] if match else None


def origin(root: Path) -> str:
    """Return the address that the clone was made from; nothing without one."""
    command = ["git", "-C", str(root), "config", "remote.origin.url"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def fill(root: Path, repository: str) -> list[str]:
    """Put a repository in the place of the placeholder, and return the files that had it."""
    files = [root / place for place in PLACES if PLACEHOLDER in (root / place).read_text(encoding="utf-8")]
    for file in files:
        text = file.read_text(encoding="utf-8").replace(f"`{PLACEHOLDER}`", "\0")  # where the text speaks of it
        file.write_text(text.replace(PLACEHOLDER, repository).replace("\0", f"`{PLACEHOLDER}`"), encoding="utf-8")
    return [str(file.relative_to(root)) for file in files]


def main() -> None:
    """Say what was filled in, or what is missing."""
    asked = sys.argv[1] if len(sys.argv) > 1 else repository_of(origin(ROOT))
    if not asked or not re.fullmatch(NAME, asked):
        sys.exit("links: this clone has no origin on GitHub: name the repository, as in make links ARGS=you/iolab")
    print(f"{asked} is now in {', '.join(fill(ROOT, asked)) or 'no link: all were filled in before'}")


if __name__ == "__main__":
    main()
