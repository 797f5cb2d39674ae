"""What a server can be asked to do: one function a property, in a trial of its own.

Each returns what it saw, or raises Violated. None trusts a server that does nothing:
all begin with a conversation.
"""
