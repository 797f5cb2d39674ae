"""No run depends on those before: the heap is that of a process which has lived for a while."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from iolab.api import measure
from iolab.measurement import memory
from iolab.measurement.memory import await_free_slab, growth_bytes, kernel_bytes, proportional_bytes

SCRIPT = """
import ctypes, runpy, sys

class Heap(ctypes.Structure):  # mallinfo2(3); the fourth of ten fields counts the blocks that are mapped
    _fields_ = [("before", 3 * ctypes.c_size_t), ("hblks", ctypes.c_size_t), ("after", 6 * ctypes.c_size_t)]

mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Heap

def mapped(length):
    before = mallinfo2().hblks
    block = bytearray(length)
    return mallinfo2().hblks - before

print(mapped(256 << 10))  # before anything is imported: whoever frees a large block settles the heap
settle = runpy.run_path(sys.argv[1])["settle"]
settle()
print(mapped(256 << 10))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="the C library is not glibc of 2.33 or newer")
def test_room_for_a_recv_of_asyncio_comes_from_the_heap() -> None:
    command = [sys.executable, "-I", "-S", "-c", SCRIPT, memory.__file__]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={})
    assert done.stdout.split() == ["1", "0"]


MEMINFO = """MemTotal: 24684000 kB
Slab:             1000 kB
SReclaimable:      600 kB
SUnreclaim:        400 kB
KernelStack:        48 kB
PageTables:        900 kB
"""
SOCKSTAT = """sockets: used 90
TCP: inuse 5 orphan 0 tw 0 alloc 6 mem 3
UDP: inuse 1 mem 7
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A made-up /proc."""
    for name in ("self", "net"):
        (tmp_path / name).mkdir()
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "self/status").write_text("Name: python\nVmPTE:      72 kB\nThreads:  9\n")
    (tmp_path / "net/sockstat").write_text(SOCKSTAT)
    return tmp_path


class TestKernel:
    def test_each_kind_is_read_in_bytes(self, proc: Path) -> None:
        assert kernel_bytes(proc) == {
            "kernel_stacks": 48 << 10,
            "slab": 1000 << 10,
            "page_tables": 72 << 10,
            "buffers": 3 * os.sysconf("SC_PAGE_SIZE"),
        }

    def test_what_a_system_does_not_tell_is_left_out(self, proc: Path) -> None:
        (proc / "net/sockstat").unlink()
        (proc / "meminfo").write_text("MemTotal: 1 kB\n")
        assert kernel_bytes(proc) == {"page_tables": 72 << 10}

    def test_what_shrank_is_not_counted(self) -> None:
        assert growth_bytes({"slab": 5, "buffers": 9}, {"slab": 7, "buffers": 1}) == {"slab": 2, "buffers": 0}

    def test_it_waits_until_the_slab_falls_no_more(self, proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        slabs = [900, 500, 300, 300]
        sleeps: list[float] = []

        def sleep(seconds: float) -> None:
            sleeps.append(seconds)
            (proc / "meminfo").write_text(f"Slab: {slabs[len(sleeps) - 1]} kB\n")

        monkeypatch.setattr("iolab.measurement.memory.time.sleep", sleep)
        await_free_slab(proc)
        assert len(sleeps) == 4

    @pytest.mark.skipif(not kernel_bytes(), reason="this system has no /proc that tells")
    def test_a_thread_has_a_stack_in_the_kernel(self) -> None:
        run = measure("threads", connections=1, idle=60, seconds=0.2)
        assert run.kernel_bytes["kernel_stacks"] >= 50 * 4096
        assert (run.kernel_bytes_per_connection or 0) > 4096


class TestConditions:
    def test_many_threads_of_one_cpu_are_said(self) -> None:
        run = measure("threads", connections=3, seconds=0.5)  # it is read while all three are there
        assert run.server_threads >= 3
        pinned = f"take turns on CPU {run.placement.server}"
        assert (pinned in run.conditions) is (run.placement.server is not None)
        assert (pinned in run._repr_html_()) is (run.placement.server is not None)

    def test_one_thread_has_nobody_to_take_turns_with(self) -> None:
        run = measure("epoll", connections=3, requests=60)
        assert run.server_threads == 1 and run.conditions == str(run.placement)


@pytest.mark.skipif(sys.platform != "linux", reason="the file is one of Linux's /proc")
def test_a_process_that_ends_as_it_is_looked_at_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    open_file = os.open

    def open_and_end(path: Path, flags: int) -> int:
        descriptor = open_file(path, flags)
        child.communicate()
        return descriptor

    monkeypatch.setattr(os, "open", open_and_end)
    assert proportional_bytes(child.pid) == 0
