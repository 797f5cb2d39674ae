"""Acts of tasks that raise."""

from typing import Any


def raisers(loop: Any, draw: Any) -> str:
    """Have tasks raise, before and after they wait, spawned from outside and by one that goes on."""
    ended: list[str] = []
    kinds = [ValueError, KeyboardInterrupt, StopIteration, GeneratorExit, RuntimeError, LookupError, BaseException]

    def group(says: str) -> BaseException:
        return BaseExceptionGroup(says, [KeyboardInterrupt(says), ValueError(says)])

    def raise_at_once(kind: Any) -> Any:
        yield from ()
        raise kind("this task of the judge's raises on purpose")

    def raise_later(kind: Any) -> Any:
        yield from loop.sleep(draw.choice((0, 0.002)))
        raise kind("this task of the judge's raises on purpose")

    def go_on() -> Any:
        for kind in draw.sample([*kinds, group], len(kinds) + 1):
            loop.spawn(raise_at_once(kind))
            loop.spawn(raise_later(kind))
            yield from loop.sleep(0.001)
        ended.append("this one")

    loop.spawn(raise_at_once(ValueError))
    loop.spawn(go_on())
    loop.run()
    return "" if ended else "tasks raised, and the one that had spawned them did not go on"


def make_odd_kinds() -> list[Any]:
    """Return kinds of exceptions that raise when one looks at them: as text, as a truth value, or compares them."""

    def refuse(*_: Any) -> Any:
        raise LookupError("an exception of the judge's does not want to be looked at")

    hooks = (("__str__",), ("__repr__",), ("__str__", "__repr__"), ("__eq__", "__hash__"), ("__bool__", "__len__"))
    bases = (Exception, OSError, BaseException)
    return [type("Odd", (base,), dict.fromkeys(names, refuse)) for names in hooks for base in bases]


def oddities(loop: Any, draw: Any, make_kinds: Any = make_odd_kinds) -> str:
    """Have tasks raise exceptions that raise when one looks at them."""
    import sys

    ended: list[str] = []
    sys.unraisablehook = lambda _: None

    def raise_odd(kind: Any, seconds: float | None) -> Any:
        if seconds is not None:
            yield from loop.sleep(seconds)
        raise kind("this task of the judge's raises on purpose")

    def go_on() -> Any:
        kinds = make_kinds()
        for kind in draw.sample(kinds, len(kinds)):
            loop.spawn(raise_odd(kind, draw.choice((None, 0, 0.001))))
            yield from loop.sleep(0)
        yield from loop.sleep(0.002)
        ended.append("this one")

    loop.spawn(go_on())
    loop.run()
    return "" if ended else "tasks raised exceptions whose `__str__` and the like raise, and another one did not go on"


def keeping(loop: Any, _: Any) -> str:
    """Have many tasks raise, each with something in its frame; the loop must let go of it."""
    import gc
    import weakref

    class Load:
        """Stands for a megabyte."""

    kept: Any = weakref.WeakSet()
    counts: list[int] = []

    def raise_with_load(waits: bool) -> Any:
        load = Load()
        kept.add(load)
        if waits:
            yield from loop.sleep(0)
        raise ValueError("this task of the judge's raises on purpose")

    def count() -> Any:
        for number in range(60):
            loop.spawn(raise_with_load(number % 2 == 0))
            yield from loop.sleep(0)
        for _ in range(20):
            yield from loop.sleep(0)
        gc.collect()
        counts.append(len(kept))

    loop.spawn(count())
    loop.run()
    if not counts:
        return "tasks raised, and the one that had spawned them did not go on"
    says = f"60 tasks had raised, and the loop still kept {counts[0]} of them, with all that their frames hold"
    return says if counts[0] > 16 else ""
