"""The chart that every textbook has, of the models beside one another, drawn from real runs."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from iolab.display.units import short_time
from iolab.figures import calls as bars
from iolab.figures.style import GREY, INK, CourseFigure, finish, in_style, new, placements, require_some
from iolab.trace.calls import Call
from iolab.trace.timeline import Timeline


@dataclass(frozen=True)
class Answer:
    """One request, from the client's record, and the thread of the server that answered it."""

    timeline: Timeline
    connection: int
    sent_ns: int
    answered_ns: int

    @property
    def took_ns(self) -> int:
        """From the send to the reply, by the client's clock."""
        return self.answered_ns - self.sent_ns

    def calls(self, before_ns: int, after_ns: int) -> list[Call]:
        """Return what the thread did in this time before the request was sent, and in this time after."""
        span = (self.sent_ns - before_ns, self.sent_ns + after_ns)
        around = [call for call in self.timeline if call.end_ns > span[0] and call.start_ns < span[1]]
        threads = {call.thread for call in around if call.connection == self.connection}
        return [call for call in around if call.thread in threads]


@in_style
def textbook(*timelines: Timeline) -> CourseFigure:
    """Draw one typical request of every timeline, one band a model, all on the same scale.

    Zero, a thin mark, is when the client sent the request, and the bold mark is when it had the reply. What
    the server's thread did before, in between and after is drawn in its phases: a request is
    typical if its service time is the median of its run. Timelines of one connection with a
    little think time show the most: `timeline("select", connections=1, requests=200, think_s=0.0005)`.
    """
    require_some(timelines, "timelines of `iolab.timeline(...)`")
    answers = [typical(timeline) for timeline in timelines]
    scale_ns = max(answer.took_ns for answer in answers)
    before_ns, after_ns = round(0.8 * scale_ns), round(1.25 * scale_ns)
    figure, (axes,) = new(height_in=1.7 + 0.6 * len(answers))
    for row, answer in enumerate(answers):
        _band(axes, row, answer, before_ns, after_ns)
    axes.set_yticks(range(len(answers)), [answer.timeline.model for answer in answers])
    axes.set_ylim(len(answers) - 0.4, -0.7)
    axes.set_xlim(-before_ns / 1e3, after_ns / 1e3)
    axes.grid(axis="y", visible=False)
    bars.time_axis(axes, " since the client sent the request; the bold mark is its reply", after_ns / 1e3)
    axes.set_title("the same request, model by model: what the server's thread did")
    calls = [call for answer in answers for call in answer.calls(before_ns, after_ns)]
    bars.legend(axes, calls)
    alt = "One typical request of each model. " + " ".join(_sentence(answer, before_ns, after_ns) for answer in answers)
    return finish(figure, alt, _caption(timelines))


def typical(timeline: Timeline) -> Answer:
    """Return the request whose service time is the median, of those after the first tenth."""
    records = timeline.records
    late = np.arange(len(records)) >= len(records) // 10
    ranked = np.argsort(np.where(late, records.service_ns, -1), kind="stable")[int((~late).sum()) :]
    index = ranked[len(ranked) // 2]
    return Answer(
        timeline, int(records.connection[index]), int(records.sent_ns[index]), int(records.answered_ns[index])
    )


def _band(axes: Axes, row: int, answer: Answer, before_ns: int, after_ns: int) -> None:
    span_ns = (answer.sent_ns - before_ns, answer.sent_ns + after_ns)
    calls = answer.calls(before_ns, after_ns)
    bars.draw(axes, calls, row, answer.sent_ns, span_ns)
    bars.name(axes, calls, row, answer.sent_ns, span_ns)
    for at_us, width in ((0, 0.8), (answer.took_ns / 1e3, 2)):
        axes.plot([at_us] * 2, [row - bars.BAR_HEIGHT / 2, row + 0.4], color=INK, linewidth=width)
    if not calls:
        axes.annotate("not recorded", (0, row), xytext=(4, 0), textcoords="offset points", va="center", color=GREY)


def _sentence(answer: Answer, before_ns: int, after_ns: int) -> str:
    model, took = answer.timeline.model, short_time(answer.took_ns / 1e3)
    names = list(dict.fromkeys(call.name for call in answer.calls(before_ns, after_ns)))
    return f"{model}: the reply comes after {took}; the thread calls {', '.join(names) or 'nothing that was recorded'}."


def _caption(timelines: tuple[Timeline, ...]) -> str:
    cost_ns = max(timeline.cost_ns_per_call for timeline in timelines)
    models: dict[str, list[str]] = {}
    for timeline in timelines:
        for doubt in timeline.doubts:
            models.setdefault(str(doubt), []).append(timeline.model)
    doubts = [f"{', '.join(whose)}: {doubt}" for doubt, whose in models.items()]
    return bars.caption(placements(*timelines), f"recording adds {cost_ns / 1e3:.1f} µs to a call at most", *doubts)
