"""The claims of the source text, and the judges that hold each against a measurement."""

from iolab.claims.asynchronous import judge_asynchronous, judge_most_efficient
from iolab.claims.blocking import judge_blocking
from iolab.claims.verdicts import CLAIMS, Verdict, Verdicts

__all__ = ["CLAIMS", "Verdict", "Verdicts", "judge_asynchronous", "judge_blocking", "judge_most_efficient"]
