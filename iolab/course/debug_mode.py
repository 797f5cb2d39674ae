"""What asyncio's debug mode says of steps that hold up a loop, as numbers."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def slow_steps() -> Iterator[list[float]]:
    """Collect how long each slow step took, in seconds, in place of the line that debug mode would log of it."""
    steps_s: list[float] = []

    def collect(record: logging.LogRecord) -> bool:
        if not record.msg.startswith("Executing ") or not record.args:
            return True
        *_, took_s = record.args
        steps_s.append(round(float(str(took_s)), 1))
        return False

    logger = logging.getLogger("asyncio")
    logger.addFilter(collect)
    try:
        yield steps_s
    finally:
        logger.removeFilter(collect)
