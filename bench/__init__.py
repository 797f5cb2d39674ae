"""The bench: the models beside a server in C, and beside the plainest server of their kind."""
