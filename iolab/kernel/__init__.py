"""What the standard library does not reach: one small binding a file."""
