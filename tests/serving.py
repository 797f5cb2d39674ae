"""Processes beside a test: `iolab serve`, and one that wants all of a CPU."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.peers import Address

IOLAB = [sys.executable, "-m", "iolab"]


class Serving:
    """`iolab serve`, running; `address` is what it says."""

    def __init__(self, *arguments: str) -> None:
        pipe = subprocess.PIPE
        command = [*IOLAB, "serve", *arguments]
        self.process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
        assert self.process.stdout
        self.line = self.process.stdout.readline()

    @property
    def address(self) -> Address:
        match = re.search(r"(\S+):(\d+); press Ctrl-C", self.line)
        assert match
        return match[1], int(match[2])

    def __enter__(self) -> "Serving":
        return self

    def __exit__(self, *_: Any) -> None:
        with self.process:
            self.process.kill()


@contextmanager
def busy_process(cpu: int) -> Iterator[None]:
    """Yield while another process wants all of this CPU."""
    spin = f"import os; os.sched_setaffinity(0, {{{cpu}}}); print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()
