"""The text of a function that was written in a notebook, with all that it needs, to be run in another process."""

import ast
import inspect
import symtable
import sys
import textwrap
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from iolab.errors import UsageError


def text_of(answer: Callable[..., Any], entry: str) -> str:
    """Return a module that defines a function or class under the name of `entry`.

    What it uses comes along: imports, and the functions, classes and plain values of the
    notebook. Raise UsageError for one whose text is not to be had, or that uses something else.
    """
    needed: dict[str, str] = {}
    _gather(answer, needed)
    name = answer.__name__
    renamed = "" if name == entry else f"\n{entry} = {name}"
    return "\n\n".join([*needed.values(), renamed])


def _gather(thing: Any, needed: dict[str, str]) -> None:
    source = _source(thing)
    needed[thing.__name__] = ""  # so that one which uses itself is not gathered again
    for name, value in _used(thing, source):
        if name not in needed:
            needed.update(_brought(name, value, thing.__module__, needed))
    del needed[thing.__name__]
    needed[thing.__name__] = source  # behind what it uses


def _brought(name: str, value: Any, home: str, needed: dict[str, str]) -> dict[str, str]:
    module, known = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if isinstance(value, ModuleType):
        return {name: f"import {value.__name__} as {name}"}
    if module == home and known == name:
        _gather(value, needed)
        return {}
    if module and known and module != home:
        return {name: f"from {module} import {known} as {name}"}
    if _plain(value):
        return {name: f"{name} = {value!r}"}
    return {name: f"from {_holder(name, value, home)} import {name}"}


def _used(thing: Any, source: str) -> Iterator[tuple[str, Any]]:
    names, there = set(_free(symtable.symtable(source, "answer", "exec"))), _globals(thing)
    return ((name, there[name]) for name in sorted(names) if name in there)


def _free(scope: symtable.SymbolTable) -> Iterator[str]:
    """Yield the names that a text takes from the module around it."""
    for symbol in scope.get_symbols():
        if symbol.is_referenced() and (symbol.is_global() or scope.get_type() == "module"):
            yield symbol.get_name()
    for inner in scope.get_children():
        yield from _free(inner)


def _globals(thing: Any) -> dict[str, Any]:
    functions = _functions(thing)
    return dict(functions[0].__globals__) if functions else {}


def _functions(thing: Any) -> list[Any]:
    """Return the function itself, or the methods that a class was written with."""
    if not inspect.isclass(thing):
        return [thing]
    methods = [each for each in vars(thing).values() if inspect.isfunction(each)]
    return [each for each in methods if each.__code__.co_filename != "<string>"]


def _source(thing: Any) -> str:
    if getattr(thing, "__closure__", None) or not getattr(thing, "__name__", "").isidentifier():
        raise UsageError(
            f"{thing!r} is defined inside another function or without a name; an answer is judged in a process "
            "of its own, so define it with `def` or `class` at the top of a cell"
        )
    try:
        # By a method: a class does not know the cell that it was written in.
        return _class(thing) if inspect.isclass(thing) else textwrap.dedent(inspect.getsource(thing))
    except (OSError, TypeError, LookupError, ValueError):
        raise UsageError(f"the text of {thing!r} is not to be had; define it in a cell or in a file") from None


def _class(thing: type) -> str:
    text = "".join(inspect.findsource(_functions(thing)[0])[0])
    (found,) = (node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == thing.__name__)
    first = min([found.lineno, *(each.lineno for each in found.decorator_list)])
    return "\n".join(text.splitlines()[first - 1 : found.end_lineno])


def _plain(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, RecursionError):
        return False


def _holder(name: str, value: Any, home: str) -> str:
    """Return the module that a value was imported from, by its name there."""
    for module in list(sys.modules):
        if module != home and vars(sys.modules[module]).get(name) is value:
            return module
    raise UsageError(
        f"the answer uses {name}, which cannot be taken to another process ({type(value).__name__}); make it inside"
    )
