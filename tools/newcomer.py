"""Live through a newcomer's first minutes: `python -m tools.newcomer`.

The last commit is cloned into an empty folder, beside an empty home and empty caches. There `make lab` runs, and
Chromium opens lesson 01 and chooses Run All. Every step is timed; it ends with status 1 if a cell failed, a figure
is missing, or all of it took over three minutes. A mirror of the package index is named as in PIP_INDEX_URL.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from playwright.sync_api import Error, sync_playwright

from tools import lab
from tools.book import FIGURE
from tools.browser import NONE_HERE, browser_here, opened

ROOT = Path(__file__).resolve().parent.parent
LESSON = "01_blocking"
LIMIT_S, PATIENCE_S, END_S = 180, 900, 30

KEPT = re.compile(r"PIP_(\w*INDEX_URL|\w*CERT|TRUSTED_HOST|CONFIG_FILE)|UV_\w*INDEX\w*|SSL_\w+|\w+_CA_BUNDLE|\w+_PROXY")
"""What says where packages come from, and whose certificates are trusted."""

EMPTY = (
    *("HOME", "TMPDIR", "PIP_CACHE_DIR", "UV_CACHE_DIR"),
    *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"),
)
READY, OPEN = r"\.venv is ready", r"The course is open at (http://[^/]+)/\S*\?token=(\w+)\n"


class Failed(Exception):
    """A step that did not come to its end; the text is one line."""


@dataclass
class Clock:
    """What each step took; a line for each as it ends."""

    steps: list[tuple[str, float]] = field(default_factory=list)
    last: float = field(default_factory=time.monotonic)

    def ended(self, step: str) -> None:
        """Print what the step took that ends now."""
        now = time.monotonic()
        self.steps.append((step, now - self.last))
        self.last = now
        print(line(*self.steps[-1]), flush=True)

    @property
    def total_s(self) -> float:
        """All steps so far."""
        return sum(seconds for _, seconds in self.steps)


def line(step: str, seconds: float) -> str:
    return f"{step:<24}{seconds:6.1f} s"


def cold(folder: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which nothing was fetched or set before: every home and cache is empty, in `folder`."""
    kept = {name: value for name, value in given.items() if KEPT.fullmatch(name.upper())}
    path = [each for each in given["PATH"].split(os.pathsep) if Path(each) != ROOT / ".venv/bin"]
    empty = {name: str(folder / name.lower()) for name in EMPTY}
    # As over ssh: then `make lab` opens no browser of its own.
    return kept | empty | {"PATH": os.pathsep.join(path), "LANG": "C.UTF-8", "SSH_CONNECTION": ""}


def prepare(folder: Path) -> dict[str, str]:
    """Make the empty folders, and let Run All be asked for from outside; return the environment."""
    env = cold(folder, os.environ)
    for name in EMPTY:
        Path(env[name]).mkdir()
    settings = folder / "settings"
    settings.mkdir()
    (settings / "jupyter_lab_config.json").write_text(json.dumps({"LabApp": {"expose_app_in_browser": True}}))
    return env | {"JUPYTER_CONFIG_PATH": str(settings)}


def clone(folder: Path) -> Path:
    """Clone the last commit, over git's own protocol as from elsewhere."""
    course = folder / "course"
    done = subprocess.run(["git", "clone", "--quiet", "--no-local", ROOT, course], capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"git clone failed: {last_line(done.stderr)}")
    return course


@dataclass(frozen=True)
class Made:
    """A running `make lab`, and the file of all that it says."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def said(self, pattern: str) -> "re.Match[str]":
        """Wait until it has said this."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            over = self.process.poll() is not None  # asked first: all that it said is in the file then
            if found := re.search(pattern, text := self.log.read_text(encoding="utf-8")):
                return found
            if over:
                raise Failed(f"make lab ended: {reason(text)}")
            time.sleep(0.1)
        raise Failed(f"make lab did not get so far in {PATIENCE_S} s: {reason(self.log.read_text(encoding='utf-8'))}")


def reason(text: str) -> str:
    """Return the line in which the set-up or the launcher says what is wrong, or the last one; its log is gone soon."""
    told = [each for each in text.splitlines() if each.startswith(("setup: ", "lab: "))]
    return re.sub(r" \([^()]*setup\.log\)", "", last_line("\n".join(told) or text))


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]


@contextmanager
def make_lab(course: Path, env: dict[str, str], log: Path) -> Iterator[Made]:
    """Run `make lab` on a free port; end it and all that it started."""
    # Under another make it would name its folder before it says anything.
    command = ["make", "--no-print-directory", "lab", f"PORT={lab.free_port(lab.LOOPBACK, lab.FIRST_PORT)}"]
    options: dict[str, Any] = {"cwd": course, "env": env, "stdin": subprocess.DEVNULL, "start_new_session": True}
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, **options) as process:
        try:
            yield Made(process, log)
        finally:
            end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process that leads a group, and the group; JupyterLab ends its kernels before itself."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def figures(cells: list[dict[str, Any]]) -> int:
    """Return how many figures the cells show, with their alternative text."""
    shown = (output.get("data", {}).get("text/html", "") for cell in cells for output in cell.get("outputs", ()))
    return len(FIGURE.findall("".join("".join(each) for each in shown)))


def wrong(cells: list[dict[str, Any]], expected: int) -> list[str]:
    """Return what went wrong in a lesson of which Run All was chosen: errors, cells that did not run, lost figures."""
    found = [
        f"cell {number} failed: {output['ename']}: {output['evalue']}"
        for number, cell in enumerate(cells, 1)
        for output in cell["outputs"]
        if output["output_type"] == "error"
    ]
    found += [f"cell {number} did not run" for number, cell in enumerate(cells, 1) if not cell["execution_count"]]
    lost = figures(cells) != expected
    return found + ([f"{figures(cells)} of {expected} figures are there"] if lost else [])


def run_all(browser: str, address: str, token: str, clock: Clock) -> list[dict[str, Any]]:
    """Open the lesson and choose Run All; return its code cells."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser)
        page = chromium.new_page()
        page.request.get(f"{address}/lab?token={token}")  # its cookie lets the page in
        with opened(page, address, LESSON) as lesson:
            clock.ended("lesson open and idle")
            if any(cell["outputs"] for cell in lesson.cells()):
                raise Failed("the lesson opens with outputs: the answers stand above the questions")
            lesson.run_all()
            clock.ended("Run All")
            cells = lesson.cells()
        chromium.close()
        return cells


def live_through(folder: Path, browser: str, clock: Clock) -> list[str]:
    """Clone, set up, open, run; return what went wrong in the lesson."""
    env = prepare(folder)
    course = clone(folder)
    clock.ended("clone")
    with make_lab(course, env, folder / "log") as made:
        made.said(READY)
        clock.ended("set-up")
        address, token = made.said(OPEN).groups()
        urlopen(f"{address}/lab?token={token}", timeout=PATIENCE_S).close()
        clock.ended("JupyterLab answers")
        cells = run_all(browser, address, token, clock)
    committed = json.loads((course / f"notebooks/{LESSON}.ipynb").read_text(encoding="utf-8"))["cells"]
    return wrong(cells, figures(committed))


def verdict(clock: Clock, found: list[str]) -> int:
    """Print the total and what went wrong; return the exit status."""
    late = clock.total_s > LIMIT_S
    print(line("total", clock.total_s) + (f": over {LIMIT_S} s" if late else f" of {LIMIT_S} s"))
    for each in found:
        print(each)
    return int(late or bool(found))


def main() -> int:
    """Live through it, and leave nothing behind; return 1 if it failed or took too long."""
    browser = browser_here()
    if browser is None:
        sys.exit(f"newcomer: {NONE_HERE}")
    if missing := [name for name in ("git", "make") if shutil.which(name) is None]:
        sys.exit(f"newcomer: {missing[0]} is not here; on Debian: apt-get install {missing[0]}")
    for number in (signal.SIGINT, signal.SIGTERM):  # what was started is ended then, too
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        with tempfile.TemporaryDirectory(prefix="newcomer-") as folder:
            clock = Clock()
            found = live_through(Path(folder), browser, clock)
    except (Failed, Error, OSError) as error:
        sys.exit(f"newcomer: {str(error).splitlines()[0]}")
    return verdict(clock, found)


if __name__ == "__main__":
    sys.exit(main())
