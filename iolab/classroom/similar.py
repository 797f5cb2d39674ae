"""Answers that resemble each other, whatever their names, comments and layout.

Theory of operation. An answer is read as tokens, in which every name, number and text is alike; what its author can
change without thinking is gone then. Each run of RUN tokens is a fingerprint, and two answers share so much as the
shorter one's fingerprints are in the other, wherever they stand there. What the stub has, and what most of a large
class has, is nobody's (Schleimer, Wilkerson and Aiken, *Winnowing*, SIGMOD 2003). A share is a reason to look at
two answers side by side, and no proof of anything: an exercise that asks for ten lines gets ten lines.
"""

import io
import keyword
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

RUN = 16
"""So many tokens are two or three lines."""

LEAST = 20
"""An answer with fewer fingerprints of its own is too short to tell."""

SHARE = 0.6
MANY = 10
"""In a class of so many, what more than half have written is what the exercise asks for."""

ALIKE = {tokenize.NUMBER: "0", tokenize.STRING: "''"}
SKIPPED = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)

Fingerprints = frozenset[tuple[str, ...]]


def list_similar(answers: Mapping[str, str], stub: str = "", least: float = SHARE) -> list[dict[str, Any]]:
    """Return a row for each group of authors whose answers share at least this much, each with some other of it.

    `least` and `most` are the shares of those pairs; the most alike come first.
    """
    marks = {author: fingerprints(text) - fingerprints(stub) for author, text in answers.items()}
    counts = Counter(mark for each in marks.values() for mark in each)
    common = {mark for mark, count in counts.items() if len(answers) >= MANY and count > len(answers) / 2}
    marks = {author: mine - common for author, mine in marks.items()}
    shares = {pair: share_of(marks[pair[0]], marks[pair[1]]) for pair in combinations(answers, 2)}
    alike = {pair: share for pair, share in shares.items() if share >= least}
    rows = []
    for group in groups(alike):
        inside = [share for pair, share in alike.items() if pair[0] in group]
        rows.append({"alike": ", ".join(group), "least_share": min(inside), "most_share": max(inside)})
    return sorted(rows, key=lambda row: -row["most_share"])


def groups(pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return who belongs together, by pairs."""
    together: list[set[str]] = []
    for pair in pairs:
        touched = [group for group in together if group & set(pair)]
        together = [group for group in together if group not in touched] + [set(pair).union(*touched)]
    return [sorted(group) for group in together]


def share_of(one: Fingerprints, other: Fingerprints) -> float:
    """Return how much of the shorter one is in the other; 0 for what is too short to tell."""
    shorter = min(len(one), len(other))
    return len(one & other) / shorter if shorter >= LEAST else 0.0


def fingerprints(text: str) -> Fingerprints:
    """Return every run of RUN tokens of a text; of one that is no Python, of what can be read."""
    tokens = list(_tokens(text))
    return frozenset(tuple(tokens[at : at + RUN]) for at in range(len(tokens) - RUN + 1))


def _tokens(text: str) -> Iterator[str]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME:
                yield token.string if keyword.iskeyword(token.string) else "name"
            elif token.type not in SKIPPED:
                yield ALIKE.get(token.type, token.string)
    except (tokenize.TokenError, SyntaxError):
        return
