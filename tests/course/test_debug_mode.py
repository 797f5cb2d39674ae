"""What debug mode logs of slow steps becomes numbers, and nothing else is taken away."""

import asyncio
import logging
import time

import pytest

from iolab.course import slow_steps


async def hold_up() -> None:
    time.sleep(0.15)


def test_a_step_that_holds_up_its_loop_is_a_number_and_no_line(caplog: pytest.LogCaptureFixture) -> None:
    with slow_steps() as steps_s:
        asyncio.run(hold_up(), debug=True)
    assert max(steps_s) >= 0.1 and "Executing" not in caplog.text


def test_other_lines_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    with slow_steps() as steps_s:
        logging.getLogger("asyncio").warning("Executing nothing")
        logging.getLogger("asyncio").warning("something %s", "else")
    assert "something else" in caplog.text and steps_s == []
