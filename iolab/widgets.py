"""Controls, and nothing but controls: what they set is decided elsewhere."""

import html
from typing import TYPE_CHECKING, Any

import ipywidgets

if TYPE_CHECKING:
    from iolab.predictions import Prediction


def question(prediction: "Prediction") -> dict[str, Any]:
    """Return a prediction as a control to answer it with, for a notebook to show."""
    control = _choices(prediction) if prediction.choices else _number(prediction)
    control.observe(lambda change: prediction.commit(change["new"]), names="value")
    text = ipywidgets.HTML(f"<b>{html.escape(prediction.question)}</b>")
    shown = ipywidgets.VBox([text, control])
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
        description=prediction.unit,
        readout_format=",.3g",
        continuous_update=False,
    )
