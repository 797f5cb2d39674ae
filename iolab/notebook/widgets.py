"""Controls, and nothing but controls: what they set is decided elsewhere."""

import html
from typing import TYPE_CHECKING, Any

import ipywidgets

if TYPE_CHECKING:
    from iolab.notebook.explore import Explorer, Setting, View
    from iolab.notebook.my_progress import MyProgress
    from iolab.notebook.predictions import Prediction

WIDE = {"width": "auto", "min_width": "22rem"}
GRID = {"grid_template_columns": "repeat(auto-fit, minmax(22rem, 1fr))", "grid_gap": "0.2rem 1.5rem"}
NAMED = {"description_width": "8rem"}


def question(prediction: "Prediction") -> dict[str, Any]:
    """Return a prediction as a control to answer it with, for a notebook to show."""
    control = _choices(prediction) if prediction.choices else _number(prediction)
    control.observe(lambda change: prediction.commit(change["new"]), names="value")
    text = ipywidgets.HTML(f"<b>{html.escape(prediction.question)}</b>")
    shown = ipywidgets.VBox([text, control if prediction.choices else _typed(prediction, control)])
    bundle: dict[str, Any] = shown._repr_mimebundle_()
    # Where no widget can be shown, the question is still there to read.
    return bundle | {"text/plain": str(prediction), "text/html": f"<p>{html.escape(str(prediction))}</p>"}


def _choices(prediction: "Prediction") -> Any:
    return ipywidgets.RadioButtons(
        options=list(prediction.choices),
        value=prediction.guess,
        layout={"width": "max-content"},
        tooltip=prediction.question,
    )


def _number(prediction: "Prediction") -> Any:
    import math

    return ipywidgets.FloatLogSlider(
        value=prediction.guess or prediction.low,
        min=math.log10(prediction.low),
        max=math.log10(prediction.high),
        step=0.1,
        readout=False,
        layout={"width": "24rem"},
        continuous_update=False,
        tooltip=prediction.question,
    )


def _typed(prediction: "Prediction", slider: Any) -> Any:
    # The handle of a slider has no name for a screen reader: so the number beside it has, and the two move together.
    number = ipywidgets.BoundedFloatText(
        value=slider.value,
        min=prediction.low,
        max=prediction.high,
        description=prediction.unit or "number",
        style=NAMED,
        layout={"width": "16rem"},
        tooltip=prediction.question,
    )
    ipywidgets.link((number, "value"), (slider, "value"), transform=(float, lambda value: float(f"{value:.3g}")))
    return ipywidgets.HBox([number, slider])


def panel(explorer: "Explorer") -> dict[str, Any]:
    """Return the controls of an explorer, and the place where it shows what it measured."""
    bundle: dict[str, Any] = controls(explorer)._repr_mimebundle_()
    return bundle | {"text/plain": str(explorer), "text/html": f"<p>{html.escape(str(explorer))}</p>"}


def controls(explorer: "Explorer") -> Any:
    """Return the controls: what can be set, the two buttons, what is going on, and the result."""
    choices = {setting.key: _choice(setting) for setting in explorer.settings}
    run = ipywidgets.Button(description="Run", button_style="primary", tooltip="Measure this model under this load")
    stop = ipywidgets.Button(description="Stop", disabled=True, tooltip="End the run early and show what there is")
    says, result = ipywidgets.HTML(), ipywidgets.HTML()
    result.add_class("jp-RenderedHTMLCommon")  # tables as in an output

    def show(view: "View") -> None:
        run.disabled, stop.disabled, says.value = view.running, not view.running, view.status
        result.value = result.value if view.result is None else view.result

    run.on_click(lambda _: explorer.run({key: choice.value for key, choice in choices.items()}, show))
    stop.on_click(lambda _: explorer.stop())
    rows = [_row(choices[setting.key]) if setting.slides else choices[setting.key] for setting in explorer.settings]
    notes = ipywidgets.HTML(explorer.notes)
    return ipywidgets.VBox([ipywidgets.GridBox(rows, layout=GRID), notes, ipywidgets.HBox([run, stop, says]), result])


def _choice(setting: "Setting") -> Any:
    return ipywidgets.Dropdown(
        options=list(setting.options),
        value=setting.start,
        description=setting.label,
        style=NAMED,
        layout={"width": "15rem" if setting.slides else "auto"},
    )


def _row(choice: Any) -> Any:
    # The handle of a slider has no name for a screen reader: so the list beside it has, and the two move together.
    slider = ipywidgets.SelectionSlider(options=choice.options, value=choice.value, readout=False, layout={"flex": "1"})
    ipywidgets.link((choice, "index"), (slider, "index"))
    return ipywidgets.HBox([choice, slider], layout=WIDE)


def keeping(mine: "MyProgress") -> dict[str, Any]:
    """Return what is recorded, and the controls to save a copy of it or to restore one."""
    bundle: dict[str, Any] = copies(mine)._repr_mimebundle_()
    return bundle | {"text/plain": str(mine), "text/html": f"<p>{html.escape(str(mine))}</p>"}


def copies(mine: "MyProgress") -> Any:
    """Return the controls to save a copy and to restore one."""
    save = ipywidgets.Button(description="Save a copy", tooltip="Make a link that downloads your progress")
    restore = ipywidgets.FileUpload(
        accept=".json", description="Restore a copy", tooltip="Add the progress of a file that you saved"
    )
    counts, says = ipywidgets.HTML(html.escape(str(mine))), ipywidgets.HTML()

    def say(sentence: str) -> None:
        says.value, counts.value = f'<span role="status">{sentence}</span>', html.escape(str(mine))

    def restored(change: Any) -> None:
        for file in change["new"]:
            say(mine.added(bytes(file["content"]), file["name"]))

    save.on_click(lambda _: say(mine.link()))
    restore.observe(restored, names="value")
    return ipywidgets.VBox([counts, ipywidgets.HBox([save, restore, says])])
