"""One file a command; what the commands do lives in the other rooms."""
