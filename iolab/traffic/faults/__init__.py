"""Misbehaving clients, and what else can go wrong for a server: every fault by its name.

They know an address and no server. A fault that is a `with` block ends with the block.
"""

from iolab.errors import guard_face
from iolab.traffic.faults.connections import (
    Address,
    SlowReader,
    connect,
    connect_and_close,
    connect_narrow,
    one_byte_at_a_time,
    receive_all,
    reset,
    reset_midway,
    reset_together,
    slow_reader,
    urgent_byte,
)
from iolab.traffic.faults.processes import StoppedClient, idle_connections, stopped_client
from iolab.traffic.faults.shortages import SignalStorm, few_signals, signal_storm, use_up_descriptors

__all__ = [
    "Address",
    "SignalStorm",
    "SlowReader",
    "StoppedClient",
    "connect",
    "connect_and_close",
    "connect_narrow",
    "few_signals",
    "idle_connections",
    "one_byte_at_a_time",
    "receive_all",
    "reset",
    "reset_midway",
    "reset_together",
    "signal_storm",
    "slow_reader",
    "stopped_client",
    "urgent_byte",
    "use_up_descriptors",
]

guard_face(globals())
