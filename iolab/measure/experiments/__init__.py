"""Experiments that stand in the literature: each is one call, which returns one record."""

from iolab.measure.experiments.connection_cost import ConnectionCost, connection_cost
from iolab.measure.experiments.gil import Gil, gil
from iolab.measure.experiments.idle_cost import IdleCost, idle_cost
from iolab.measure.experiments.omission import Omission, omission
from iolab.measure.experiments.record import Record
from iolab.measure.experiments.wait_cost import WaitCost, wait_cost

RECORDS: dict[str, type[Record]] = {kind.name: kind for kind in (WaitCost, IdleCost, Omission, Gil, ConnectionCost)}
"""The kinds of records by the name of their experiment, in the order of the lessons."""

__all__ = [
    "RECORDS",
    "ConnectionCost",
    "Gil",
    "IdleCost",
    "Omission",
    "Record",
    "WaitCost",
    "connection_cost",
    "gil",
    "idle_cost",
    "omission",
    "wait_cost",
]
