"""Exercises: what each asks, the process that an answer runs in, and the judge, who looks at it from outside."""

from iolab.exercises.catalogue import EXERCISES, find
from iolab.exercises.exercise import Exercise
from iolab.exercises.grading import grade
from iolab.exercises.reports import Check, Report
from iolab.exercises.texts import text_of

__all__ = ["EXERCISES", "Check", "Exercise", "Report", "find", "grade", "text_of"]
