"""Errors that say what was expected, what came, and what to do next."""


class UsageError(ValueError):
    """Say that what the caller asked for cannot work; the terminal exits with status 2."""


class ServerFailed(RuntimeError):
    """Say that a server ended by itself, or would not end when it was stopped."""


class LoadFailed(RuntimeError):
    """Say that the load client could not do the work it was given."""
