"""One course: where its files are, and the three steps of nbgrader: release, scores and feedback."""

import os
import secrets
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iolab.classroom.fair_copy import write_fair_copy
from iolab.classroom.judging import Submission
from iolab.errors import UsageError
from iolab.exercises.catalogue import find

COPIES = "copies"
"""The fair copies, which is all that nbgrader sees; what was handed in stays as it is."""

BOOK = "gradebook.db"
CONFIG = "nbgrader_config.py"
SETTINGS = """# Read by nbgrader's own commands in this folder, and by `make grade`. Written once: change what you like.
c = get_config()  # noqa

c.CourseDirectory.course_id = "iolab"
c.CourseDirectory.root = {root!r}
c.CourseDirectory.source_directory = {source!r}
c.CourseDirectory.db_url = {database!r}

# Lateness counts for exercises that have a due date in the gradebook.
c.LateDays.free_days = 0
c.LateDays.share_per_day = 0.0

# No notebook of a student's is ever run: what nbgrader calls autograding takes the judge's reports.
c.CourseDirectory.submitted_directory = {copies!r}
c.ReportToOutput.reports = {reports!r}
c.Autograde.autograde_preprocessors = [
    "iolab.classroom.scoring.ReportToOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
]
c.AssignLatePenalties.plugin_class = "iolab.classroom.late.LateDays"
"""
"""The settings of a course, written once; they are the instructor's from then on."""

PRIVATE = ("progress.json*", "iolab-progress*.json")
"""What a teacher who tried an exercise leaves beside it; nobody else gets it."""


@dataclass(frozen=True)
class Course:
    """The folder of a class, the notebooks with the solutions, and the gradebook.

    `database` is any address that SQLAlchemy knows; without one, it is a SQLite file in the folder.
    """

    root: Path
    source: Path
    database: str = ""

    @property
    def exercises(self) -> list[str]:
        """The exercises that have a source notebook."""
        return sorted(path.stem for path in self.source.glob("*/*.ipynb") if path.stem == path.parent.name)

    def path_of_report(self, submission: Submission) -> Path:
        """Return the file of one report of the judge."""
        return self._reports / submission.student / f"{submission.exercise}.json"

    @property
    def secret(self) -> str:
        """What the seeds of all answers are made from: drawn once, and kept in the folder for its owner alone."""
        path = self.root / "secret"
        if not path.exists():
            self.root.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(), encoding="utf-8")
        return path.read_text(encoding="utf-8")

    def release(self, exercises: Sequence[str] = ()) -> list[Path]:
        """Make the students' versions, without solutions and tests, and return their folders.

        Raise UsageError for an exercise without a source notebook.
        """
        unknown = set(exercises) - set(self.exercises)
        if unknown:
            raise UsageError(f"there is no exercise {min(unknown)!r}; there are {', '.join(self.exercises)}")
        self.root.mkdir(parents=True, exist_ok=True)
        self._write_settings()
        for name in exercises or self.exercises:
            with self.open_nbgrader(name) as api:
                _require_success(api.generate_assignment(name), f"{name} could not be released")
        return [self.root / "release" / name for name in exercises or self.exercises]

    def score(self, submission: Submission) -> dict[str, Any]:
        """Put the report on a submission into the gradebook, write the feedback, and return its row.

        Raise UsageError if nbgrader fails.
        """
        name, student = submission.exercise, submission.student
        otherwise = f"{name} of {student} could not be scored"
        self._write_copy(submission)
        with self.open_nbgrader(name) as api:
            _require_success(api.autograde(name, student), otherwise)
            _require_success(api.generate_feedback(name, student), otherwise)
            with api.gradebook as book:
                graded = book.find_submission(name, student)
                return {"student": student, "exercise": name, "score": graded.score, "out of": graded.max_score}

    @contextmanager
    def open_nbgrader(self, exercise: str) -> Iterator[Any]:
        """Yield nbgrader's own interface to this course, with the stub of this exercise."""
        from nbgrader.apps import NbGraderAPI

        before = os.environ.get("PATH", "")
        # It calls a program of this environment, alembic, by its name alone.
        os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # nbgrader's own, about the libraries that it uses
                yield NbGraderAPI(config=self._configure(exercise))
        finally:
            os.environ["PATH"] = before

    def _write_copy(self, submission: Submission) -> None:
        released = self.root / "release" / submission.exercise / f"{submission.exercise}.ipynb"
        copy = self.root / COPIES / submission.student / submission.exercise / released.name
        write_fair_copy(released, submission.answer or "", copy)
        timestamp = submission.notebook.with_name("timestamp.txt")
        if timestamp.is_file():
            shutil.copyfile(timestamp, copy.with_name(timestamp.name))

    @property
    def _reports(self) -> Path:
        return self.root / "reports"

    def grades(self) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
        """Return the score by exercise by student, what lateness costs taken off, and what each exercise is out of.

        Raise UsageError if nothing was graded.
        """
        from nbgrader.api import Gradebook

        if not (self.database or (self.root / BOOK).exists()):
            raise UsageError(f"nothing is graded yet: there is no {self.root / BOOK}; make grade writes it")
        with Gradebook(self._address) as book:
            out_of = dict(sorted((each.name, each.max_score) for each in book.assignments if each.submissions))
            scores: dict[str, dict[str, float]] = {}
            for name in out_of:
                for each in book.assignment_submissions(name):
                    late = each.late_submission_penalty or 0
                    scores.setdefault(each.student_id, {})[name] = max(0.0, each.score - late)
        return scores, out_of

    @property
    def _address(self) -> str:
        return self.database or f"sqlite:///{self.root.resolve() / BOOK}"

    def _write_settings(self) -> None:
        path = self.root / CONFIG
        if not path.exists():
            places = {"root": self.root, "source": self.source, "reports": self._reports}
            names = {name: str(place.resolve()) for name, place in places.items()}
            path.write_text(SETTINGS.format(**names, database=self._address, copies=COPIES), encoding="utf-8")

    def _configure(self, exercise: str) -> Any:
        from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades
        from traitlets.config.loader import PyFileConfigLoader

        from iolab.classroom.late import LateDays
        from iolab.classroom.scoring import ReportToOutput

        root = self.root.resolve()
        config = PyFileConfigLoader(CONFIG, str(root)).load_config()
        config.CourseDirectory.root = str(root)
        config.CourseDirectory.submitted_directory = COPIES
        config.CourseDirectory.source_directory = str(self.source.resolve())
        config.CourseDirectory.db_url = self._address
        config.CourseDirectory.ignore.extend(PRIVATE)
        config.ClearSolutions.code_stub = {"python": find(exercise).stub.rstrip("\n")}
        config.Autograde.autograde_preprocessors = [ReportToOutput, SaveAutoGrades, AssignLatePenalties]
        config.AssignLatePenalties.plugin_class = LateDays
        config.ReportToOutput.reports = str(self._reports.resolve())
        return config


def _require_success(result: dict[str, Any], otherwise: str) -> None:
    if not result["success"]:
        lines = [line for line in (result.get("error") or result.get("log") or "").splitlines() if line.strip()]
        raise UsageError(f"{otherwise}: {lines[-1].strip() if lines else 'nbgrader does not say why'}")
