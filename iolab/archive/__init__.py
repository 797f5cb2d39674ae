"""Runs and results in files: written with their machine and date, read back, and shown where a run cannot be made here.

It measures nothing.
"""
