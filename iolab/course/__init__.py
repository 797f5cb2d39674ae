"""What only the lessons use: their files, advice, and small demonstrations; no servers and no instruments."""

from iolab.course.advice import growth, guide
from iolab.course.files import read_file
from iolab.course.sigio import taps
from iolab.errors import guard_face

__all__ = ["growth", "guide", "read_file", "taps"]

guard_face(globals())
