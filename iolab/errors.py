"""Errors that say what was expected, what came, and what to do next; a notebook shows them in two lines.

IPython asks an exception for `_render_traceback_`. Ours answer with the learner's own line and one sentence; asked
again, as `%tb` does, with everything.
"""

import difflib
import inspect
import linecache
import numbers
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial, wraps
from pathlib import Path
from types import FrameType, FunctionType, UnionType
from typing import Any, ParamSpec, TypeVar, get_args, get_origin

Options = ParamSpec("Options")
Result = TypeVar("Result")

HERE = str(Path(__file__).parent)

WORDS = {
    "bool": "True or False",
    "int": "a whole number",
    "float": "a number",
    "str": "a text in quotes",
    "NoneType": "None",
    "Run": "a run from iolab.measure",
    "Timeline": "a timeline from iolab.timeline",
    "Comparison": "a comparison from iolab.compare",
    "Anatomy": "an anatomy from iolab.anatomy",
    "Result": "a result of iolab.experiments",
    "ListeningSocket": "a listening socket of the course",
    "bytes": "bytes, such as b'hello'",
    "socket": "a socket",
    "Path": "a pathlib.Path",
    "AbstractEventLoop": "an event loop of asyncio",
    "BaseException": "an exception",
}
"""What to write for each class that the door looks at; the course's other values have their own names."""

LISTS = (Sequence, Collection, list)
OTHERS_KNOW = ("respond", "answer", "workload")
"""What others say more of: functions that must do more than be called, and what options can spell out."""

MODEL = "the name of a model, such as 'epoll'"


class Brief:
    """Let IPython show an exception in two lines, and all of it to those who ask again."""

    def _render_traceback_(self) -> list[str]:
        assert isinstance(self, BaseException)
        return brief(self)


class UsageError(Brief, ValueError):
    """Say that what the caller asked for cannot work; the terminal exits with status 2."""


class LoadFailed(Brief, RuntimeError):
    """Say that the load client could not do the work it was given."""


class ServerFailed(Brief, RuntimeError):
    """Say that a server ended by itself, or would not end when it was stopped."""


def brief(error: BaseException) -> list[str]:
    """Return the learner's line and what went wrong; for the same error once more, its whole traceback."""
    if vars(error).get("_is_known"):
        return "".join(traceback.format_exception(error)).rstrip().splitlines()
    vars(error)["_is_known"] = True
    sentence = "; ".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
    return [f"{line_of(error)}    (%tb shows the rest)", sentence]


def line_of(error: BaseException, file: str | None = None) -> str:
    """Return the last line of this file in a traceback; without one, the learner's line that called the package."""
    lines = list(_lines(error, file))
    if not lines:
        return "no line of yours"
    return frame_line(*lines[-1])


def frame_line(frame: FrameType, number: int) -> str:
    """Return a line of the file that a frame runs: its number, and its text where that is known."""
    code = linecache.getline(frame.f_code.co_filename, number, frame.f_globals).strip()
    return f"line {number}: {code}" if code else f"line {number}"


def _lines(error: BaseException, file: str | None) -> Iterator[tuple[FrameType, int]]:
    for frame, number in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        if file is None and name.startswith(HERE):
            return
        if file in (None, name):
            yield frame, number


def describe(error: BaseException, function: object) -> str:
    """Return an exception and the line of a function's file that raised it, in one clause."""
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    where = line_of(error, code.co_filename) if code else ""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{what}, at {where}" if where.startswith("line") else what


def unknown(kind: str, name: object, names: Collection[str]) -> UsageError:
    """Return the error for a name that is none of `names`; it offers the nearest one."""
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    known = f"the {kind}s are {', '.join(names)}" if names else "there are none"
    return UsageError(f"there is no {kind} {name!r}; {hint}{known}")


def require_list(values: object, what: str) -> None:
    """Raise UsageError for what cannot be gone through, and for a string, which would go letter by letter."""
    if isinstance(values, str | bytes | type) or not isinstance(values, Iterable):
        raise UsageError(f"expected {what}, not {values!r}")


def guard(function: Callable[Options, Result]) -> Callable[Options, Result]:
    """Let a function of the face refuse arguments that are wrong by their type alone, and end briefly if interrupted.

    Numbers, flags and values of the course's own classes are looked at here; names, functions and lists by those who
    know more of them.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def call(*arguments: Options.args, **options: Options.kwargs) -> Result:
        try:
            bound = signature.bind(*arguments, **options)
        except TypeError as error:
            raise UsageError(
                f"{function.__qualname__.removesuffix('.__init__')}: {error}; it takes {_names(signature)}"
            ) from None
        for name, value in bound.arguments.items():
            _require(signature.parameters[name], value)
        try:
            return function(*arguments, **options)
        except KeyboardInterrupt as error:
            shorten(error, f"{function.__name__} was interrupted; what it began has ended")
            raise

    return call


def guard_face(names: dict[str, Any]) -> None:
    """Guard every function that a module offers in `__all__`; below the face they call each other unguarded."""
    for name in names["__all__"]:
        if isinstance(names[name], FunctionType):
            names[name] = guard(names[name])


def shorten(error: KeyboardInterrupt, sentence: str) -> None:
    """Let a notebook show an interrupt in two lines: the learner's, and this sentence."""
    error.args = error.args or (sentence,)
    vars(error).setdefault("_render_traceback_", partial(brief, error))


def _names(signature: inspect.Signature) -> str:
    return ", ".join(name for name in signature.parameters if name != "self") or "no arguments"


def _require(parameter: inspect.Parameter, value: Any) -> None:
    kind = parameter.annotation
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    is_callback = get_origin(kind) is Callable
    if parameter.name in OTHERS_KNOW or not (is_callback or all(map(_is_known, kinds))):
        return
    for each in value if parameter.kind is inspect.Parameter.VAR_POSITIONAL else (value,):
        if not any(_fits(each, kind) for kind in kinds):
            expected = MODEL if parameter.name in ("model", "before", "after") else _in_words(kinds)
            raise UsageError(f"expected {parameter.name} to be {expected}, not {each!r:.80}")


def _is_known(kind: Any) -> bool:
    """Whether the door can look at this; names, models and what is gone through once it leaves to others."""
    if get_origin(kind) in (*LISTS, Mapping, tuple):
        return True
    return isinstance(kind, type) and (kind.__name__ in WORDS or kind.__module__.startswith("iolab."))


def _in_words(kinds: Iterable[Any]) -> str:
    return " or ".join(map(_word, kinds))


def _word(kind: Any) -> str:
    if (origin := get_origin(kind)) is Callable:
        return "a function"
    if not origin:
        return WORDS.get(kind.__name__, f"a value of the class {kind.__name__}")
    items = [_word(item) if _is_known(item) else "" for item in get_args(kind)]
    if origin is tuple:
        return f"a pair: {' and '.join(items)}"
    numbers_in = "a list of numbers" if set(get_args(kind)) & {int, float} else "a list"
    name = "a dict" if origin is Mapping else numbers_in
    return f"{name}, each {items[-1]}" if items[-1] else name


def _fits(value: Any, kind: Any) -> bool:
    if get_origin(kind) is Callable:
        return callable(value) and not isinstance(value, type)
    if get_origin(kind):
        return _fits_all(value, get_origin(kind), get_args(kind))
    flag = isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")  # numpy's is no bool
    if kind is bool:
        return flag
    number = {int: numbers.Integral, float: numbers.Real}.get(kind)
    if not number:
        return isinstance(value, kind)
    return isinstance(value, number) and not flag and value == value  # what is not a number equals nothing


def _fits_all(value: Any, origin: Any, kinds: Sequence[Any]) -> bool:
    """Whether a list, a dict or a pair holds what it should; what the door does not know in it may be anything."""
    if isinstance(value, str | bytes | type) or not isinstance(value, Mapping if origin is Mapping else Collection):
        return False
    if origin is tuple:
        return len(value) == len(kinds) and all(map(_fits, value, kinds))
    items: Iterable[Any] = value.values() if isinstance(value, Mapping) and origin is Mapping else value
    return not _is_known(kinds[-1]) or all(_fits(item, kinds[-1]) for item in items)
