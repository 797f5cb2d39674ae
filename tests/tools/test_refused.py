"""`tools/refused.py`: what is refused is refused, and a lesson that fails for it is told."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LOOKS = """import os, resource, iolab
one_cpu = len(os.sched_getaffinity(0)) == 1
few = resource.getrlimit(resource.RLIMIT_NOFILE)[1] == 256
ring = iolab.MODELS["io_uring"].why_not() is None
"""

pytestmark = [
    pytest.mark.certify,
    pytest.mark.skipif(sys.platform != "linux", reason="seccomp and sched_setaffinity are of Linux"),
]


def refused(folder: Path, asserts: str) -> subprocess.CompletedProcess[str]:
    cell = {"id": "a", "cell_type": "code", "source": LOOKS + asserts, "metadata": {}, "outputs": []}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    book = {"cells": [cell | {"execution_count": None}], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    path = folder / "lesson.ipynb"
    path.write_text(json.dumps(book))
    env = os.environ | {"JUPYTER_RUNTIME_DIR": str(folder), "IPYTHONDIR": str(folder)}
    command = [sys.executable, str(ROOT / "tools/refused.py"), "--both", str(path)]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=100)


def test_each_run_lacks_something_and_has_one_cpu_and_a_lesson_that_needs_it_is_told(tmp_path: Path) -> None:
    done = refused(tmp_path, "assert one_cpu\nassert few or not ring\nassert not few, 'made up to need descriptors'")
    assert done.returncode == 1
    assert "with 256 descriptors, on one CPU: 1 failed" in done.stdout and "made up to need" in done.stdout
    assert done.stdout.startswith("without io_uring, on one CPU: 1 passed")
