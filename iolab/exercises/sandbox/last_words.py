"""What is said of an exception in an answer: the learner's line, the exception, and nothing of ours.

It is said by our code in the answer's process, so it may be forged. It decides nothing: it is read by the learner.
"""

import logging
import os
import threading
import traceback
from typing import Any

ANSWER, PROGRAM = "answer.py", "the judge's program"
"""The names that the answer's text and the program around it have in a traceback."""

READY = "ready"
MESSAGE, LINE = 300, 80
"""Characters of an exception's message and of the learner's line that are shown."""


class LastWords:
    """Write a line for every exception that nobody caught, in whatever thread."""

    def __init__(self, descriptor: int, text: str) -> None:
        self._descriptor, self._lines, self._process = descriptor, text.splitlines(), os.getpid()

    def listen(self) -> None:
        """Hear of exceptions in threads, and of those that a library caught and logged."""
        threading.excepthook = self._say_thread
        logging.getLogger().addHandler(_Logged(self))

    def say(self, line: str) -> None:
        """Write one line, if there still is somewhere to write it."""
        try:
            os.write(self._descriptor, " ".join(line.split("\n")).encode("utf-8", "backslashreplace") + b"\n")
        except OSError:  # the answer closed it
            pass

    def say_death(self, error: BaseException) -> None:
        """Say what ended the process."""
        self._say_of("it died" if os.getpid() == self._process else "a process of it died", error)

    def say_logged(self, error: BaseException) -> None:
        """Say what a library caught."""
        self._say_of("a task died", error)

    def _say_thread(self, args: threading.ExceptHookArgs) -> None:
        if not issubclass(args.exc_type, SystemExit):  # which is how a thread is ended on purpose (threading)
            self._say_of("a thread died", args.exc_value)

    def _say_of(self, what: str, error: BaseException | None) -> None:
        if error is not None and (says := self._describe(error)):
            self.say(f"{what}{says}")

    def _describe(self, error: BaseException) -> str:
        """Return where and of what, in a half sentence; nothing for what the judge's own program raised."""
        inner = error
        while isinstance(inner, BaseExceptionGroup):
            inner = inner.exceptions[0]
        says = _write(inner) + (" (in an exception group)" if inner is not error else "")
        frames = traceback.extract_tb(inner.__traceback__)
        if frames and frames[-1].filename == PROGRAM:
            missing = isinstance(inner, NameError) and inner.name
            return f": your answer does not define `{missing}`" if missing else ""
        if isinstance(inner, SyntaxError) and inner.filename == ANSWER:
            return f"{self._place(inner.lineno)}: {says}"
        lines = [frame.lineno for each in (inner, error) for frame in traceback.extract_tb(each.__traceback__)
                 if frame.filename == ANSWER]  # fmt: skip
        return (self._place(lines[-1]) if lines else "") + f": {says}"

    def _place(self, number: int | None) -> str:
        if not number or number > len(self._lines):
            return ""
        line = self._lines[number - 1].strip()
        return f" at line {number}, `{line if len(line) <= LINE else line[: LINE - 1] + '…'}`"


class _Logged(logging.Handler):
    def __init__(self, words: LastWords) -> None:
        super().__init__(logging.WARNING)
        self._words = words

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1]:
            self._words.say_logged(record.exc_info[1])


def _write(error: BaseException) -> str:
    """Return the type of an exception and its message, cut short; a message may be anything, and raise itself."""
    try:
        message: Any = error.msg if isinstance(error, SyntaxError) else str(error)
    except BaseException as second:
        message = f"(its message raised {type(second).__name__})"
    return f"{type(error).__name__[:80]}: {str(message)[:MESSAGE]}".removesuffix(": ")
