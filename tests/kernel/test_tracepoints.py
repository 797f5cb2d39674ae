"""The steps of the kernel: decoded from bytes that were written down, and live where one may see them."""

import socket
import struct
import threading
from pathlib import Path

import pytest

from iolab.kernel import perf, tracepoints
from iolab.kernel.tracepoints import ARRIVAL, COPY, WAKING, Happening, Tracepoints

FORMAT = """name: sched_waking
ID: 375
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:unsigned char common_flags;	offset:2;	size:1;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:char comm[16];	offset:8;	size:16;	signed:0;
	field:pid_t pid;	offset:24;	size:4;	signed:1;
	field:int prio;	offset:28;	size:4;	signed:1;
	field:const void * skbaddr;	offset:32;	size:8;	signed:0;

print fmt: "comm=%s pid=%d prio=%d", REC->comm, REC->pid, REC->prio
"""
POINT = tracepoints.parse(WAKING, FORMAT)


def sample(thread: int, at_ns: int, woken: int) -> bytes:
    raw = struct.pack("=HHi16siiQ", 375, 0, thread, b"python", woken, -20, 0xFFFF_8880_0000_0000)
    body = struct.pack("=IIQIII", 1, thread, at_ns, 3, 0, len(raw)) + raw
    return struct.pack("=IHH", perf.RECORD_SAMPLE, 0, 8 + len(body)) + body


def test_the_numbers_among_the_fields_are_read_from_the_kernels_description() -> None:
    assert POINT.number == 375
    assert POINT.fields == {"pid": (24, 4, True), "prio": (28, 4, True), "skbaddr": (32, 8, False)}


def test_a_step_tells_when_and_where_it_happened() -> None:
    lost = struct.pack("=IHH", 2, 0, 8)
    records = list(perf.records_of(sample(5, 1000, 6) + lost))
    fields = {"pid": 6, "prio": -20, "skbaddr": 0xFFFF_8880_0000_0000}
    assert list(tracepoints.happenings(records, {375: POINT})) == [Happening(WAKING, 1000, 3, 5, fields)]


def test_a_step_concerns_the_thread_it_is_taken_in_and_the_one_it_wakes() -> None:
    (step,) = tracepoints.happenings(list(perf.records_of(sample(5, 1000, 6))), {375: POINT})
    assert step.concerns({5}) and step.concerns({6}) and not step.concerns({3, 7})


class TestWhyNot:
    def test_without_tracefs(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(perf, "unsupported", lambda: None)
        monkeypatch.setattr(tracepoints, "PLACES", (tmp_path,))
        monkeypatch.setattr("os.geteuid", lambda: 0)
        assert tracepoints.why_not() == "tracefs is not mounted"
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        assert tracepoints.why_not() == "only root may read tracefs here"

    def test_where_the_kernel_refuses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(perf, "unsupported", lambda: None)
        monkeypatch.setattr(tracepoints, "find", lambda name: POINT)

        def refuse(*_: object) -> int:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(perf, "open_event", refuse)
        assert "may not see the kernel's steps" in str(tracepoints.why_not())


@pytest.mark.usefixtures("kernel_steps", "nothing_left")
def test_a_request_arrives_in_the_sender_and_is_copied_in_the_receiver() -> None:
    sender, receiver = threading.get_native_id(), threading.Thread(target=lambda: connection.recv(1000))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with socket.create_connection(listening.getsockname()) as peer, listening.accept()[0] as connection:
            with Tracepoints() as watch:
                receiver.start()
                while "wait" not in Path(f"/proc/self/task/{receiver.native_id}/wchan").read_text():
                    pass
                peer.send(b"x" * 123)
                receiver.join()
                steps = watch.read({sender, receiver.native_id or 0})
    assert watch.whole
    copy = next(step for step in steps if step.name == COPY and step.thread == receiver.native_id)
    same = [step for step in steps if step.fields.get("skbaddr") == copy.fields["skbaddr"] and step.at_ns < copy.at_ns]
    arrival = [step for step in same if step.name == ARRIVAL][-1]
    assert (copy.fields["len"], arrival.thread) == (123, sender)
    waking = [step for step in steps if step.name == WAKING and step.fields["pid"] == receiver.native_id]
    assert any(arrival.at_ns < step.at_ns < copy.at_ns for step in waking)
