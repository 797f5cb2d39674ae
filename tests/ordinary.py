"""An ordinary user, for tests that root runs: limits and permissions of the kernel bind them, and not root."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOBODY = 100_000 + os.getpid()
"""A user whom nothing else on this machine belongs to."""

SITE, PYTHON = sysconfig.get_paths()["purelib"], f"python{sys.version_info[0]}.{sys.version_info[1]}"

# What nobody may read is mounted where nobody may look, in a namespace that ends with the process.
BEGIN = f"""
mount --bind {sys.base_prefix} python && mount --bind {SITE} site-packages && mount --bind {ROOT}/iolab course/iolab &&
export LD_LIBRARY_PATH=$PWD/python/lib &&  # a Python of shared libraries looks for them where it was built
exec prlimit --nproc="$1" setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --bounding-set=-all \
python/bin/{PYTHON} -I -c "$0"
"""
PATH = """
import os, sys
sys.path[:0] = [os.path.abspath("course"), os.path.abspath("site-packages")]
"""


def why_not() -> str:
    """Say why nobody can be had here; nothing if it can."""
    if os.geteuid():
        return "the tests run as an ordinary user already, so all of them test this"
    if not all(map(shutil.which, ("unshare", "setpriv", "prlimit"))):
        return "root needs unshare, setpriv and prlimit (util-linux) to become an ordinary user"
    probe = ["unshare", "--mount", "mount", "--bind", "/usr", "/mnt"]
    return "" if not subprocess.run(probe, capture_output=True).returncode else "root may not mount anything here"


@contextmanager
def make_room() -> Iterator[Path]:
    """Make a folder that nobody may read, with one that nobody may write in."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for each in ("python", "site-packages", "course/iolab", "temporary"):
            (folder / each).mkdir(parents=True)
        (folder / "temporary").chmod(0o1777)
        yield folder


def run(room: Path, script: str, text: str = "", processes: int = 1000) -> str:
    """Run a script as nobody, with so many processes, and return what it prints; whatever it does, nothing stays."""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", BEGIN, PATH + script, str(processes)],
        input=text,
        cwd=room,
        env={"TMPDIR": str(room / "temporary"), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert list((room / "temporary").iterdir()) == []
    wait_until_nobody_is_left()
    return done.stdout


def wait_until_nobody_is_left() -> None:
    """Wait for the end of all processes of nobody; the last ones end when they see that their parent has."""
    end_s = time.monotonic() + 20
    while left := [each for each in Path("/proc").glob("[0-9]*") if _is_nobodys(each)]:
        assert time.monotonic() < end_s, left
        time.sleep(0.01)


def _is_nobodys(process: Path) -> bool:
    try:
        return f"Uid:\t{NOBODY}\t" in (process / "status").read_text()
    except OSError:
        return False
