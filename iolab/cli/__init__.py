"""The course in a terminal: one command a function, arguments in, tables or JSON out.

What the commands do lives in the other rooms.
"""
