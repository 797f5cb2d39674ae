"""What an answer may read: Python, its packages and the system; of this course, what an answer may import."""

import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

COURSE = Path(__file__).parents[2]
HIDDEN = (*(COURSE / name for name in ("servers", "exercises", "xrays")), COURSE / "files/data/recorded/xray")
"""Where solutions stand, the tool that names a model, and the traces of an installed package.

Notebooks, and what other students handed in, are in no place that is listed below.
"""

SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/dev/urandom", "/dev/zero", "/sys/devices/system", "/proc/self")
ETC = (
    *("ld.so.cache", "localtime", "timezone", "hosts", "host.conf", "nsswitch.conf", "resolv.conf", "gai.conf"),
    *("services", "protocols", "passwd", "group", "mime.types", "fonts", "ssl/certs", "alternatives", "matplotlibrc"),
)
"""What libraries read there; other things are nobody's business, and root's files are the judge's own."""

PROCESSES = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys")
PACKAGES = ("site-packages", "dist-packages")


@cache
def list_readable() -> tuple[str, ...]:
    """List the files and folders that an answer may read, with all that is in them."""
    python = {sys.base_prefix, sys.base_exec_prefix, *sysconfig.get_paths().values()}
    packages = {path for path in sys.path if Path(path).name in PACKAGES}
    roots = [path.resolve() for path in map(Path, {*python, *packages}) if path.is_dir()]
    # A Python that the answer starts fails without it. Not by sys.prefix: this one started without `site`.
    virtual = str(Path(sys.executable).parents[1] / "pyvenv.cfg")
    system = (*SYSTEM, *(f"/etc/{name}" for name in ETC), *PROCESSES, virtual)
    return (*system, *(str(path) for root in [*roots, COURSE] for path in _leave_out(root)))


def list_listable() -> tuple[str, ...]:
    """List the folders whose names an answer may see, so that it can import what it may read in them."""
    return (str(COURSE), *(path for path in sys.path if Path(path).name in PACKAGES))


def _leave_out(root: Path) -> Iterator[Path]:
    """Yield paths that hold together all of a folder but what is hidden."""
    if root in HIDDEN:
        return
    if any(root in hidden.parents for hidden in HIDDEN):
        for path in root.iterdir():
            yield from _leave_out(path)
    else:
        yield root
