"""Tie a server to a load, and record what both did."""
