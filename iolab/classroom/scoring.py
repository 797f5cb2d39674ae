"""In nbgrader, the step in the place of running a notebook: the judge's report becomes the test cell's output."""

from pathlib import Path
from typing import Any

from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from iolab.classroom.judging import NotJudged, load_outcome
from iolab.display.tables import as_html
from iolab.exercises import Report


class ReportToOutput(NbGraderPreprocessor):  # type: ignore[misc]
    """Put the score of the report, and its table, under every test cell."""

    reports = Unicode(help="The folder of the reports.").tag(config=True)

    def preprocess(self, nb: Any, resources: Any) -> Any:
        """Fill in the outputs of the test cells; without a report they are an error, which scores 0."""
        about = resources["nbgrader"]
        outcome = load_outcome(Path(self.reports, about["student"], f"{about['assignment']}.json"))
        for cell in nb.cells:
            if cell.cell_type == "code":
                is_test = cell.metadata.get("nbgrader", {}).get("grade")
                cell.outputs = [_write_output(outcome, cell.metadata.nbgrader.points)] if is_test else []
        return nb, resources


def _write_output(outcome: Report | NotJudged, points: float) -> Any:
    if isinstance(outcome, NotJudged):
        return new_output("error", ename="NotJudged", evalue=outcome.why, traceback=[outcome.why])
    score = points * outcome.score / outcome.out_of
    data = {"text/plain": repr(score), "text/html": as_html(outcome.rows(), str(outcome))}
    return new_output("execute_result", data, execution_count=None)
