"""Live through what a Binder does with the course: `python -m tools.binder`, best as root.

The committed course is cloned and installed as environment.yml says, by pip in an empty environment; postBuild
lays out the learner's copy, which JupyterLab has to show first. Then every lesson of that copy runs from top to
bottom, not as root, on one CPU, with 1 GB of memory, 1024 descriptors and no io_uring.
What could not be limited is said. PYTHON names another Python, which the user `nobody` must be able to read.
"""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent
NOBODY = 65534
MEMORY_BYTES, DESCRIPTORS, PORT, PATIENCE_S = 1 << 30, 1024, 8899, 120
GROUPS = {
    Path("/sys/fs/cgroup/memory"): ("memory.limit_in_bytes", "memory.max_usage_in_bytes"),
    Path("/sys/fs/cgroup"): ("memory.max", "memory.peak"),
}
"""Where memory is limited (cgroups(7)), by version: the limit, and the most that was used."""


@dataclass(frozen=True)
class Image:
    """The course, and the environment that it is installed in."""

    folder: Path

    @property
    def course(self) -> Path:
        """The clone."""
        return self.folder / "course"

    def run(self, *command: object, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run a command in the clone, as nobody, with a home of its own."""
        return subprocess.run(
            [str(each) for each in command], **self.as_nobody(), capture_output=True, text=True, check=True, **options
        )

    def as_nobody(self) -> dict[str, Any]:
        """Return what tells subprocess so; who is not root stays who they are."""
        home, prefix = self.folder / "home", self.folder / "environment"
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "HTTP", "LD_"))}
        env = kept | {"HOME": str(home), "PATH": f"{prefix}/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        env["NB_PYTHON_PREFIX"] = str(prefix)  # as repo2docker names it to postBuild
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        return {"cwd": self.course, "env": env, **user}


def build(image: Image) -> str:
    """Clone and install, and return how long it took and what it weighs."""
    began = time.monotonic()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(image.course)], check=True)
    (image.folder / "home").mkdir()
    if os.getuid() == 0:
        for path in (image.folder, *image.folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    asked = yaml.safe_load((image.course / "environment.yml").read_text())["dependencies"][-1]["pip"]
    image.run(os.environ.get("PYTHON", sys.executable), "-m", "venv", image.folder / "environment")
    image.run("pip", "install", "--quiet", *(word for line in asked for word in line.split()))
    image.run("./postBuild")
    size = image.run("du", "-sm", image.folder / "environment").stdout.split()[0]
    return (
        f"installed in {time.monotonic() - began:.0f} s, {size} MB, {image.run('python', '--version').stdout.strip()}"
    )


def limit() -> Iterator[str]:
    """Limit this process, and with it all that it starts, and say what was limited."""
    cpu = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    yield f"one CPU, {DESCRIPTORS} descriptors"
    yield f"{MEMORY_BYTES >> 20} MB of memory" if _group() else "memory not limited: no cgroup can be made here"
    yield "not root" if os.getuid() else "user nobody"


def _group() -> Path | None:
    for root, (most, _) in GROUPS.items():
        group = root / f"iolab-{os.getpid()}"
        try:
            group.mkdir()
            (group / most).write_text(str(MEMORY_BYTES))
            (group / "cgroup.procs").write_text(str(os.getpid()))
        except OSError:
            continue
        return group
    return None


def used() -> str:
    """Return the most memory that was used at once, if it was counted."""
    for root, (_, peak) in GROUPS.items():
        file = root / f"iolab-{os.getpid()}" / peak
        if file.exists():
            return f"{int(file.read_text()) >> 20} MB at most, the cache of files with it"
    return "not counted"


def free() -> None:
    """Leave the group of limited memory, and remove it."""
    for root in GROUPS:
        group = root / f"iolab-{os.getpid()}"
        if group.exists():
            (root / "cgroup.procs").write_text(str(os.getpid()))
            group.rmdir()


def lessons(image: Image) -> Iterator[tuple[str, float, str]]:
    """Run every lesson; yield its name, how long it took, and what stopped it."""
    run = ("python", "tools/without_io_uring.py", "jupyter", "nbconvert", "--execute", "--to", "notebook")
    for lesson in sorted((image.course / "my-course/notebooks").glob("[0-9][0-9]_*.ipynb")):
        began, error = time.monotonic(), ""
        try:
            image.run(*run, "--output-dir", image.folder / "home", lesson)
        except subprocess.CalledProcessError as failed:
            error = (re.sub(r"\x1b\[[\d;]*m", "", failed.stderr).strip().splitlines() or ["it said nothing"])[-1]
        yield lesson.name, time.monotonic() - began, error


def start_s(image: Image) -> float:
    """Start JupyterLab, and return how long it took until it showed the first lesson, without outputs."""
    began = time.monotonic()
    command = [
        "jupyter",
        "lab",
        "--no-browser",
        f"--port={PORT}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
    ]
    options = image.as_nobody() | {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **options) as lab:
        try:
            while not _shows_copy() and time.monotonic() - began < PATIENCE_S:
                time.sleep(0.1)
            return time.monotonic() - began
        finally:
            lab.terminate()


def _shows_copy() -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{PORT}/api/contents/notebooks/00_start_here.ipynb") as page:
            cells = json.load(page)["content"]["cells"]
    except (URLError, ConnectionError):
        return False
    return not any(cell.get("outputs") for cell in cells)


def main() -> int:
    """Build, limit, start, run; return 1 if a lesson stopped."""
    image = Image(Path(tempfile.mkdtemp(prefix="binder-")))
    image.folder.chmod(0o755)
    try:
        print(build(image), flush=True)
        print("; ".join(limit()) + "; no io_uring", flush=True)
        print(f"JupyterLab shows the copy after {start_s(image):.1f} s", flush=True)
        stopped = 0
        for name, seconds, error in lessons(image):
            print(f"{name}: {'stopped: ' + error if error else 'ran'} ({seconds:.0f} s)", flush=True)
            stopped += bool(error)
        print(f"memory: {used()}")
        return int(stopped > 0)
    except PermissionError as denied:
        print(f"binder: the user nobody may not run {denied.filename}; name a Python that everybody can: PYTHON=...")
        return 1
    finally:
        free()
        shutil.rmtree(image.folder)


if __name__ == "__main__":
    sys.exit(main())
