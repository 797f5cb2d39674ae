"""Records as files: every request as CSV, the summary as JSON, the percentiles as .hgrm."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from iolab.errors import UsageError
from iolab.traffic.histogram import distribution, histogram
from iolab.traffic.records import Records


def frame(records: Records) -> Any:
    """Return a pandas DataFrame with one row a request; times in microseconds since the start of the work."""
    import pandas

    return pandas.DataFrame(
        {
            "connection": records.connection,
            "due_us": (records.due_ns - records.start_ns) / 1e3,
            "sent_us": (records.sent_ns - records.start_ns) / 1e3,
            "arrived_us": None if records.arrived_ns is None else (records.arrived_ns - records.start_ns) / 1e3,
            "answered_us": (records.answered_ns - records.start_ns) / 1e3,
            "service_us": records.service_ns / 1e3,
            "response_us": records.response_ns / 1e3,
            **({} if records.status is None else {"status": records.status}),
        }
    )


def save(records: Records, path: str | Path) -> Path:
    """Write records to a file, in the form that its ending names, and return its path.

    `.csv` has every request, `.json` the summary and what was asked for, `.hgrm` the percentile
    distribution of the response times. Raise UsageError for another ending.
    """
    path = Path(path)
    try:
        text_of = FORMS[path.suffix]
    except KeyError:
        raise UsageError(f"{path.name} should end in {', '.join(FORMS)}; the ending says what is written") from None
    write(path, text_of(records))
    return path


def write(path: Path, text: str) -> None:
    """Write a file. Raise UsageError if it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write to {path}: {error.strerror}") from None


def csv(records: Records) -> str:
    """Return every request as a line of CSV."""
    return str(frame(records).to_csv(index=False))


def hgrm(records: Any) -> str:
    """Return the percentile distribution of the response times, of records or of what a cluster measured."""
    return distribution(histogram(records.response_ns) if isinstance(records, Records) else records.response)


def _json(records: Records) -> str:
    whole = {"workload": records.workload.message(), "summary": records.summary(), "percentiles": records.percentiles()}
    return json.dumps(whole | {"errors": records.errors, "examples": records.examples}, indent=1)


FORMS: dict[str, Callable[[Records], str]] = {
    ".csv": csv,
    ".json": _json,
    ".hgrm": hgrm,
}
"""The text of a file, by the ending of its name."""
