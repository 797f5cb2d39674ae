"""Errors that say what was expected, what came, and what to do next."""

import difflib
from collections.abc import Collection, Iterable


class UsageError(ValueError):
    """Say that what the caller asked for cannot work; the terminal exits with status 2."""


class LoadFailed(RuntimeError):
    """Say that the load client could not do the work it was given."""


class ServerFailed(RuntimeError):
    """Say that a server ended by itself, or would not end when it was stopped."""


def unknown(kind: str, name: object, names: Collection[str]) -> UsageError:
    """Return the error for a name that is none of `names`; it offers the nearest one."""
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    known = f"the {kind}s are {', '.join(names)}" if names else "there are none"
    return UsageError(f"there is no {kind} {name!r}; {hint}{known}")


def require_list(values: object, what: str) -> None:
    """Raise UsageError for what cannot be gone through, and for a string, which would go letter by letter."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise UsageError(f"expected {what}, not {values!r}")
