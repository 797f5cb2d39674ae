"""The load: the work, the client process that does it, and what came back. It knows no server."""
