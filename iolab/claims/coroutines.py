"""The judges of what lesson 07 claims."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import closing

from iolab.claims.verdicts import Verdict, conclude

READINESS = ("EpollSelector", "KqueueSelector", "PollSelector", "DevpollSelector", "SelectSelector")
"""Selectors: all of them tell what is ready, and leave the copy to the caller."""

DECORATOR, AWAIT = "@asyncio.coroutine", "async and await"
"""The two ways to write a coroutine that the claim names."""

Span = tuple[float, float]
"""When something began and when it ended, in seconds of one clock."""


def judge_asyncio(loop: asyncio.AbstractEventLoop | None = None) -> Verdict:
    """Judge C12 by what an event loop of asyncio waits in: a selector is readiness, a proactor completion.

    Without a loop it judges a new one, of the kind that Python makes by itself.
    """
    if loop is None:
        with closing(asyncio.new_event_loop()) as fresh:
            return judge_asyncio(fresh)
    name = type(loop).__name__
    if isinstance(loop, getattr(asyncio, "ProactorEventLoop", ())):
        return conclude("C12", "holds", f"the loop is a {name}: the system completes what a coroutine awaits")
    # The loop has no public name for it; the attribute is the same since Python 3.4.
    selector = type(getattr(loop, "_selector", None)).__name__
    if not isinstance(loop, asyncio.SelectorEventLoop) or selector not in READINESS:
        return conclude("C12", "cannot tell", f"the loop is a {name}, and does not say what it waits in")
    because = f"the loop is a {name} that waits in its {selector}: asyncio is readiness, and then calls recv, as you do"
    return conclude("C12", "fails", because)


def judge_generator_coroutines(attempts: Mapping[str, BaseException | None]) -> Verdict:
    """Judge C13 by what became of a program in the old way and of one in the new way: its error, or None."""
    missing = [way for way in (DECORATOR, AWAIT) if way not in attempts]
    if missing:
        return conclude("C13", "cannot tell", f"nobody tried {' and '.join(missing)}")
    because = "; ".join(f"{way}: {'runs' if error is None else repr(error)}" for way, error in attempts.items())
    if attempts[DECORATOR] is None:
        return conclude("C13", "fails", because)
    gone = isinstance(attempts[DECORATOR], AttributeError) and attempts[AWAIT] is None
    return conclude("C13", "holds" if gone else "cannot tell", because)


def judge_two_sleeps(spans: Sequence[Span], asked_s: float = 1.0) -> Verdict:
    """Judge C14 by when each of two coroutines that sleep for `asked_s` began and ended."""
    if len(spans) != 2 or any(end - begin < 0.99 * asked_s for begin, end in spans):
        return conclude("C14", "cannot tell", f"two sleeps of {asked_s:g} s were needed, and these were not: {spans}")
    ends = [end for _, end in spans]
    took, apart = max(ends) - min(begin for begin, _ in spans), max(ends) - min(ends)
    because = f"both had ended after {took:.2f} s, {apart * 1000:,.1f} ms apart"
    if took < 1.5 * asked_s:
        return conclude("C14", "holds", because)
    # Later than that, a busy machine looks like one sleep after the other.
    return conclude("C14", "fails" if apart > 0.9 * asked_s else "cannot tell", because)
