"""What must hold between a stage and what was recorded, whatever the run."""

from collections import Counter
from itertools import pairwise

from iolab.playback.boxes import NOBODY
from iolab.playback.portions import Portion, fill, hides_its_calls, sizes_bytes, transferred
from iolab.playback.stage import Stage, stage
from iolab.trace.calls import SENDS
from iolab.trace.recorder import EAGAIN
from iolab.trace.timeline import Timeline

WITHOUT_LINES = {"sanic"}
"""Its server is behind a framework: the page makes none of its calls."""


def hold(timeline: Timeline) -> None:
    """Hold the stage of a timeline against its records."""
    scene = stage(timeline)
    times_are_in_order(scene)
    buffers_are_never_negative_and_end_empty(scene)
    if not hides_its_calls(timeline):
        every_recv_gets_what_was_there(scene)
        all_bytes_are_accounted_for(scene)
    threads_have_no_gaps(scene)
    boxes_hold_what_was_taken_out(scene)
    lines_are_known(scene)
    assert len(scene.lines) == len(scene.sentences) == len(scene.calls)


def lines_are_known(scene: Stage) -> None:
    # The call that the stop interrupts may be the listening socket's own, which stands on no page.
    without = [
        call for call, line in zip(scene.calls, scene.lines, strict=True) if not line and call.result != "EINVAL"
    ]
    assert not without or scene.model in WITHOUT_LINES


def times_are_in_order(scene: Stage) -> None:
    sent_ns = set(scene.timeline.records.sent_ns.tolist())
    for portion in [*scene.requests, *scene.replies]:
        assert portion.sent_ns <= portion.arrived_ns <= portion.taken_ns
    if scene.timeline.complete:
        assert {portion.sent_ns for portion in scene.requests} <= sent_ns


def buffers_are_never_negative_and_end_empty(scene: Stage) -> None:
    for portions, sending in ((scene.requests, False), (scene.replies, True)):
        for own in of_each_connection(portions):
            levels = [size_bytes for _, size_bytes in fill(own, sending=sending)]
            assert min(levels) >= 0
            assert levels[-1] == 0


def every_recv_gets_what_was_there(scene: Stage) -> None:
    for own in of_each_connection(scene.requests):
        levels = fill(own)
        for call in scene.calls:
            if call.name != "recv" or call.connection != own[0].connection:
                continue
            if call.result == EAGAIN:  # it began when nothing was there
                assert level(levels, call.start_ns - 1) == 0, call
            elif transferred(call):
                assert level(levels, call.end_ns - 1) >= transferred(call), call


def all_bytes_are_accounted_for(scene: Stage) -> None:
    timeline = scene.timeline
    took = sum(transferred(call) for call in timeline.find("recv", "received") if call.connection is not None)
    gave = sum(max(0, transferred(call)) for call in timeline.find(*SENDS, "sent"))
    if not scene.left_out:
        assert sum(each.size_bytes for each in scene.requests) == took
        assert sum(each.size_bytes for each in scene.replies) == gave
    if timeline.complete:  # what the server took is what the clients sent
        assert (took, gave) == tuple(size * len(timeline.records) for size in sizes_bytes(timeline))


def threads_have_no_gaps(scene: Stage) -> None:
    for thread in scene.threads:
        stays = scene.stays(thread)
        assert all(before.until_ns == after.since_ns for before, after in pairwise(stays))
        assert all(before.state != after.state for before, after in pairwise(stays))


def boxes_hold_what_was_taken_out(scene: Stage) -> None:
    for box in scene.boxes:
        assert all(token.since_ns <= token.until_ns for token in box.tokens)
        if box.name == "Submission queue" and not scene.left_out:
            rings = [call for call in scene.calls if call.name in ("io_uring_submit", "io_uring_enter")]
            entered = [call for call in rings if call.start_ns >= scene.start_ns]
            # What was written before the end may be handed over after it.
            assert sum(token.until_ns <= scene.end_ns for token in box.tokens) == sum(map(transferred, entered))
        if box.name == "Signal queue" and not scene.left_out:
            taken = [call for call in scene.calls if call.name.startswith("sig") and isinstance(call.result, int)]
            assert Counter(token.until_ns for token in box.tokens) == Counter(call.end_ns for call in taken)
        if box.name == "Signal queue":  # a call in vain began when nothing was there
            vain_ns = [call.start_ns for call in scene.calls if call.name.startswith("sig") and call.result == EAGAIN]
            assert not [at for at in vain_ns for token in box.tokens if token.since_ns < at < token.until_ns]
        if box.name == "Interest list":
            assert max(Counter(token.connection for token in box.tokens).values()) == 1
            assert NOBODY not in {token.connection for token in box.tokens}


def of_each_connection(portions: list[Portion]) -> list[list[Portion]]:
    connections = sorted({each.connection for each in portions})
    return [[each for each in portions if each.connection == number] for number in connections]


def level(levels: list[tuple[int, int]], at_ns: int) -> int:
    """Return how much a buffer holds at a time."""
    return next((size_bytes for since_ns, size_bytes in reversed(levels) if since_ns <= at_ns), 0)
