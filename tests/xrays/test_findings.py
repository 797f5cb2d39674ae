"""Each finding has its evidence, and a server without the flaw gets none."""

from collections.abc import Iterable

from iolab.xrays.facts import read
from iolab.xrays.findings import Scene, find, timer
from iolab.xrays.model import tell
from iolab.xrays.syscalls import parse

DOOR = "3<TCP:[127.0.0.1:80]>"


def peer(number: int) -> str:
    return f"{number}<TCP:[127.0.0.1:80->127.0.0.1:{5000 + number}]>"


def line(at_s: float, call: str, result: object = 0, took_s: float = 1e-5) -> str:
    return f"7 {at_s:.6f} {call} = {result} <{took_s:.6f}>"


def accept(at_s: float, number: int) -> list[str]:
    control = f"epoll_ctl(4<anon_inode:[eventpoll]>, EPOLL_CTL_ADD, {peer(number)}, {{events=EPOLLIN, data=0x1}})"
    return [
        line(at_s, f"accept4({DOOR}, NULL, NULL, SOCK_CLOEXEC|SOCK_NONBLOCK)", peer(number)),
        line(at_s + 1e-4, control),
    ]


def wait(at_s: float, events: str = "EPOLLIN", result: int = 1, took_s: float = 1e-5) -> str:
    return line(at_s, f"epoll_wait(4<anon_inode:[eventpoll]>, [{{events={events}, data=0x1}}], 8, 50)", result, took_s)


def ask(at_s: float, number: int, *, sends: int = 1, took_s: float = 1e-5) -> list[str]:
    return [
        wait(at_s),
        line(at_s + 1e-4, f'recvfrom({peer(number)}, "a", 10, 0, NULL, NULL)', 1),
        *(line(at_s + 2e-4 + part * 1e-4, f'sendto({peer(number)}, "A", 1, 0)', 1, took_s) for part in range(sends)),
    ]


def right() -> list[str]:
    """Return the calls of a server without a flaw: two connections, ten requests each, then closed."""
    lines = [*accept(1.0, 5), *accept(1.1, 6)]
    for turn in range(10):
        lines += [*ask(2 + turn * 0.1, 5), *ask(2.05 + turn * 0.1, 6)]
    for number in (5, 6):
        at_s = 3.1 + number * 0.01
        lines += [line(at_s, f'recvfrom({peer(number)}, "", 10, 0, NULL, NULL)')]
        lines += [line(at_s + 1e-3, f"close({peer(number)})")]
    return [*lines, wait(3.9, took_s=0.1)]


def kinds(lines: Iterable[str], **seen: int) -> list[str]:
    facts = read(parse(lines), {7: 7})
    findings = find(Scene(facts, tell(facts), **seen))
    assert all(finding.evidence and finding.see and finding.means for finding in findings)
    return [finding.kind for finding in findings]


def test_a_right_server_has_none() -> None:
    assert kinds(right()) == []
    assert kinds([]) == []


def test_a_loop_that_never_sleeps() -> None:
    call = f"recvfrom({peer(5)}, 0x7f, 10, 0, NULL, NULL)"
    vain = [line(3.2 + turn * 1e-3, call, "-1 EAGAIN (x)") for turn in range(700)]
    assert kinds([*right(), *vain]) == ["spins while idle"]


def test_a_time_out_that_polls() -> None:
    def empty(every_s: float) -> list[str]:
        return [*right(), *(wait(3.17 + turn * every_s, "", 0, every_s) for turn in range(int(0.72 / every_s)))]

    assert kinds(empty(0.01)) == ["wakes by a time-out"]
    facts = read(parse(empty(0.1)), {7: 7})
    scene = Scene(facts, tell(facts))
    assert find(scene) == []  # it may be a timer that is meant
    assert str(timer(scene)).endswith("a second while nothing came: epoll_wait of 100 ms")


def test_room_to_write_while_nothing_is_owed() -> None:
    room = [wait(2.01 + turn * 1e-4, "EPOLLOUT") for turn in range(100)]
    assert kinds([*right(), *room]) == ["watches for room to write"]


def test_room_to_write_that_is_used() -> None:
    used = [each for turn in range(100) for each in (
        wait(2.011 + turn * 1e-4, "EPOLLOUT"), line(2.011 + turn * 1e-4 + 5e-5, f'sendto({peer(5)}, "A", 1, 0)', 1)
    )]  # fmt: skip
    assert kinds([*right(), *used]) == []


def test_a_full_queue_and_one_accept_for_each_wait() -> None:
    lines = []
    for number in range(10, 20):
        lines += [wait(2 + number * 1e-2), *accept(2.001 + number * 1e-2, number)]
    assert kinds([*right(), *lines], queue=5, overflows=9, room=4) == ["accepts one at a time under a full queue"]
    assert kinds([*right(), *lines], queue=5, room=4) == []
    assert kinds([*right(), *lines], queue=5, overflows=9, room=128) == []  # that of another server overflowed


def test_select_near_its_limit() -> None:
    def select(most: int) -> list[str]:
        return [*right(), line(3.95, f"pselect6({most + 1}, [{DOOR} {peer(5)}], NULL, NULL, NULL, NULL)", "1 (in [3])")]

    assert kinds(select(1010)) == ["select near 1,024"]
    assert kinds(select(90)) == []


def test_one_connection_that_holds_up_all() -> None:
    blocked = [each.replace("|SOCK_NONBLOCK", "") for each in right()]
    assert kinds([*blocked, *ask(3.02, 5, took_s=0.06)]) == ["one connection holds up all"]
    assert kinds([*right(), *ask(3.02, 5, took_s=0.06)]) == []  # it does not block: the machine was busy


def test_connections_that_stay_open() -> None:
    lines = right()
    for number in range(10, 14):
        lines += [*accept(2.001 + number * 1e-3, number), line(2.1 + number * 1e-3, f'read({peer(number)}, "", 10)')]
    assert kinds(lines) == ["descriptors only grow"]


def test_replies_that_wait_for_an_acknowledgement() -> None:
    lines = [*accept(1.0, 5), *(each for turn in range(9) for each in ask(2 + turn * 0.041, 5, sends=2))]
    assert kinds([*lines, wait(2.5)]) == ["waits for an acknowledgement"]
    without = line(1.01, f"setsockopt({peer(5)}, SOL_TCP, TCP_NODELAY, [1], 4)")
    assert kinds([*lines, without, wait(2.5)]) == []


def test_a_worker_that_others_are_faster_than_does_not_poll() -> None:
    door = f"accept4({DOOR}, NULL, NULL, SOCK_CLOEXEC)"
    lines = [line(1 + turn * 0.1, door, "-1 EAGAIN (x)") for turn in range(9)]
    lines += [line(2, door, peer(5)), line(2.1, f'recvfrom({peer(5)}, "a", 10, 0, NULL, NULL)', 1)]
    facts = read(parse(lines), {7: 7})
    assert [each.kind for each in facts.received] == ["blocking"]
