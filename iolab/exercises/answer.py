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
    notebook. Raise UsageError for one whose text cannot be found, or that uses something else.
    """
    needed: dict[str, str] = {}
    _gather(answer, needed)
    name = answer.__name__
    if name != entry and entry in needed:
        raise UsageError(
            f"{name} uses a helper named {entry}, which is what the judge calls; give the helper another name"
        )
    renamed = "" if name == entry else f"\n{entry} = {name}"
    return "\n\n".join([*needed.values(), renamed])


def _gather(thing: Any, needed: dict[str, str]) -> None:
    source = _read_source(thing)
    needed[thing.__name__] = ""  # so that one that uses itself is not gathered again
    for name, value in _list_uses(thing, source):
        if name not in needed:
            needed.update(_bring(name, value, thing.__module__, needed))
    del needed[thing.__name__]
    needed[thing.__name__] = source  # behind what it uses


def _bring(name: str, value: Any, home: str, needed: dict[str, str]) -> dict[str, str]:
    module, qualname = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if isinstance(value, ModuleType):
        return {name: f"import {value.__name__} as {name}"}
    if module == home and qualname == name:
        _gather(value, needed)
        return {}
    if module and qualname and module != home:
        return {name: f"from {module} import {qualname} as {name}"}
    if _is_plain(value):
        return {name: f"{name} = {value!r}"}
    return {name: f"from {_find_module(name, value, home)} import {name}"}


def _list_uses(thing: Any, source: str) -> Iterator[tuple[str, Any]]:
    names, values = set(_list_free_names(symtable.symtable(source, "answer", "exec"))), _read_globals(thing)
    return ((name, values[name]) for name in sorted(names) if name in values)


def _list_free_names(scope: symtable.SymbolTable) -> Iterator[str]:
    """Yield the names that a text takes from the module around it."""
    for symbol in scope.get_symbols():
        if symbol.is_referenced() and (symbol.is_global() or scope.get_type() == "module"):
            yield symbol.get_name()
    for inner in scope.get_children():
        yield from _list_free_names(inner)


def _read_globals(thing: Any) -> dict[str, Any]:
    functions = _list_functions(thing)
    return dict(functions[0].__globals__) if functions else {}


def _list_functions(thing: Any) -> list[Any]:
    """Return the function itself, or the methods that a class was written with."""
    if not inspect.isclass(thing):
        return [thing]
    methods = [each for each in vars(thing).values() if inspect.isfunction(each)]
    return [each for each in methods if each.__code__.co_filename != "<string>"]


def _read_source(thing: Any) -> str:
    if getattr(thing, "__closure__", None) or not getattr(thing, "__name__", "").isidentifier():
        raise UsageError(
            f"{thing!r} is defined inside another function or has no name; an answer is judged in a process "
            "of its own, so define it with `def` or `class` at the top level of a cell"
        )
    try:
        # By a method: a class does not know the cell that it was written in.
        return _read_class(thing) if inspect.isclass(thing) else textwrap.dedent(inspect.getsource(thing))
    except (OSError, TypeError, LookupError, ValueError):
        raise UsageError(f"the text of {thing!r} cannot be found; define it in a cell or in a file") from None


def _read_class(thing: type) -> str:
    text = "".join(inspect.findsource(_list_functions(thing)[0])[0])
    classes = (node for node in ast.parse(text).body if isinstance(node, ast.ClassDef))
    (definition,) = (node for node in classes if node.name == thing.__name__)
    first = min([definition.lineno, *(each.lineno for each in definition.decorator_list)])
    return "\n".join(text.splitlines()[first - 1 : definition.end_lineno])


def _is_plain(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, RecursionError):
        return False


def _find_module(name: str, value: Any, home: str) -> str:
    """Return the module that a value was imported from, by its name there."""
    for module in list(sys.modules):
        if module != home and vars(sys.modules[module]).get(name) is value:
            return module
    raise UsageError(
        f"the answer uses {name}, which cannot be taken to another process ({type(value).__name__}); "
        "create it inside the answer"
    )
