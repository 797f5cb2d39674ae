"""Exercises: what each asks, the sandbox that an answer runs in, and the judge, who watches it there."""

from iolab.exercises.answer import text_of
from iolab.exercises.catalogue import EXERCISES, find
from iolab.exercises.exercise import Exercise
from iolab.exercises.grading import grade
from iolab.exercises.protocol import Check
from iolab.exercises.report import Report

__all__ = ["EXERCISES", "Check", "Exercise", "Report", "find", "grade", "text_of"]
