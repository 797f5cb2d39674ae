"""A line of strace, whatever the server received, becomes a call."""

import pytest

from iolab.xrays.syscalls import parse

PEER = "TCP:[127.0.0.1:80->127.0.0.1:5000]"


def test_a_call_with_its_times_its_descriptor_and_its_result() -> None:
    (call,) = parse([f'7 100.5 recvfrom(5<{PEER}>, "hello", 65536, 0, NULL, NULL) = 5 <0.000010>'])
    assert (call.thread, call.name, call.start_s, call.result) == (7, "recvfrom", 100.5, 5)
    assert call.seconds == pytest.approx(1e-5, rel=0.01)
    assert (call.descriptor, call.target) == (5, PEER)


@pytest.mark.parametrize(
    "received", [") = 7 <9.9>", '\\", 1) = 3<TCP:[a->b]> <0.1>', " <unfinished ...>!", "<... read resumed>"]
)
def test_what_a_server_received_may_look_like_strace(received: str) -> None:
    (call,) = parse([f'7 100.5 read(5<{PEER}>, "{received}", 99) = 20 <0.000010>'])
    assert (call.name, call.result, call.target) == ("read", 20, PEER)


def test_two_halves_are_one_call() -> None:
    lines = [
        "7 1.0 accept4(3<TCP:[127.0.0.1:80]>,  <unfinished ...>",
        "8 1.5 epoll_wait(4<anon_inode:[eventpoll]>, [], 8, 100) = 0 <0.100000>",
        f"7 2.0 <... accept4 resumed>{{sa_family=AF_INET}}, [16], SOCK_CLOEXEC) = 5<{PEER}> <1.000000>",
    ]
    accept, wait = parse(lines)
    assert (accept.start_s, accept.end_s, accept.descriptor, accept.opened) == (1.0, 2.0, 3, PEER)
    assert (wait.name, wait.result, wait.got) == ("epoll_wait", 0, 0)


@pytest.mark.parametrize("end", ["<unfinished ...>", "<detached ...>"])
def test_a_call_that_never_returned_has_no_result(end: str) -> None:
    lines = [f"7 1.0 read(5<{PEER}>,  {end}", "8 3.0 close(6</tmp/x>) = 0 <0.000001>"]
    waiting, closing = parse(lines)
    assert (waiting.name, waiting.result, waiting.end_s, waiting.target) == ("read", None, 3.0, PEER)
    assert (closing.descriptor, closing.target) == (6, "/tmp/x")


def test_errors_signals_ends_and_what_is_no_line() -> None:
    lines = [
        "7 1.0 recvfrom(5<TCPv6:[[::1]:80->[::1]:9]>, 0x7f, 10, 0, NULL, NULL) = -1 EAGAIN (Resource busy) <0.000009>",
        "7 1.1 gettid()        = 7 <0.000007>",
        "7 1.2 --- SIGIO {si_signo=SIGIO, si_code=POLL_IN} ---",
        "7 1.3 exit_group(0) = ?",
        "7 1.4 +++ exited with 0 +++",
        "strace: Process 7 attached",
        "",
        "7 1.5 \x00\xff",
    ]
    vain, thread, signal, *_, end = parse(lines)
    assert vain.in_vain and vain.target == "TCPv6:[[::1]:80->[::1]:9]"
    assert (thread.name, thread.result, signal.name, end.name) == ("gettid", 7, "signal", "exit")
