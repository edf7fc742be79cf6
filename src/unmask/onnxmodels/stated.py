"""What options, a preset or a file say of a model; each of them may say nothing of most things."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

from unmask.config import (
    OnnxConfig,
    OnnxHidden,
    OnnxHoleRange,
    OnnxLayout,
    OnnxMarks,
    OnnxPreset,
    OnnxRange,
)
from unmask.errors import UnmaskError

METADATA = "unmask"
"""The entry of an ONNX file's metadata in which `python -m unmask.export` says as JSON what the file is."""
KIND = "kind"
"""In it: what was exported."""
CONTRACT = "contract"
"""In it: the fields of `Stated`, for what makes pictures."""


@dataclass(frozen=True)
class Stated:
    """The options of `method=onnx` by their names; None where nothing is said."""

    picture_input: str | None = None
    hole_input: str | None = None
    output: str | None = None
    layout: OnnxLayout | None = None
    size: int | None = None
    picture_range: OnnxRange | None = None
    output_range: OnnxRange | None = None
    bgr: bool | None = None
    hole_marks: OnnxMarks | None = None
    hole_range: OnnxHoleRange | None = None
    hole_first: bool | None = None
    hidden: OnnxHidden | None = None

    def over(self, other: Stated) -> Stated:
        """What this says, and `other` where this says nothing."""
        said = {name: value for name, value in vars(self).items() if value is not None}
        return Stated(**{**vars(other), **said})

    def as_json(self) -> dict[str, Any]:
        """What is said, in text, numbers and truth values."""
        return {
            name: value.value if isinstance(value, Enum) else value
            for name, value in vars(self).items()
            if value is not None
        }


PRESETS: dict[OnnxPreset, Stated] = {
    # Picsart-AI-Research/MI-GAN, scripts/create_onnx_pipeline.py (Sargsyan et al. 2023): mask 255 is known, and the
    # pipeline blanks, resizes and composes by itself.
    OnnxPreset.migan: Stated(
        picture_input="image",
        hole_input="mask",
        output="result",
        layout=OnnxLayout.nchw,
        picture_range=OnnxRange.byte,
        output_range=OnnxRange.byte,
        hole_marks=OnnxMarks.known,
        hole_range=OnnxHoleRange.byte,
        hidden=OnnxHidden.nearest,
    ),
    # Carve/LaMa-ONNX (Suvorov et al. 2021): the export multiplies the inpainted picture by 255.
    OnnxPreset.lama: Stated(
        picture_input="image",
        hole_input="mask",
        output="output",
        layout=OnnxLayout.nchw,
        picture_range=OnnxRange.unit,
        output_range=OnnxRange.byte,
        hole_marks=OnnxMarks.hole,
        hole_range=OnnxHoleRange.unit,
        hidden=OnnxHidden.zero,
    ),
}


def of_options(config: OnnxConfig) -> Stated:
    """What the user says."""
    return Stated(**{each.name: vars(config)[each.name] for each in fields(Stated)})


def of_metadata(metadata: dict[str, str], path: Path) -> Stated:
    """What the file says of itself; nothing, if `python -m unmask.export` did not write it.

    Raises:
        UnmaskError: it says what cannot be, or that it makes no pictures.
    """
    if METADATA not in metadata:
        return Stated()
    try:
        facts = json.loads(metadata[METADATA])
        said = facts.get(CONTRACT)
        if said is None:
            raise UnmaskError(
                f"{path}: according to its metadata this is {facts.get(KIND)} of python -m unmask.export, which makes "
                "no pictures."
            )
        return Stated(**{name: _value(name, value) for name, value in said.items()})
    except UnmaskError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnmaskError(
            f"{path}: the description in its metadata is damaged, or of a later version of unmask ({error!r}). Export "
            "it anew with python -m unmask.export."
        ) from error


def _value(name: str, value: Any) -> Any:
    kind, _ = get_args(get_type_hints(Stated)[name])  # beside None
    if issubclass(kind, Enum):
        return kind(value)
    if type(value) is not kind:
        raise TypeError(f"{name}={value!r}")
    return value
