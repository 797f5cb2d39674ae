"""The same code, on stand-ins for what it imported: copies of functions, with other globals.

Theory of operation: a copy of a function has its code, but globals of its own. Whatever name the code looks
up there is copied or replaced in turn, depth first; copies are known by the id of their original, so that
what refers to itself ends.
"""

import builtins
from abc import ABCMeta
from collections.abc import Callable
from types import CellType, CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import Any

PACKAGES = ("iolab.servers.", "iolab.kernel.")
"""Modules whose functions come along with a function that uses them."""

REMADE = (GetSetDescriptorType, MemberDescriptorType)
"""Parts of a class that it gives itself: `__dict__`, `__weakref__`, and one for each of `__slots__`."""


class Rebinding:
    """Copies of a function and of what it uses, with a stand-in wherever `stand_in` has one.

    The functions and classes of the function's own module come along, and so do its closure
    and what it imports while it runs. The originals stay as they are.
    """

    def __init__(self, stand_in: Callable[[Any], Any], function: FunctionType) -> None:
        self._stand_in = stand_in
        self._home = str(function.__globals__["__name__"])
        self._copies: dict[int, Any] = {}
        self._names: list[dict[str, Any]] = []
        self._filled: list[CellType] = []
        self.function = self._function(function)

    def _value(self, value: Any) -> Any:
        if id(value) in self._copies:
            return self._copies[id(value)]
        stand_in = self._stand_in(value)
        if stand_in is not value:
            return stand_in
        if type(value) is FunctionType and self._ours(value.__globals__.get("__name__")):
            return self._function(value)
        if type(value) is ModuleType and self._ours(value.__name__):
            return self._module(value)
        if isinstance(value, type) and self._ours(value.__module__):
            return self._class(value)
        return value

    def _ours(self, module: Any) -> bool:
        return isinstance(module, str) and (module == self._home or module.startswith(PACKAGES))

    def _globals(self, names: dict[str, Any]) -> dict[str, Any]:
        """Return the globals of all copies whose originals have these."""
        if id(names) not in self._copies:
            # A function looks for the builtins in its globals when it is made, so they come first.
            ours = {"__builtins__": vars(builtins) | {"__import__": self._import}}
            self._copies[id(names)] = names | ours
            self._names.append(self._copies[id(names)])
        copies: dict[str, Any] = self._copies[id(names)]
        return copies

    def _module(self, module: ModuleType) -> ModuleType:
        copy = self._copies[id(module)] = ModuleType(module.__name__)
        for name, value in list(vars(module).items()):
            setattr(copy, name, self._value(value))
        return copy

    def _function(self, function: FunctionType) -> Any:
        cells = tuple(map(self._cell, function.__closure__ or ()))
        if id(function) in self._copies:  # its closure led back to it
            return self._copies[id(function)]
        names, ours = function.__globals__, self._globals(function.__globals__)
        copy = FunctionType(function.__code__, ours, function.__name__, None, cells)
        copy.__defaults__ = tuple(map(self._value, function.__defaults__ or ()))
        copy.__kwdefaults__ = {name: self._value(value) for name, value in (function.__kwdefaults__ or {}).items()}
        vars(copy).update(vars(function))
        self._copies[id(function)] = copy
        for name in global_names(function.__code__):
            if name in names and ours[name] is names[name]:
                ours[name] = self._value(names[name])
        return copy

    def _cell(self, cell: CellType) -> CellType:
        if id(cell) in self._copies:
            copy: CellType = self._copies[id(cell)]
            return copy
        copy = self._copies[id(cell)] = CellType()
        try:
            copy.cell_contents = self._value(cell.cell_contents)
            self._filled.append(copy)
        except ValueError:  # nothing was assigned to it yet
            pass
        return copy

    def _class(self, original: type) -> type:
        """Return a new class of the same parts, every method rebound."""
        if type(original) not in (type, ABCMeta):  # an enumeration, or another class that makes itself
            return original
        self._copies[id(original)] = original  # until it is made, its methods find the original
        parts = {name: self._method(part) for name, part in vars(original).items() if not isinstance(part, REMADE)}
        copy = type(original)(original.__name__, tuple(map(self._value, original.__bases__)), parts)
        self._copies[id(original)] = copy
        self._replace(original, copy)
        return copy

    def _replace(self, original: type, copy: type) -> None:
        for names in self._names:
            names.update({name: copy for name, value in names.items() if value is original})
        for cell in self._filled:
            if cell.cell_contents is original:
                cell.cell_contents = copy

    def _method(self, part: Any) -> Any:
        if isinstance(part, (staticmethod, classmethod)):
            return type(part)(self._value(part.__func__))
        if isinstance(part, property):
            return property(*map(self._value, (part.fget, part.fset, part.fdel)))
        return self._value(part) if type(part) is FunctionType else part

    def _import(self, *arguments: Any, **options: Any) -> Any:
        return self._value(builtins.__import__(*arguments, **options))


def global_names(code: CodeType) -> set[str]:
    """Return the names that a code object, or one inside it, may look up in its globals."""
    inner = (global_names(part) for part in code.co_consts if isinstance(part, CodeType))
    return set(code.co_names).union(*inner)
