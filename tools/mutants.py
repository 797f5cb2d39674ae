"""Break right answers in every small way, and measure how many of the wrong ones the judge finds.

Each operator changes an answer in one place. Whether a mutant is wrong is shown without the judge: in long stories in
which clients do what comes to a random generator, as far as they can, against the books of what is owed. The kill rate
is the share that the judge finds of those that this shows to be wrong. A second list of operators keeps what an answer
means: such mutants must get full marks.

`--answers tune` takes the course's own servers, on which the judge may be tuned; `--answers measure`, the default,
takes right answers of other hands. Only the latter are written into docs/exercises.md.
"""

from __future__ import annotations

import argparse
import ast
import copy
import datetime
import random
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from iolab.archive.provenance import commit  # noqa: E402
from iolab.exercises import EXERCISES, grade  # noqa: E402
from iolab.exercises.judge import secure  # noqa: E402
from iolab.exercises.peers import Violated  # noqa: E402
from iolab.exercises.properties import faults, loops, partings, talks  # noqa: E402
from iolab.exercises.rest import Invariants, Rest  # noqa: E402
from iolab.exercises.stories import Fault, Player, Step, Story  # noqa: E402
from iolab.exercises.trial import Trial  # noqa: E402
from iolab.measurement.machine import machine  # noqa: E402
from iolab.models import MODELS  # noqa: E402
from tests.exercises.corpus import ANSWERS  # noqa: E402
from tools.corpus import MUTANTS, PAGE  # noqa: E402

COURSE = {
    "01-threads": "threads",
    "02-nonblocking": "nonblocking",
    "03-epoll": "epoll",
    "03-select": "select",
    "04-selectors": "selectors",
    "05-signals": "signals",
    "06-completion": "io_uring",
    "07-event-loop": "",
    "08-chat": "",
}
"""The models of the course by exercise; none where its answer is not one."""

SEVERAL_THREADS = ("01-threads", "06-completion")
EDGES = (1, 2, 511, 512, 513, 1023, 1024, 1025, 4095, 4096, 4097, 8191, 8192, 8193)
STEPS, ALIVE, UNREAD_BYTES, STORIES = 120, 9, 12_000, 4


@dataclass(frozen=True)
class Mutant:
    """An answer to an exercise, changed in one place."""

    exercise: str
    answer: str
    change: str
    text: str


@dataclass(frozen=True)
class Finding:
    """What the judge said of a mutant, and what the long stories said."""

    mutant: Mutant
    lacks: tuple[str, ...]
    proof: str


Edit = Callable[[ast.AST], Iterator[tuple[str, Callable[[], None]]]]


def mutate(exercise: str, answer: str, text: str, edits: tuple[Edit, ...]) -> Iterator[Mutant]:
    """Yield the mutants of a text, one for each place that an edit finds."""
    for edit in edits:
        for place in range(len(list(edit(ast.parse(text))))):
            tree = ast.parse(text)
            change, apply = list(edit(tree))[place]
            apply()
            new = ast.unparse(ast.fix_missing_locations(tree))
            if new != ast.unparse(ast.parse(text)):
                yield Mutant(exercise, answer, change, new)


def walk_bodies(tree: ast.AST) -> Iterator[tuple[list[ast.stmt], int]]:
    """Yield every place of a statement within a function."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                for name in ("body", "orelse", "handlers"):
                    body = getattr(node, name, None)
                    if isinstance(body, list) and not isinstance(node, ast.FunctionDef | ast.ClassDef):
                        yield from ((body, place) for place in range(len(body)) if isinstance(body[place], ast.stmt))
            yield from ((function.body, place) for place in range(len(function.body)))


def drop_statements(tree: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    """Leave a statement out."""
    past = set()
    for body, place in walk_bodies(tree):
        statement = body[place]
        simple = isinstance(statement, ast.Expr | ast.Assign | ast.AugAssign | ast.Delete | ast.Return | ast.Continue)
        if simple and id(statement) not in past:
            past.add(id(statement))
            yield f"without `{ast.unparse(statement)}`", partial(body.__setitem__, place, ast.Pass())


def turn_conditions(tree: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    """Turn a condition into its opposite, and into a constant."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.IfExp):
            says = ast.unparse(node.test)
            yield f"`not` before `{says}`", partial(setattr, node, "test", ast.UnaryOp(ast.Not(), node.test))
            yield f"`False` for `{says}`", partial(setattr, node, "test", ast.Constant(False))


def move_bounds(tree: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    """Move a bound by one."""
    others = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq}
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and (other := others.get(type(node.ops[0]))):
            yield f"another bound in `{ast.unparse(node)}`", partial(setattr, node, "ops", [other()])
        if isinstance(node, ast.Slice) and node.lower:
            one = ast.BinOp(node.lower, ast.Add(), ast.Constant(1))
            yield f"one more in `{ast.unparse(node)}`", partial(setattr, node, "lower", one)


def forget_handlers(tree: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    """Catch another exception than the one that comes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type:
            yield f"no `except {ast.unparse(node.type)}`", partial(setattr, node, "type", ast.Name("LookupError"))


def share_state(tree: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    """Keep under one key what is kept for each connection."""
    keyed: dict[str, list[ast.AST]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and isinstance(node.slice, ast.Name):
            keyed.setdefault(node.value.id, []).append(node)
    for name, nodes in keyed.items():
        yield f"one place in `{name}` for all", partial(_set_all, nodes, "slice", ast.Constant(0))


def _set_all(nodes: list[ast.AST], field: str, value: ast.AST) -> None:
    for node in nodes:
        setattr(node, field, copy.deepcopy(value))


def swap_names(tree: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    """Take one name for its neighbour: reading for writing, adding for removing."""
    pairs = [("EPOLLIN", "EPOLLOUT"), ("discard", "add"), ("remove", "append"), ("readable", "writable")]
    others = dict(pairs) | {second: first for first, second in pairs}
    for node in ast.walk(tree):
        for kind, field in ((ast.Name, "id"), (ast.Attribute, "attr")):
            if isinstance(node, kind) and (other := others.get(getattr(node, field))):
                yield (
                    f"`{other}` for `{getattr(node, field)}` in line {node.lineno}",
                    partial(setattr, node, field, other),
                )


def change_numbers(tree: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    """Change a number, or a truth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, bool | int):
            other = not node.value if isinstance(node.value, bool) else max(node.value // 2, 1)
            yield f"`{other}` for `{node.value}` in line {node.lineno}", partial(setattr, node, "value", other)


BREAK = (
    drop_statements,
    turn_conditions,
    move_bounds,
    forget_handlers,
    share_state,
    swap_names,
    change_numbers,
)


ENTRIES = ("serve", "chat")


def rename_all(tree: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    """Give every function and variable of a function another name."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name not in ENTRIES]
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names |= {each.arg for node in functions for each in node.args.args} - {"self"}
    methods = {each for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for each in node.body}
    names -= {each.id for node in methods for each in ast.iter_child_nodes(node) if isinstance(each, ast.Name)}
    own = {node.name for node in functions if node not in methods}
    keywords = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}

    def apply(suffix: str) -> None:
        for node in ast.walk(tree):
            for kind, field in ((ast.Name, "id"), (ast.arg, "arg"), (ast.FunctionDef, "name")):
                if isinstance(node, kind) and getattr(node, field) in (names | own) - keywords and node not in methods:
                    setattr(node, field, getattr(node, field) + suffix)
        for node in ast.walk(tree):
            if isinstance(node, ast.Nonlocal | ast.Global):
                node.names = [name + suffix if name in names | own else name for name in node.names]

    yield from ((f"names end with {suffix}", partial(apply, suffix)) for suffix in ("_", "_of_mine"))


def change_sizes(tree: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    """Receive less or more in one call; never more than a caller asks for, who says how much it takes."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".recv")]
    for size in (1_000, 4_096, 16_384, 100_000):
        yield f"receives {size:,} bytes", partial(_receive, calls, size)


def _receive(calls: list[ast.Call], size: int) -> None:
    for call in calls:
        asks, own = call.args[0], ast.Constant(size)
        call.args = [own if isinstance(asks, ast.Constant) else ast.Call(ast.Name("min"), [asks, own], [])]


def turn_branches(tree: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    """Change the branches of a condition and turn it into its opposite."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and node.orelse:
            yield f"branches of `{ast.unparse(node.test)}` the other way round", partial(_turn, node)


def _turn(node: ast.If) -> None:
    node.test, node.body, node.orelse = ast.UnaryOp(ast.Not(), node.test), node.orelse, node.body


def add_imports(tree: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    """Import what is not used, and print at the top."""
    assert isinstance(tree, ast.Module)
    for line in ("import json, queue, collections", "print('it begins')", "BUFFER_BYTES = 1 << 16"):
        yield f"with `{line}`", partial(_put_first, tree, ast.parse(line).body)


def _put_first(tree: ast.Module, lines: list[ast.stmt]) -> None:
    tree.body[1:1] = lines  # behind a docstring, or behind the first import


KEEP = (rename_all, change_sizes, turn_branches, add_imports)


def wander(draw: random.Random) -> Story:
    """Draw a long story in which any client does anything that it can."""
    steps: list[Step] = []
    alive: dict[int, int] = {}
    slow: set[int] = set()
    number, paused = 0, 0
    for _ in range(STEPS):
        acts = ["ask"] * 4 * bool(alive) + ["read", "half-close", "reset", "leave"] * bool(alive)
        acts += ["open"] * 2 * (len(alive) < ALIVE) + ["settle"] * (not paused) + ["pause"] * (not paused)
        act, client = draw.choice(acts), draw.choice(list(alive)) if alive else 0
        paused -= paused > 0
        if act == "open":
            number += 1
            alive[number] = 0
            slow |= {number} if draw.random() < 0.4 else set()
            steps.append(Step("open", number, int(number in slow)))
        elif act == "ask":
            size = min(draw.choice([*EDGES, draw.randrange(1, 6_000)]), UNREAD_BYTES - alive[client])
            alive[client] += size
            steps += [Step("ask", client, size)] * (size > 0)
        elif act in ("read", "settle"):
            read = [client] if act == "read" else set(alive) - slow
            alive |= dict.fromkeys(read, 0)
            steps += [Step("read", client)] if act == "read" else [Step("settle")]
        elif act == "pause":
            paused = draw.randrange(3, 9)
            steps.append(Step("pause"))
        else:
            del alive[client]
            steps.append(Step(act, client))
        if paused == 1:
            steps.append(Step("resume"))
    return [*steps, *(Step("read", client) for client in alive), Step("settle")]


def prove_wrong(mutant: Mutant, stories: int) -> str:
    """Return how a mutant fails in long stories; nothing if it does not."""
    secure()
    exercise = EXERCISES[mutant.exercise]
    if exercise.entry == "chat":
        return prove_chat_wrong(exercise.complete(mutant.text), stories)
    if exercise.entry == "Loop" and (says := prove_loop_wrong(exercise.complete(mutant.text), stories)):
        return says
    idle = any(each.name == "idle" for each in exercise.properties)
    one_thread = mutant.exercise not in SEVERAL_THREADS
    rest = Invariants(idle=idle, descriptors=True, one_thread=one_thread, model=mutant.exercise)
    text, entry = exercise.complete(mutant.text)
    for seed in range(1_000, 1_000 + stories):
        draw = random.Random(seed)
        try:
            with ExitStack() as stack:
                trial = stack.enter_context(Trial(text, entry, draw, factor=draw.choice((1, 40))))
                Player(trial, seed, Rest(trial, rest, stack), stack).play(wander(draw))
        except (Fault, Violated, OSError) as error:
            return str(error)
    try:
        with Trial(text, entry, random.Random(1), factor=16) as trial:
            faults.check_memory(trial)
    except (Violated, OSError) as error:
        return str(error)
    return ""


def prove_loop_wrong(answer: tuple[str, str], stories: int) -> str:
    """Return how a loop fails in acts of the judge's tasks; nothing if it does not."""
    look = loops.look_for_acts(" ".join(loops.DEEDS), lambda trial: "")
    for seed in range(1_000, 1_000 + stories):
        try:
            look(*answer, random.Random(seed))
        except (Violated, OSError) as error:
            return str(error)
    return ""


PARTINGS = partings.check_leavers, partings.check_frozen, partings.check_idle


def prove_chat_wrong(answer: tuple[str, str], stories: int) -> str:
    """Return how a chat fails in talks and partings; nothing if it does not."""
    for seed in range(1_000, 1_000 + 4 * stories):
        try:
            with Trial(*answer, random.Random(seed)) as trial:
                (talks.check_talk, *PARTINGS)[seed % 4](trial)
        except (Violated, OSError) as error:
            return str(error)
    return ""


def examine(mutant: Mutant) -> Finding:
    """Judge a mutant, and look for a proof that it is wrong, for longer if the judge found nothing."""
    lacks = tuple(grade(mutant.exercise, mutant.text, 5).failed())
    return Finding(mutant, lacks, prove_wrong(mutant, 1 if lacks else 2 * STORIES))


def list_answers(exercise: str, kind: str) -> dict[str, str]:
    """Return the right answers that are changed, by name."""
    if kind == "tune" and (model := COURSE[exercise]):
        return {"the course": MODELS[model].source}
    texts = {each.name: each.text for each in ANSWERS if each.exercise == exercise and each.expected() == "all points"}
    servers = {model.source for model in MODELS.values() if model.source}
    ours = {
        name for name, text in texts.items() if text in servers or not (COURSE[exercise] or name.startswith("blind"))
    }
    return {name: text for name, text in texts.items() if (name in ours) == (kind == "tune")}


def draw_mutants(exercise: str, kind: str, edits: tuple[Edit, ...], count: int) -> list[Mutant]:
    """Return so many mutants of the right answers to an exercise, drawn at random."""
    mutants = [
        each for name, text in list_answers(exercise, kind).items() for each in mutate(exercise, name, text, edits)
    ]
    return random.Random(exercise).sample(mutants, min(count, len(mutants)))


def write_row(exercise: str, broken: list[Finding], same: list[Finding]) -> str:
    """Return a row of the table."""
    proven = [each for each in broken if each.proof]
    killed = sum(bool(each.lacks) for each in proven)
    alone = sum(bool(each.lacks) and not each.proof for each in broken)
    full = sum(not each.lacks for each in same)
    share = f"{killed / len(proven):.0%}" if proven else ""
    return f"| {exercise} | {len(broken)} | {len(proven)} | {killed} | {share} | {alone} | {full} of {len(same)} |"


def tell(finding: Finding) -> None:
    mutant = finding.mutant
    verdict = "killed" if finding.lacks else "SURVIVES" if finding.proof else "alive"
    says = ", ".join(finding.lacks) or finding.proof
    print(f"{verdict:9}{mutant.exercise} {mutant.answer}: {mutant.change}: {says}", flush=True)


def write_section(rows: list[str], command: str) -> None:
    """Write the table into the page, in the place of the one before; rows of other exercises stay."""
    head, _, before = PAGE.read_text(encoding="utf-8").partition(MUTANTS)
    all_rows = {row.split("|")[1].strip(): row for row in [*before.splitlines(), *rows] if re.match(r"\| \d\d-", row)}
    lines = [
        MUTANTS,
        "",
        "Right answers of other hands, each changed in one place. *Wrong* are those that a long story of random acts "
        "shows to be wrong, without the judge; *found* are those of them that lose a point. "
        "The judge alone finds some more. Variants that mean the same must have full marks.",
        "",
        "| exercise | mutants | wrong | found | share | by the judge alone | variants with full marks |",
        "|---|--:|--:|--:|--:|--:|--:|",
        *(row for _, row in sorted(all_rows.items())),
        "",
        f"- Date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        f"- Machine: {machine()}",
        f"- Commit: {commit()}",
        f"- Command: `{command}`",
        "",
    ]
    PAGE.write_text(head.rstrip() + "\n\n" + "\n".join(lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("exercises", nargs="*", default=list(COURSE), help=f"of {', '.join(COURSE)} (default: all)")
    parser.add_argument("--answers", choices=("tune", "measure"), default="measure", help="which right answers")
    parser.add_argument("--most", type=int, default=100, help="mutants of an exercise (default 100)")
    parser.add_argument("--variants", type=int, default=20, help="variants that mean the same (default 20)")
    parser.add_argument("--at-once", type=int, default=2, help="mutants examined at the same time (default 2)")
    options = parser.parse_args()
    rows = []
    with ProcessPoolExecutor(options.at_once) as pool:
        for exercise in options.exercises:
            findings: list[list[Finding]] = []
            for edits, most in ((BREAK, options.most), (KEEP, options.variants)):
                findings.append([])
                for finding in pool.map(examine, draw_mutants(exercise, options.answers, edits, most)):
                    findings[-1].append(finding)
                    tell(finding)
            rows.append(write_row(exercise, *findings))
            print(rows[-1], flush=True)
    if options.answers == "measure":
        write_section(rows, " ".join(["python tools/mutants.py", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
