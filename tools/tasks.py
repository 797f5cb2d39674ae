"""Write the task of each exercise, as the course has it, above the answer's cell of the teacher's notebooks."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from iolab.exercises.task import TASKS  # noqa: E402


def main() -> None:
    for name, task in TASKS.items():
        path = ROOT / "notebooks" / "exercises" / name / f"{name}.ipynb"
        book = json.loads(path.read_text(encoding="utf-8"))
        book["cells"][0]["source"] = task.splitlines(keepends=True)
        path.write_text(json.dumps(book, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
