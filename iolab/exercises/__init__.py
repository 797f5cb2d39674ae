"""Exercises: what each asks, the process that an answer runs in, and the judge, who looks at it from outside."""

from iolab.exercises.catalogue import EXERCISES, Exercise
from iolab.exercises.grading import grade
from iolab.exercises.reports import Check, Report

__all__ = ["EXERCISES", "Check", "Exercise", "Report", "grade"]
