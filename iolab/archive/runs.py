"""Runs and timelines in files, request by request and call by call, to be shown where they cannot be made."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from iolab.archive.provenance import circumstances, ensure_writable
from iolab.data.reference import origin
from iolab.errors import UsageError
from iolab.measurement.cpu import CpuSamples, Usage
from iolab.measurement.placement import Placement
from iolab.measurement.run import Run
from iolab.trace.calls import Call
from iolab.trace.timeline import Timeline
from iolab.traffic.records import Records
from iolab.traffic.workload import Workload

Kept = Run | Timeline
Kind = TypeVar("Kind", Run, Timeline)
LIMIT_BYTES = 300_000
PLAIN = ("start_ns", "end_ns", "connect_ns", "client_cpu_ns", "client_cpu", "stopped", "errors", "examples")
"""What the records have beside their columns."""


def save(kept: Kept, path: Path, command: str) -> None:
    """Write a run or a timeline to a file, with machine, date, command and commit; a long one is cut first.

    Raise UsageError for a folder that cannot be written to.
    """
    ensure_writable(path.parent)
    told = {"kind": type(kept).__name__, **circumstances(command)}
    while len(packed := pack(told | as_told(kept))) > LIMIT_BYTES:
        kept = cut(kept)
    path.write_bytes(packed)


def opened(path: Path, kind: type[Kind]) -> Kind:
    """Read what `save` wrote. Raise UsageError for a file that is missing, broken, or of another kind."""
    try:
        told = json.loads(gzip.decompress(path.read_bytes()))
        if told["kind"] != kind.__name__:
            raise UsageError(f"{path.name} is no recorded {kind.__name__.lower()}, but a {told['kind'].lower()}")
        kept = (run if kind is Run else timeline)(told)
        return replace(kept, placement=replace(kept.placement, recorded=origin(told)))  # type: ignore[return-value]
    except UsageError:
        raise
    except FileNotFoundError:
        raise UsageError(
            f"there is no recorded run {path.name}; IOLAB_RECORD=1 makes it where it can be made"
        ) from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise UsageError(f"{path.name} is broken; restore it, or make it again with IOLAB_RECORD=1") from None


def pack(told: Mapping[str, Any]) -> bytes:
    """Return the bytes of a file; the same for the same contents."""
    return gzip.compress(json.dumps(told, separators=(",", ":")).encode(), mtime=0)


def as_told(kept: Kept) -> dict[str, Any]:
    """Return a run or a timeline as JSON can hold it."""
    told = _rest(kept) | {"placement": asdict(kept.placement), "records": records_told(kept.records)}
    if isinstance(kept, Run):
        cpu = {"at_ns": kept.cpu.at_ns.tolist(), "cpu_ns": kept.cpu.cpu_ns.tolist()}
        return told | {"cpu": cpu, "usage": asdict(kept.usage)}
    columns = {field.name: [getattr(call, field.name) for call in kept.calls] for field in fields(Call)}
    return told | {"calls": columns}


def _rest(kept: Kept) -> dict[str, Any]:
    held = {"placement", "records", "cpu", "usage", "calls"}
    return {field.name: getattr(kept, field.name) for field in fields(kept) if field.name not in held}


def run(told: Mapping[str, Any]) -> Run:
    """Return the run of a file."""
    cpu = CpuSamples(_column(told["cpu"], "at_ns"), _column(told["cpu"], "cpu_ns"))
    return Run(**_parts(Run, told) | {"cpu": cpu, "usage": Usage(**told["usage"])})


def timeline(told: Mapping[str, Any]) -> Timeline:
    """Return the timeline of a file."""
    rows = zip(*(told["calls"][field.name] for field in fields(Call)), strict=True)
    return Timeline(
        **_parts(Timeline, told) | {"calls": tuple(Call(*row) for row in rows), "notes": tuple(told["notes"])}
    )


def _parts(kind: type[Kept], told: Mapping[str, Any]) -> dict[str, Any]:
    made = {"placement": Placement(**told["placement"]), "records": records(told["records"])}
    return {field.name: told[field.name] for field in fields(kind)} | made


def records_told(records: Records) -> dict[str, Any]:
    """Return records connection by connection, each time as what passed since the one before: short numbers."""
    order = np.argsort(records.connection, kind="stable")
    late, service = (records.sent_ns - records.due_ns)[order], records.service_ns[order]
    gap = np.diff(records.answered_ns[order], prepend=0) - late - service
    counts = np.bincount(records.connection, minlength=records.workload.connections)
    columns = {"counts": counts, "gap_ns": gap, "late_ns": late, "service_ns": service}
    plain = {name: getattr(records, name) for name in PLAIN} | {"workload": records.workload.message()}
    return plain | {name: column.tolist() for name, column in columns.items()}


def records(told: Mapping[str, Any]) -> Records:
    """Return the records of a file, in the order of the replies."""
    gap, late, service = (_column(told, name) for name in ("gap_ns", "late_ns", "service_ns"))
    answered = np.cumsum(gap + late + service)
    order = np.argsort(answered, kind="stable")
    connection = np.repeat(np.arange(len(told["counts"]), dtype=np.int32), told["counts"])
    sent = answered - service
    columns = {"connection": connection, "due_ns": sent - late, "sent_ns": sent, "answered_ns": answered}
    ordered: dict[str, Any] = {name: column[order] for name, column in columns.items()}
    return Records(workload=Workload.of(told["workload"]), **ordered, **{name: told[name] for name in PLAIN})


def _column(told: Mapping[str, Any], name: str) -> NDArray[np.int64]:
    return np.array(told[name], dtype=np.int64)


def cut(kept: Kept) -> Kept:
    """Return the first half of a run, or the last half of a timeline. Raise UsageError if no half is left."""
    if len(kept.calls if isinstance(kept, Timeline) else kept.cpu.at_ns) < 3:
        raise UsageError(f"what {kept.model} did fits into no file of {LIMIT_BYTES:,} bytes; ask for fewer requests")
    if isinstance(kept, Timeline):
        calls = kept.calls[len(kept.calls) // 2 :]
        note = f"of all calls the last {len(calls):,} are kept"
        return replace(kept, calls=calls, complete=False, notes=(*_but_cuts(kept.notes), note))
    half = len(kept.cpu.at_ns) // 2 + 1
    cpu = CpuSamples(kept.cpu.at_ns[:half], kept.cpu.cpu_ns[:half])
    return replace(kept, cpu=cpu, records=until(kept.records, int(cpu.at_ns[-1])))


def _but_cuts(notes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(note for note in notes if not note.startswith("of all calls the last"))


def until(records: Records, end_ns: int) -> Records:
    """Return the records of a run that ended at this time."""
    kept = records.answered_ns <= end_ns
    columns = {name: getattr(records, name)[kept] for name in ("connection", "due_ns", "sent_ns", "answered_ns")}
    share = (end_ns - records.start_ns) / (records.end_ns - records.start_ns)
    work = replace(records.workload, seconds=(end_ns - records.start_ns) / 1e9, requests=None)
    return replace(records, workload=work, end_ns=end_ns, client_cpu_ns=int(share * records.client_cpu_ns), **columns)
