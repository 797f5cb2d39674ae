"""A class: exercises go out without their solutions, answers come back, and the judge scores them.

nbgrader hands out, keeps the gradebook and writes the feedback. What it does not do here is
run a learner's notebook: the judge of `iolab.exercises` looks at the answer from outside.
"""
