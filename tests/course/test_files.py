"""Reads of a file with O_NONBLOCK: what slept is counted, and what cannot be seen is said."""

import os
from pathlib import Path

import pytest

from iolab.course.files import read_file


class TestReadFile:
    def test_a_file_on_a_disk_is_waited_for(self) -> None:
        reads = read_file(times=12)
        if reads.why_not:
            pytest.skip(reads.why_not)
        assert reads.asked == 12 and reads.slept > 0 and reads.refused == 0
        assert reads.row() == {"reads": 12, "slept": reads.slept, "said EAGAIN": 0, "slept again": reads.slept_again}

    @pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="this system has no file system in memory at /dev/shm")
    def test_a_file_in_memory_tells_nothing(self) -> None:
        assert read_file(times=12, folder=Path("/dev/shm")).why_not == "the kernel had the file in memory all the time"

    def test_where_nobody_can_be_asked_it_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(os, "posix_fadvise", raising=False)
        assert "cannot be asked" in str(read_file().why_not)

    @pytest.mark.usefixtures("nothing_left")
    def test_its_file_is_gone(self, tmp_path: Path) -> None:
        read_file(times=3, folder=tmp_path)
        assert not list(tmp_path.iterdir())
