"""Controls for a notebook: questions, the panel to explore with, the learner's progress.

They are the only users of ipywidgets.
"""
