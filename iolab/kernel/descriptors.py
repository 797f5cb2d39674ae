"""The limit on open descriptors (`getrlimit(2)`, RLIMIT_NOFILE)."""

import os
import resource

RESERVED = 64
"""Descriptors that a notebook kernel or a client process needs beside its connections."""


def raise_limit() -> int:
    """Raise the soft limit of this process to its hard limit, and return what holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):  # macOS refuses RLIM_INFINITY
        return soft
    return hard


def most_connections() -> int:
    """Return how many connections one process can hold here."""
    limit = raise_limit()
    return max(0, (limit if limit > 0 else 1 << 20) - RESERVED)


def room() -> int:
    """Return how many connections this process can accept beside the descriptors that it holds."""
    return max(0, most_connections() - count_open())


def count_open() -> int:
    """Return how many descriptors this process has open; 0 where no folder tells."""
    try:
        return len(os.listdir("/dev/fd"))  # noqa: PTH208  /proc/self/fd on Linux
    except OSError:
        return 0
