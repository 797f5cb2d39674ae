"""No run depends on those before: the heap is that of a process which has lived for a while."""

import ctypes
import subprocess
import sys

import pytest

from iolab.measurement import memory

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

settle = runpy.run_path(sys.argv[1])["settle"]
print(mapped(256 << 10))
settle()
print(mapped(256 << 10))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="the C library is not glibc of 2.33 or newer")
def test_room_for_a_recv_of_asyncio_comes_from_the_heap() -> None:
    command = [sys.executable, "-I", "-S", "-c", SCRIPT, memory.__file__]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={})
    assert done.stdout.split() == ["1", "0"]
