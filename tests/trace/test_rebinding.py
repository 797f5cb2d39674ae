"""A copy of a function runs the same code on stand-ins, and the function itself stays as it was."""

import enum
import functools
import select
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from iolab.trace.rebinding import Rebinding, global_names

NEW_SELECT = ModuleType("select")
vars(NEW_SELECT).update(vars(select), select=lambda *_: "recorded")


def stand_in(value: Any) -> Any:
    return {id(select): NEW_SELECT, id(select.select): NEW_SELECT.select}.get(id(value), value)


def copy_of(function: Callable[..., Any]) -> Any:
    assert isinstance(function, FunctionType)
    return Rebinding(stand_in, function).function


def wait() -> Any:
    return select.select([], [], [], 0)


def by_default(function: Any = select.select, *, module: Any = select) -> Any:
    assert function is module.select
    return function([], [], [], 0)


def through_a_sibling() -> Any:
    return wait()


def recursive(depth: int = 3) -> Any:
    return recursive(depth - 1) if depth else wait()


def in_a_nested_function() -> Any:
    def inner() -> Any:
        return next(wait() for _ in range(1))

    return inner()


def importing() -> Any:
    import select as another_name

    return another_name.select([], [], [], 0)


def importing_from() -> Any:
    from select import select as function

    return function([], [], [], 0)


class Waiter:
    def wait(self) -> Any:
        return select.select([], [], [], 0)

    @staticmethod
    def statically() -> Any:
        return wait()

    @classmethod
    def by_class(cls) -> Any:
        return cls().wait()


class Heir(Waiter):
    def wait(self) -> Any:
        return super().wait()


def by_a_method() -> Any:
    return Waiter().wait()


def by_a_static_method() -> Any:
    return Waiter.statically()


def by_a_class_method() -> Any:
    return Waiter.by_class()


def generating() -> Any:
    def generate() -> Iterator[Any]:
        yield wait()

    return next(generate())


def decorated_by(function: Callable[[], Any]) -> Callable[[], Any]:
    @functools.wraps(function)
    def wrapper() -> Any:
        return function()

    return wrapper


decorated = decorated_by(wait)


def by_a_decorated_one() -> Any:
    return decorated()


@pytest.mark.parametrize(
    "function",
    [
        wait,
        by_default,
        through_a_sibling,
        recursive,
        in_a_nested_function,
        importing,
        importing_from,
        by_a_method,
        by_a_static_method,
        by_a_class_method,
        generating,
        decorated,
        by_a_decorated_one,
    ],
)
def test_the_copy_uses_the_stand_in_and_the_original_does_not(function: Callable[..., Any]) -> None:
    names = dict(globals())
    assert copy_of(function)() == "recorded"
    assert function() == ([], [], [])
    assert all(globals()[name] is value for name, value in names.items())


def test_super_leads_to_the_copy_of_the_parent() -> None:
    def by_an_heir() -> Any:
        waiter = Heir()
        assert isinstance(waiter, Waiter)
        return waiter.wait(), isinstance(waiter, Heir)

    assert copy_of(by_an_heir)() == ("recorded", True)


def test_closures_that_share_a_variable_still_share_it() -> None:
    count = 0

    def add() -> None:
        nonlocal count
        count += 1

    def twice() -> int:
        add()
        add()
        return count

    assert copy_of(twice)() == 2
    assert count == 0


def test_a_closure_that_speaks_of_itself_ends() -> None:
    def factorial(number: int) -> int:
        return number * factorial(number - 1) if number else 1

    assert copy_of(factorial)(5) == 120


def test_objects_are_shared_and_names_are_not() -> None:
    copy_of(appends)()
    assert seen == ["appended"]
    copy_of(assigns)()
    assert assigned == "before"


seen: list[str] = []
assigned = "before"


def appends() -> None:
    seen.append("appended")


def assigns() -> None:
    global assigned
    assigned = "after"


class Slotted:
    __slots__ = ("_waited",)

    def __init__(self) -> None:
        self._waited = wait()

    @property
    def waited(self) -> Any:
        return self._waited, wait(), type(self) is Slotted


def by_slots_and_a_property() -> Any:
    return Slotted().waited


def test_slots_properties_and_a_class_that_speaks_of_itself() -> None:
    assert copy_of(by_slots_and_a_property)() == ("recorded", "recorded", True)


class Colour(enum.Enum):
    RED = 1

    def wait(self) -> Any:
        return wait()


def of_an_enumeration() -> Colour:
    return Colour.RED


def test_a_class_that_has_no_subclasses_is_left_as_it_is() -> None:
    assert copy_of(of_an_enumeration)() is Colour.RED


def test_functions_of_other_modules_are_left_alone() -> None:
    assert copy_of(asks_pathlib)() is Path


def asks_pathlib() -> type:
    return Path


def test_the_names_that_a_function_uses_hold_those_of_functions_inside_it() -> None:
    assert {"wait", "range"} <= global_names(in_a_nested_function.__code__)


def test_an_unhashable_global_is_no_hindrance() -> None:
    unhashable: dict[str, int] = {}

    def uses() -> Any:
        return unhashable, sys.maxsize

    assert copy_of(uses)()[0] is unhashable
