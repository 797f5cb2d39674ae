"""All answers: at least 12 wrong ones and 3 right ones an exercise."""

from exercises.corpus import nonblocking, select_epoll, selectors, tampering, threads

ANSWERS = [*threads.ANSWERS, *nonblocking.ANSWERS, *select_epoll.ANSWERS, *selectors.ANSWERS]

TAMPERING = tampering.ANSWERS
