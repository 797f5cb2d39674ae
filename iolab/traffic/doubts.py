"""What makes the records of a load less than they seem, each in one sentence."""

from collections.abc import Iterator

from iolab.traffic.records import Records

CLIENT_LIMIT = 0.9
"""Above this share of a CPU, it is the client that is measured."""

GRACE_NS = 10_000_000
"""A rate is held if all but 1 % were sent by then, and 1 % of the time, after the end."""


def limit(records: Records) -> Iterator[str]:
    """Say that the client was at its limit, if it was."""
    if records.client_cpu_share > CLIENT_LIMIT:
        yield (
            f"the client used {records.client_cpu_share:.0%} of its CPU: "
            "the requests per second are its limit, not the server's"
        )


def rate(records: Records) -> Iterator[str]:
    """Say what was held of a rate that was asked for, if requests were left when the time was over."""
    asked, seconds, start_ns = records.workload.rate_per_s, records.workload.seconds, records.start_ns
    if asked is None:
        return
    end_ns = int(records.due_ns.max(initial=start_ns)) if seconds is None else start_ns + seconds * 1e9
    not_sent = records.errors.get("not sent", 0)
    left = int((records.sent_ns > end_ns + GRACE_NS + (end_ns - start_ns) / 100).sum()) + not_sent
    if left > (len(records) + not_sent) / 100:
        yield f"asked {asked:,.0f}/s, held {records.per_s:,.0f}/s: {left:,} requests were left when the time was over"


def wrong(records: Records) -> Iterator[str]:
    """Say what went wrong, by kind, each with its first case in words."""
    yield from (f"{count} x {kind}: {records.examples[kind]}" for kind, count in records.errors.items())


def doubts(records: Records) -> Iterator[str]:
    """Say all of that."""
    for each in (limit, rate, wrong):
        yield from each(records)
