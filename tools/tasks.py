"""Write the task of each exercise, as the course has it, its name and its points into the teacher's notebooks."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

CHECK = re.compile(r'iolab\.check\("[^"]+", \w+\)')
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from iolab.exercises import find  # noqa: E402
from iolab.exercises.task import TASKS  # noqa: E402


def main() -> None:
    for name, task in TASKS.items():
        path = ROOT / "notebooks" / "exercises" / name / f"{name}.ipynb"
        book = json.loads(path.read_text(encoding="utf-8"))
        book["cells"][0]["source"] = task.splitlines(keepends=True)
        for cell in book["cells"]:
            text = CHECK.sub(f'iolab.check("{name}", {find(name).entry})', "".join(cell["source"]))
            cell["source"] = text.splitlines(keepends=True)
            if cell["metadata"].get("nbgrader", {}).get("grade"):
                cell["metadata"]["nbgrader"]["points"] = sum(each.points for each in find(name).properties)
        path.write_text(json.dumps(book, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
