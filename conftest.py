"""What holds for every run of pytest: the kernel of a lesson talks over sockets in a folder.

Over TCP it would be told ports that were free a moment before (jupyter_client binds them, and lets them go). Lessons
that run side by side listen and connect thousands of times; one of them took such a port, and a kernel died at its
start.
"""

import itertools
import tempfile
from typing import Any

import nbval.kernel
import pytest
from jupyter_client.manager import KernelManager


def pytest_configure(config: pytest.Config) -> None:
    """Have nbval start its kernels like that."""
    folder = tempfile.TemporaryDirectory(prefix="kernels-")  # its path is short: a socket's may have 107 characters
    config.add_cleanup(folder.cleanup)
    numbers = itertools.count()

    def manager(**options: Any) -> KernelManager:
        return KernelManager(transport="ipc", connection_file=f"{folder.name}/{next(numbers)}.json", **options)

    nbval.kernel.KernelManager = manager
