"""The load: the work, the client process that does it, misbehaving clients, the records and the doubts.

It knows no server of the course.
"""
