"""In nbgrader, the step in the place of running a notebook: the judge's report becomes the test cell's output."""

import json
from pathlib import Path
from typing import Any

from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from iolab.display.tables import as_html
from iolab.exercises.report import report


class Score(NbGraderPreprocessor):  # type: ignore[misc]
    """Put the score of the report, and its table, under every test cell."""

    reports = Unicode(help="The folder of the reports.").tag(config=True)

    def preprocess(self, nb: Any, resources: Any) -> Any:
        """Fill in the outputs of the test cells; without a report they are an error, which scores 0."""
        about = resources["nbgrader"]
        path = Path(self.reports, about["student"], f"{about['assignment']}.json")
        found = json.loads(path.read_text(encoding="utf-8"))
        for cell in nb.cells:
            if cell.cell_type == "code":
                tested = cell.metadata.get("nbgrader", {}).get("grade")
                cell.outputs = [_output(found, cell.metadata.nbgrader.points)] if tested else []
        return nb, resources


def _output(found: dict[str, Any], points: float) -> Any:
    if "unread" in found:
        return new_output("error", ename="NotJudged", evalue=found["unread"], traceback=[found["unread"]])
    made = report(found["exercise"], found["seed"], found["checks"])
    score = points * made.score / made.out_of
    shown = {"text/plain": repr(score), "text/html": as_html(made.rows(), str(made))}
    return new_output("execute_result", shown, execution_count=None)
