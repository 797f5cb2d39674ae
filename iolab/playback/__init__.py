"""A recorded run, played back in slow motion: who waits for what, where the bytes are, and which line runs."""
