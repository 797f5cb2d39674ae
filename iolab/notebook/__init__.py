"""Controls for a notebook: questions, the panel to explore with, the learner's progress.

Nothing else uses ipywidgets, so the face imports these modules when one of them is asked for.
"""
