"""The claims of the source text, and the judge of each, who compares it with a measurement."""

from iolab.claims.asynchronous import judge_asynchronous, judge_most_efficient
from iolab.claims.blocking import judge_blocking
from iolab.claims.coroutines import judge_asyncio, judge_generator_coroutines, judge_two_sleeps
from iolab.claims.multiplexing import judge_epoll, judge_growth, judge_multiplexing, judge_platforms, judge_write_list
from iolab.claims.nonblocking import judge_nonblocking, judge_spinning
from iolab.claims.selectors import judge_default_selector
from iolab.claims.verdicts import CLAIMS, Verdict, Verdicts, ledger
from iolab.errors import guard_face

__all__ = [
    "CLAIMS",
    "Verdict",
    "Verdicts",
    "judge_asynchronous",
    "judge_asyncio",
    "judge_blocking",
    "judge_default_selector",
    "judge_epoll",
    "judge_generator_coroutines",
    "judge_growth",
    "judge_most_efficient",
    "judge_multiplexing",
    "judge_nonblocking",
    "judge_platforms",
    "judge_spinning",
    "judge_two_sleeps",
    "judge_write_list",
    "ledger",
]

guard_face(globals())
