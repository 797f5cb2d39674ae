"""Run every lesson where something is refused: `python tools/refused.py [--both] [LESSON...]`.

Two runs at the same time, each on a CPU of its own, so that both are runs on one CPU as well: one
without io_uring, as in a container, and one with few descriptors, as on a small machine. Each runs the
lessons that ask for what it refuses; with `--both` each runs all of them.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBVAL = ("--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=60", "-q", "-p", "no:cacheprovider")
DESCRIPTORS = 256


def nothing() -> None:
    """Refuse nothing more."""


def few_descriptors() -> None:
    """Leave this process, and all that come of it, few descriptors (`setrlimit(2)`)."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


@dataclass(frozen=True)
class Way:
    """A way to refuse something: a command to run in front, or what the process does to itself first."""

    name: str
    asks: tuple[str, ...]
    """How the names of the lessons begin that ask for what is refused."""
    command: tuple[str, ...] = ()
    first: Callable[[], None] = nothing


WAYS = (
    Way("without io_uring", ("00", "06"), (sys.executable, str(ROOT / "tools/without_io_uring.py"))),
    Way(f"with {DESCRIPTORS} descriptors", ("03", "08"), first=few_descriptors),
)


def begin(way: Way, cpu: int, notebooks: list[str], folder: Path) -> subprocess.Popen[str]:
    """Begin to run the lessons in this way, on this CPU alone."""

    def settle() -> None:
        os.sched_setaffinity(0, {cpu})
        way.first()

    env = os.environ | {"IOLAB_PROGRESS": str(folder / f"{cpu}-{way.name}.json")}
    command = [*way.command, sys.executable, "-m", "pytest", *NBVAL, *notebooks]
    return subprocess.Popen(
        command, cwd=ROOT, env=env, preexec_fn=settle, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def await_end(way: Way, run: subprocess.Popen[str], start_s: float) -> bool:
    """Wait for a run, say how it went, and show what it said if it went wrong."""
    output, _ = run.communicate()
    last = output.strip().splitlines()[-1] if output.strip() else "it said nothing"
    print(f"{way.name}, on one CPU: {last} ({time.monotonic() - start_s:.0f} s)", flush=True)
    if run.returncode:
        print(output, flush=True)
    return run.returncode == 0


def main() -> None:
    """Run the lessons named, or all; end with status 1 if one fails."""
    both = "--both" in sys.argv
    notebooks = [name for name in sys.argv[1:] if name != "--both"]
    notebooks = notebooks or sorted(map(str, (ROOT / "notebooks").glob("*.ipynb")))
    shares = [[each for each in notebooks if both or Path(each).name.startswith(way.asks)] for way in WAYS]
    work = [(way, share) for way, share in zip(WAYS, shares, strict=True) if share]
    cpus = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        start_s = time.monotonic()
        if len(cpus) > 1:
            runs = [begin(way, cpu, share, Path(folder)) for (way, share), cpu in zip(work, cpus, strict=False)]
            fine = [await_end(way, run, start_s) for (way, _), run in zip(work, runs, strict=True)]
        else:
            fine = [await_end(way, begin(way, cpus[0], share, Path(folder)), start_s) for way, share in work]
    sys.exit(0 if all(fine) else 1)


if __name__ == "__main__":
    main()
