"""Runs and timelines in files, request by request and call by call, to show where they cannot be made."""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from iolab.archive.provenance import circumstances, ensure_writable
from iolab.data.reference import origin
from iolab.errors import UsageError
from iolab.kernel.tracepoints import Happening
from iolab.measurement.cpu import CpuSamples, Usage
from iolab.measurement.placement import Placement
from iolab.measurement.run import Run
from iolab.trace.absences import Absence
from iolab.trace.calls import Call
from iolab.trace.gaps import Gap
from iolab.trace.timeline import Timeline
from iolab.traffic.doubts import Doubt
from iolab.traffic.records import Records
from iolab.traffic.workload import Workload

Entry = Run | Timeline
TABLES: dict[str, type[Any]] = {"calls": Call, "gaps": Gap, "steps": Happening}
"""What a timeline has rows of."""

Kind = TypeVar("Kind", Run, Timeline)
LIMIT_BYTES = 300_000
PLAIN = ("start_ns", "end_ns", "connect_ns", "client_cpu_ns", "client_cpu", "stopped", "errors", "examples")
"""What the records have beside their columns."""


def save(entry: Entry, path: Path, command: str) -> None:
    """Write a run or a timeline to a file, with machine, date, command and commit; a long one is cut first.

    Raise UsageError for a folder that cannot be written to.
    """
    ensure_writable(path.parent)
    head = {"kind": type(entry).__name__, **circumstances(command)}
    while len(contents := pack(head | to_json(entry))) > LIMIT_BYTES:
        entry = cut(entry)
    path.write_bytes(contents)


def read(path: Path, kind: type[Kind]) -> Kind:
    """Read what `save` wrote. Raise UsageError for a file that is missing, broken, or of another kind."""
    try:
        values = json.loads(gzip.decompress(path.read_bytes()))
        name = str(values["kind"])
        entry = (run if kind is Run else timeline)(values) if name == kind.__name__ else None
        where = origin(values)
    except FileNotFoundError:
        raise UsageError(
            f"there is no recorded run {path.name}; IOLAB_RECORD=1 makes it where it can be made"
        ) from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise UsageError(f"{path.name} is broken; restore it, or make it again with IOLAB_RECORD=1") from None
    if entry is None:
        raise UsageError(f"{path.name} is no recorded {kind.__name__.lower()}, but a {name.lower()}")
    return replace(entry, placement=replace(entry.placement, recorded=where))  # type: ignore[return-value]


def pack(values: Mapping[str, Any]) -> bytes:
    """Return the bytes of a file; the same for the same contents."""
    return gzip.compress(json.dumps(values, separators=(",", ":")).encode(), mtime=0)


def to_json(entry: Entry) -> dict[str, Any]:
    """Return a run or a timeline as JSON can hold it."""
    values = _plain(entry) | {"placement": asdict(entry.placement), "records": records_to_json(entry.records)}
    if isinstance(entry, Run):
        cpu = {"at_ns": entry.cpu.at_ns.tolist(), "cpu_ns": entry.cpu.cpu_ns.tolist()}
        return values | {"cpu": cpu, "usage": asdict(entry.usage)}
    columns = {name: columns_of(kind, getattr(entry, name)) for name, kind in TABLES.items()}
    return values | columns | {"doubts": [doubt.as_dict() for doubt in entry.doubts]}


def columns_of(kind: type[Any], rows: Iterable[Any]) -> dict[str, list[Any]]:
    """Return rows of one kind as columns by name, which pack well."""
    return {name: [getattr(row, name) for row in rows] for name in names_of(kind)}


def rows_of(kind: type[Any], columns: Mapping[str, list[Any]]) -> Iterator[Any]:
    """Yield the rows of columns; one that an older file lacks has its default."""
    names = [name for name in names_of(kind) if name in columns]
    for values in zip(*(columns[name] for name in names), strict=True):
        row = dict(zip(names, values, strict=True))
        if row.get("away") is not None:
            row["away"] = tuple(Absence(*absence) for absence in row["away"])
        yield kind(**row)


def names_of(kind: type[Any]) -> list[str]:
    """Return the names of the fields of a call, a gap or a step."""
    return [field.name for field in fields(kind)] if is_dataclass(kind) else list(kind._fields)


def _plain(entry: Entry) -> dict[str, Any]:
    parts = {"placement", "records", "cpu", "usage", "doubts", *TABLES}
    return {field.name: getattr(entry, field.name) for field in fields(entry) if field.name not in parts}


def run(values: Mapping[str, Any]) -> Run:
    """Return the run of a file."""
    cpu = CpuSamples(_column(values["cpu"], "at_ns"), _column(values["cpu"], "cpu_ns"))
    lists = {name: tuple(values.get(name, ())) for name in ("runaways", "workers")}
    return Run(**_parts(Run, values) | {"cpu": cpu, "usage": Usage(**values["usage"])} | lists)


def timeline(values: Mapping[str, Any]) -> Timeline:
    """Return the timeline of a file."""
    tables = {name: tuple(rows_of(kind, values.get(name, {}))) for name, kind in TABLES.items()}
    doubts = tuple(Doubt.of_dict(doubt) for doubt in values["doubts"])
    return Timeline(**_parts(Timeline, values) | tables | {"doubts": doubts})


def _parts(kind: type[Entry], values: Mapping[str, Any]) -> dict[str, Any]:
    placement = values["placement"]
    cpus = {"workers": tuple(placement.get("workers", ()))}
    parts = {"placement": Placement(**placement | cpus), "records": records(values["records"])}
    return {field.name: values[field.name] for field in fields(kind) if field.name in values} | parts


def records_to_json(records: Records) -> dict[str, Any]:
    """Return records connection by connection, each time as what passed since the one before: short numbers."""
    order = np.argsort(records.connection, kind="stable")
    late, service = (records.sent_ns - records.due_ns)[order], (records.answered_ns - records.sent_ns)[order]
    gap = np.diff(records.answered_ns[order], prepend=0) - late - service
    counts = np.bincount(records.connection, minlength=records.workload.connections)
    columns = {"counts": counts, "gap_ns": gap, "late_ns": late, "service_ns": service}
    if records.in_client_ns is not None:
        columns["in_client_ns"] = records.in_client_ns[order]
    plain = {name: getattr(records, name) for name in PLAIN} | {"workload": records.workload.message()}
    return plain | {name: column.tolist() for name, column in columns.items()}


def records(values: Mapping[str, Any]) -> Records:
    """Return the records of a file, in the order of the replies."""
    gap, late, service = (_column(values, name) for name in ("gap_ns", "late_ns", "service_ns"))
    reply_ns = np.cumsum(gap + late + service)
    order = np.argsort(reply_ns, kind="stable")
    connection = np.repeat(np.arange(len(values["counts"]), dtype=np.int32), values["counts"])
    sent_ns = reply_ns - service
    columns = {"connection": connection, "due_ns": sent_ns - late, "sent_ns": sent_ns, "answered_ns": reply_ns}
    if "in_client_ns" in values:
        columns["arrived_ns"] = reply_ns - _column(values, "in_client_ns")
    ordered: dict[str, Any] = {name: column[order] for name, column in columns.items()}
    return Records(workload=Workload.of(values["workload"]), **ordered, **{name: values[name] for name in PLAIN})


def _column(values: Mapping[str, Any], name: str) -> NDArray[np.int64]:
    return np.array(values[name], dtype=np.int64)


def cut(entry: Entry) -> Entry:
    """Return the first half of a run, or the last half of a timeline. Raise UsageError if no half is left."""
    if len(entry.calls if isinstance(entry, Timeline) else entry.cpu.at_ns) < 3:
        raise UsageError(f"the run of {entry.model} fits into no file of {LIMIT_BYTES:,} bytes; ask for fewer requests")
    if isinstance(entry, Timeline):
        calls = entry.calls[len(entry.calls) // 2 :]
        others = (doubt for doubt in entry.doubts if doubt.kind != "cut")
        doubts = (*others, Doubt("cut", {"kept": len(calls)}))
        since_ns = calls[0].start_ns
        return replace(
            entry,
            calls=calls,
            gaps=tuple(gap for gap in entry.gaps if gap.start_ns >= since_ns),
            steps=tuple(step for step in entry.steps if step.at_ns >= since_ns),
            complete=False,
            doubts=doubts,
        )
    half = len(entry.cpu.at_ns) // 2 + 1
    cpu = CpuSamples(entry.cpu.at_ns[:half], entry.cpu.cpu_ns[:half])
    return replace(entry, cpu=cpu, records=until(entry.records, int(cpu.at_ns[-1])))


def until(records: Records, end_ns: int) -> Records:
    """Return the records of a run that ended at this time."""
    share = (end_ns - records.start_ns) / (records.end_ns - records.start_ns)
    work = replace(records.workload, seconds=(end_ns - records.start_ns) / 1e9, requests=None)
    before = records.where(records.answered_ns <= end_ns)
    return replace(before, workload=work, end_ns=end_ns, client_cpu_ns=int(share * records.client_cpu_ns))
