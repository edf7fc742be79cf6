"""From a model's inputs and outputs, and what is said of them, to its `Contract`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TypeVar

from unmask.config import OnnxConfig, OnnxHidden, OnnxHoleRange, OnnxLayout, OnnxMarks, OnnxPreset, OnnxRange
from unmask.errors import UnmaskError
from unmask.onnxmodels.contract import Contract
from unmask.onnxmodels.files import DTYPES, OnnxModel, Port
from unmask.onnxmodels.stated import METADATA, PRESETS, Stated, of_metadata, of_options

log = logging.getLogger(__name__)

BYTES = "tensor(uint8)"
PICTURES = ("tensor(uint8)", "tensor(float16)", "tensor(float)", "tensor(double)")
"""Types a picture may have."""
CHANNELS = (1, 3, 4)
"""Of a map, a picture, and both in one."""
HOLE_WORDS = ("mask", "hole")
"""An input with one of these in its name is the hole's, where shapes do not tell."""
T = TypeVar("T")


def read_contract(model: OnnxModel, config: OnnxConfig) -> Contract:
    """What the model wants: options first, then a preset that was asked for, the file's metadata, and its types.

    Raises:
        UnmaskError: something is neither said nor told by the file, or contradicts it; the message lists the inputs and
            outputs, and names the option to set.
    """
    stated = _stated(model, config)
    picture, hole = _inputs(model, stated)
    layout = _layout(model, picture, hole, stated)
    channels = _channels(picture, layout)
    combined = hole is None and channels == 4
    if channels == 1 or (channels == 4 and hole is not None):
        raise _unclear(
            model, f"the input {picture.name} has {channels} channels, not a picture's", "method.picture_input"
        )
    _check_types(model, picture, hole)
    knows_hole = combined or hole is not None
    picture_range = stated.picture_range or (OnnxRange.byte if picture.kind == BYTES else None)
    picture_range = _needed(
        model, picture_range, "which numbers stand for black and white", "method.picture_range=unit, signed or byte"
    )
    output = _output(model, stated)
    output_range = stated.output_range or (OnnxRange.byte if output.kind == BYTES else picture_range)
    marks = stated.hole_marks if knows_hole else OnnxMarks.hole
    marks = _needed(model, marks, "which number in the map marks the hole", "method.hole_marks=hole or known")
    natural = OnnxHoleRange.byte if hole is not None and hole.kind == BYTES else OnnxHoleRange.unit
    return Contract(
        picture=picture.name,
        hole=None if hole is None else hole.name,
        output=output.name,
        combined=combined,
        layout=layout,
        size=_size(model, [port for port in (picture, hole) if port is not None], layout, stated.size),
        picture_range=picture_range,
        output_range=output_range,
        bgr=bool(stated.bgr),
        hole_marks=marks,
        hole_range=stated.hole_range or natural,
        hole_first=bool(stated.hole_first),
        hidden=stated.hidden or (OnnxHidden.zero if knows_hole else OnnxHidden.shown),
    )


def _stated(model: OnnxModel, config: OnnxConfig) -> Stated:
    said = of_options(config)
    if config.preset is not OnnxPreset.auto:
        return said.over(PRESETS[config.preset]).over(of_metadata(model.metadata, model.path))
    if METADATA in model.metadata:
        return said.over(of_metadata(model.metadata, model.path))
    preset = recognised(model)
    if preset is None:
        return said
    log.info("%s is taken for method.preset=%s by its inputs and outputs.", model.path.name, preset.value)
    return said.over(PRESETS[preset])


def recognised(model: OnnxModel) -> OnnxPreset | None:
    """The preset whose names, types and, of LaMa, sizes the model has."""
    names = {port.name: port for port in model.inputs}
    outputs = {port.name for port in model.outputs}
    if set(names) != {"image", "mask"}:
        return None
    kinds = {port.kind for port in model.inputs}
    shapes = (names["image"].shape[1:], names["mask"].shape[1:])
    if outputs == {"result"} and kinds == {BYTES} and shapes == ((3, None, None), (1, None, None)):
        return OnnxPreset.migan
    if outputs == {"output"} and kinds == {"tensor(float)"} and shapes == ((3, 512, 512), (1, 512, 512)):
        return OnnxPreset.lama
    return None


def _inputs(model: OnnxModel, stated: Stated) -> tuple[Port, Port | None]:
    """The picture's input, and the hole's where it has one of its own."""
    ports = model.inputs
    picture = _named(model, ports, stated.picture_input, "method.picture_input")
    hole = _named(model, ports, stated.hole_input, "method.hole_input")
    if len(ports) not in (1, 2):
        raise _unclear(model, f"it has {len(ports)} inputs, not a picture and a hole", None)
    if len(ports) == 1:
        if hole is not None:
            raise _unclear(model, "method.hole_input names its only input", "method.picture_input")
        return ports[0], None
    if picture is None and hole is None:
        hole = _hole_among(ports)
    if picture is None and hole is None:
        raise _unclear(model, "it is not clear which input is the hole's", "method.hole_input")
    if picture is None or hole is None:
        other = picture or hole
        (left,) = (port for port in ports if port is not other)
        picture, hole = (picture or left, hole or left)
    if picture is hole:
        raise _unclear(model, "picture and hole are to go to the same of its two inputs", "method.hole_input")
    return picture, hole


def _hole_among(ports: Sequence[Port]) -> Port | None:
    """The only one with one channel, or with a telling name."""
    narrow = [port for port in ports if len(port.shape) == 3 or 1 in (port.shape[1:2] + port.shape[3:4])]
    if len(narrow) == 1:
        return narrow[0]
    told = [port for port in ports if any(word in port.name.lower() for word in HOLE_WORDS)]
    return told[0] if len(told) == 1 else None


def _layout(model: OnnxModel, picture: Port, hole: Port | None, stated: Stated) -> OnnxLayout:
    if len(picture.shape) != 4 or (hole is not None and len(hole.shape) not in (3, 4)):
        raise _unclear(model, "pictures need four axes (and holes at least three)", "method.picture_input")
    if stated.layout is not None:
        return stated.layout
    first, last = (picture.shape[axis] in (3, 4) for axis in (1, 3))
    if first == last:
        raise _unclear(model, f"it is not clear which axis of {picture.name} has the channels", "method.layout")
    return OnnxLayout.nchw if first else OnnxLayout.nhwc


def _channels(port: Port, layout: OnnxLayout) -> int:
    """3 where the axis is free."""
    length = port.shape[1 if layout is OnnxLayout.nchw else 3]
    return 3 if length is None else length


def _check_types(model: OnnxModel, picture: Port, hole: Port | None) -> None:
    if picture.kind not in PICTURES or (hole is not None and hole.kind not in DTYPES):
        raise _unclear(model, "it wants types of numbers that pictures are not made of", None)


def _size(model: OnnxModel, ports: Sequence[Port], layout: OnnxLayout, wanted: int | None) -> tuple[int, int] | None:
    """Height and width of the inputs; None: free."""
    found: set[tuple[int | None, int | None]] = set()
    for port in ports:
        if len(port.shape) == 3:
            found.add((port.shape[1], port.shape[2]))
        else:
            vertical = 2 if layout is OnnxLayout.nchw else 1
            found.add((port.shape[vertical], port.shape[vertical + 1]))
    sides = []
    for axis in (0, 1):
        fixed = {one[axis] for one in found} - {None}
        if len(fixed) > 1:
            raise _unclear(model, "its inputs want pictures and holes of different sizes", None)
        if fixed and wanted is not None and fixed != {wanted}:
            raise _unclear(model, f"method.size={wanted} is not the size of its inputs", "method.size=null")
        sides.append(next(iter(fixed), wanted))
    if sides == [None, None]:
        return None
    height, width = (one if one is not None else next(other for other in sides if other) for one in sides)
    return height, width


def _output(model: OnnxModel, stated: Stated) -> Port:
    named = _named(model, model.outputs, stated.output, "method.output")
    if named is not None:
        return named
    fitting = [p for p in model.outputs if len(p.shape) == 4 and (3 in (p.shape[1], p.shape[3]))]
    if len(model.outputs) > 1 and len(fitting) != 1:
        raise _unclear(model, "it is not clear which output is the picture", "method.output")
    return fitting[0] if fitting else model.outputs[0]


def _named(model: OnnxModel, ports: Sequence[Port], name: str | None, key: str) -> Port | None:
    if name is None:
        return None
    for port in ports:
        if port.name == name:
            return port
    raise _unclear(model, f"it has no {name}", key)


def _needed(model: OnnxModel, value: T | None, what: str, key: str) -> T:
    if value is None:
        raise _unclear(model, f"the file does not say {what}", key)
    return value


def _unclear(model: OnnxModel, what: str, key: str | None) -> UnmaskError:
    way_out = "Such models cannot be used here." if key is None else f"Set {key}, or a method.preset."
    return UnmaskError(f"{model.path}: {what}. {model.ports()} {way_out}")
