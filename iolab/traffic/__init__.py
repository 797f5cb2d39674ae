"""The load: the work, the client process that does it, misbehaving clients, and what came back.

It knows no server of the course.
"""
