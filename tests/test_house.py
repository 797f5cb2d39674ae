"""The house: arrows point one way, and each library stays in its room."""

import ast
import graphlib
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import iolab
from iolab.models import Model

ROOT = Path(iolab.__file__).parent

CONTRIBUTING = (ROOT.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")


def rooms_of_the_map() -> list[str]:
    """Return the rooms in the order of the map: each may import those before it."""
    listed = CONTRIBUTING.partition("```\niolab/\n")[2].partition("```")[0]
    return [line.split()[0].rstrip("/") for line in listed.splitlines() if line.startswith("  ")]


ROOMS = rooms_of_the_map()

ROOM_OF_LIBRARY = {
    "matplotlib": {"figures"},
    "ipywidgets": {"notebook"},
    "anywidget": {"playback"},
    "click": {"cli", "classroom"},
    "rich": {"cli", "display", "classroom"},
    "IPython": {"display", "notebook"},
    "nbgrader": {"classroom"},
    "distributed": {"traffic", "classroom"},
}

CLIENT = ROOT / "traffic" / "client"
"""The load client runs as a package by itself: its files know each other by relative imports, and nobody else does."""

WITHOUT_NUMPY = {*ROOMS[: ROOMS.index("background") + 1]}


FACE = {"", "__main__"}
"""`iolab` itself, which hands the rooms on, and what `python -m` runs."""


def files() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in files()}


def room_of(module: str) -> str:
    return [*module.split("."), ""][1]


@cache
def imports(path: Path, *, and_types: bool = False) -> tuple[str, ...]:
    """Return the full name of every module that a file imports, in functions too; those for types alone if asked."""
    return tuple(_imports(path, and_types))


def _imports(path: Path, and_types: bool) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    blocks = [] if and_types else [node for node in ast.walk(tree) if types_only(node)]
    for_types = {id(part) for block in blocks for part in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level or path.parent == CLIENT, f"{path} has a relative import"
            module = f"{module_of(path.parent)}.{node.module}" if node.level else str(node.module)
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                yield inner if inner in MODULES else module


def types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


class TestEveryModule:
    def test_its_room_may_know_what_it_imports(self) -> None:
        strangers = {}
        for path in files():
            if (room := room_of(module_of(path))) not in FACE:
                known = {room_of(name) for name in imports(path) if name.split(".")[0] == "iolab"}
                strangers[module_of(path)] = known - set(ROOMS[: ROOMS.index(room) + 1])
        assert not {module: rooms for module, rooms in strangers.items() if rooms}

    def test_libraries_stay_in_their_rooms(self) -> None:
        for path in files():
            room, tops = room_of(module_of(path)), {name.split(".")[0] for name in imports(path)}
            assert not [name for name in tops if room not in ROOM_OF_LIBRARY.get(name, {room})], path
            assert "numpy" not in tops or room not in WITHOUT_NUMPY, path
            assert "matplotlib.pyplot" not in set(imports(path)), path

    def test_a_server_is_a_page(self) -> None:
        lengths = {path.name: len(path.read_text().splitlines()) for path in (ROOT / "servers").rglob("*.py")}
        assert {name: length for name, length in lengths.items() if length > 100} == {}

    def test_it_imports_by_its_full_name(self) -> None:
        """No function stands in the place of a module: `import iolab.x.y as m` gives the module."""
        for name in sorted(MODULES):
            package, _, last = name.rpartition(".")
            if room_of(name) not in FACE:
                module = importlib.import_module(name)
                assert getattr(importlib.import_module(package), last) is module, name


def test_the_map_has_every_room_and_no_other() -> None:
    there = {room_of(module_of(path)) for path in files()} - FACE
    assert sorted(ROOMS) == sorted(there)


def test_few_modules_stand_loose() -> None:
    assert len([path for path in ROOT.glob("*.py") if path.stem != "__init__"]) <= 10


def lengths() -> Iterator[tuple[int, str]]:
    """Yield the length of every function of the package, the pages of the servers left out."""
    for path in files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and path.parent.name != "servers":
                assert node.end_lineno
                yield node.end_lineno - node.lineno + 1, f"{module_of(path)}.{node.name}"


def test_99_of_100_functions_are_under_45_lines() -> None:
    ranked = sorted(lengths(), reverse=True)
    assert ranked[len(ranked) // 100][0] < 45, ranked[: len(ranked) // 100 + 1]


@pytest.mark.parametrize("and_types", [False, True], ids=["at run time", "for types too"])
def test_no_module_imports_itself_in_the_end(and_types: bool) -> None:
    graph = {
        module_of(path): {name for name in imports(path, and_types=and_types) if name in MODULES} for path in files()
    }
    graph.pop("iolab")  # the face imports all, and nobody imports a name from it
    assert not [module for module, names in graph.items() if "iolab" in names]
    list(graphlib.TopologicalSorter(graph).static_order())


def test_the_load_client_needs_the_standard_library_alone() -> None:
    for path in CLIENT.glob("*.py"):
        for name in imports(path):
            assert name.startswith("iolab.traffic.client.") or name.split(".")[0] in sys.stdlib_module_names, path


def modules_after(code: str) -> set[str]:
    command = [sys.executable, "-c", f"{code}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"]
    return set(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))


class TestTheFace:
    def test_importing_it_imports_nothing_heavy(self) -> None:
        heavy = {"numpy", "matplotlib", "ipywidgets", "anywidget", "IPython", "rich", "click", "asyncio"}
        assert not heavy & modules_after("import iolab")

    def test_a_server_needs_no_numpy(self) -> None:
        code = "import iolab\nfor model in iolab.MODELS: iolab.start(model).stop()"
        assert "numpy" not in modules_after(code)

    def test_each_of_its_31_names_at_most_says_what_it_is(self) -> None:
        assert len(iolab.__all__) <= 31
        assert sorted(set(iolab.__all__)) == sorted(iolab.__all__)
        assert all(getattr(iolab, name).__doc__ for name in iolab.__all__)
        assert dir(iolab) == iolab.__all__

    def test_its_functions_stay_functions_whatever_is_imported(self) -> None:
        code = """
import iolab, iolab.figures, iolab.claims, iolab.traffic.process, iolab.measurement.run, iolab.trace.timeline, iolab.cli
assert all(callable(getattr(iolab, name)) for name in ("load", "measure", "doctor", "compare", "timeline", "start"))
"""
        assert "matplotlib.figure" in modules_after(code)

    def test_no_window_system_is_asked_for(self) -> None:
        assert "matplotlib.pyplot" not in modules_after("import iolab; iolab.figures; iolab.claims")

    def test_a_name_that_is_not_there_is_told_what_is(self) -> None:
        with pytest.raises(AttributeError, match=r"no attribute 'mesure'; it has .*measure"):
            iolab.mesure  # noqa: B018


class TestModels:
    @pytest.mark.parametrize("model", iolab.MODELS.values(), ids=lambda model: model.name)
    def test_a_card_has_the_six_lines_in_order(self, model: Model) -> None:
        assert list(model.card) == [
            "Model",
            "Waits in",
            "Readiness or completion",
            "State per connection",
            "Runs the reply",
            "Breaks when",
        ]
        assert all(model.card.values())

    def test_every_file_of_the_servers_is_a_model(self) -> None:
        pages = {path for path in (ROOT / "servers").glob("*.py") if path.stem != "__init__"}
        assert pages == {model.path for model in iolab.MODELS.values()}
