"""Exercises: what each asks, the process that an answer runs in, and the judge, who looks at it from outside."""

from iolab.exercises.answer import text_of
from iolab.exercises.catalogue import EXERCISES, find
from iolab.exercises.exercise import Exercise
from iolab.exercises.grading import grade
from iolab.exercises.report import Check, Report

__all__ = ["EXERCISES", "Check", "Exercise", "Report", "find", "grade", "text_of"]
