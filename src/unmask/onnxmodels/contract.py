"""What a picture model wants and gives."""

from __future__ import annotations

from dataclasses import dataclass

from unmask.config import OnnxHidden, OnnxHoleRange, OnnxLayout, OnnxMarks, OnnxRange


@dataclass(frozen=True)
class Contract:
    """All that must be known to run a model.

    Attributes:
        picture: name of the input for the picture, or for picture and hole in one.
        hole: name of the input for the hole; None: there is none.
        output: name of the output with the picture.
        combined: `picture` has four channels, one of which is the hole.
        layout: axes of the inputs; the output's are told by its shape, and by this where that leaves it open.
        size: height and width of the inputs in pixels; None: any.
        picture_range, output_range: numbers of black and white.
        bgr: blue comes first.
        hole_marks, hole_range: numbers of the map of the hole.
        hole_first: the hole's channel comes before the picture's.
        hidden: what is shown in the hole.
    """

    picture: str
    hole: str | None
    output: str
    combined: bool
    layout: OnnxLayout
    size: tuple[int, int] | None
    picture_range: OnnxRange
    output_range: OnnxRange
    bgr: bool
    hole_marks: OnnxMarks
    hole_range: OnnxHoleRange
    hole_first: bool
    hidden: OnnxHidden
