"""All answers: at least 12 wrong ones and 3 right ones an exercise."""

from exercises.corpus import select_epoll
from exercises.corpus.answers import Answer

ANSWERS = [*select_epoll.ANSWERS]

TAMPERING: list[Answer] = []
