"""The processes that an answer runs in, and the watch on them. What is asked of an answer is not here."""
