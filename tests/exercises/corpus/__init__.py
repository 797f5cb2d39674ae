"""All answers: at least 12 wrong ones and 3 right ones an exercise."""

from tests.exercises.corpus import (
    blind,
    break_it,
    chat,
    completion,
    event_loop,
    limits,
    naming,
    nonblocking,
    prefork,
    select_epoll,
    selectors,
    signals,
    survivors,
    tampering,
    threads,
)

ANSWERS = [
    *threads.ANSWERS,
    *nonblocking.ANSWERS,
    *select_epoll.ANSWERS,
    *selectors.ANSWERS,
    *signals.ANSWERS,
    *completion.ANSWERS,
    *event_loop.ANSWERS,
    *chat.ANSWERS,
    *prefork.ANSWERS,
    *break_it.ANSWERS,
    *naming.ANSWERS,
    *survivors.ANSWERS,
    *blind.ANSWERS,
    *limits.ANSWERS,
]

TAMPERING = tampering.ANSWERS
