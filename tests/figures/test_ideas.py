"""The drawings of ideas: every text in its place, and the same idea in words."""

import base64

import pytest
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from iolab.errors import UsageError
from iolab.figures import CourseFigure, idea, style
from iolab.figures.ideas import IDEAS
from tests.figures.texts import texts


@pytest.fixture(scope="module", params=IDEAS)
def drawing(request: pytest.FixtureRequest) -> CourseFigure:
    figure = idea(request.param)
    figure.draw_without_rendering()
    return figure


def crosses(text: Bbox, box: Bbox) -> bool:
    """Say whether a text is neither in a box nor beside it."""
    inside = box.x0 <= text.x0 and text.x1 <= box.x1 and box.y0 <= text.y0 and text.y1 <= box.y1
    return bool(text.overlaps(box)) and not inside


class TestEveryDrawing:
    def test_no_text_is_cut_off(self, drawing: CourseFigure) -> None:
        paper = drawing.bbox
        cut = [text for text, place in texts(drawing) if not (paper.x0 <= place.x0 and place.x1 <= paper.x1)]
        assert cut == [] and all(paper.y0 <= place.y0 and place.y1 <= paper.y1 for _, place in texts(drawing))

    def test_no_text_crosses_the_edge_of_a_box(self, drawing: CourseFigure) -> None:
        boxes = [patch.get_window_extent() for patch in drawing.axes[0].patches if isinstance(patch, FancyBboxPatch)]
        crossed = [text for text, place in texts(drawing) for box in boxes if crosses(place, box)]
        assert crossed == []

    def test_its_text_is_as_large_as_that_of_the_page(self, drawing: CourseFigure) -> None:
        sizes = [float(text.get_fontsize()) for text in drawing.findobj(Text) if text.get_text()]
        assert min(sizes) >= style.SMALL_PT

    def test_it_turns_dark_with_the_page_and_can_be_heard(self, drawing: CourseFigure) -> None:
        page = drawing._repr_mimebundle_()[0]["text/html"]
        assert "iolab-figure" in page and "svg+xml" in page
        drawn = base64.b64decode(page.partition("base64,")[2].partition('"')[0]).decode()
        assert "#ffffff" not in drawn, "paper of its own would stay light"
        assert 150 < len(drawing.alt) < 700 and drawing.alt.endswith(".")


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean blocking"):
        idea("blockin")


def test_the_docstring_has_every_name() -> None:
    assert all(f'"{name}"' in (idea.__doc__ or "") for name in IDEAS)
