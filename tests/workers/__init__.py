"""Servers of several processes: what is counted, who dies, and that nothing stays."""
