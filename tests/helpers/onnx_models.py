"""Small ONNX files for tests, with arithmetic that can be followed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

IR_VERSION = 9
OPSET = 18


def write_model(
    path: Path,
    nodes: Sequence[Any],
    inputs: dict[str, tuple[int, Sequence[int | str | None]]],
    outputs: dict[str, tuple[int, Sequence[int | str | None]]],
    constants: dict[str, np.ndarray] | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """A checked file; inputs and outputs are name -> (type, shape)."""
    ports = [
        [helper.make_tensor_value_info(name, kind, list(shape)) for name, (kind, shape) in of.items()]
        for of in (inputs, outputs)
    ]
    held = [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "tiny", *ports, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(model, metadata or {})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def write_inverter(
    path: Path,
    *,
    ends: tuple[float, float] = (0.0, 1.0),
    hole_ends: tuple[float, float] = (0.0, 1.0),
    known: bool = False,
    channels_last: bool = False,
    combined: str = "",
    kind: int = TensorProto.FLOAT,
    size: tuple[int, int] | tuple[None, None] = (None, None),
    names: tuple[str, str, str] = ("a", "b", "c"),
    metadata: dict[str, str] | None = None,
) -> Path:
    """A model whose picture is `white` - x/2 in the hole and x elsewhere, in its own numbers, computed in float.

    Half, since a model that is shown nothing but zeros would hide mistakes of the range.

    Args:
        ends: black and white. hole_ends: lower and upper number of the hole's map; `known`: the upper one is visible.
        combined: "picture first" or "hole first" for one input of four channels.
        size: height and width of the inputs.
        names: of picture, hole and output.
    """
    white = ends[1]
    lower, upper = hole_ends

    def shape(channels: int) -> tuple[int | None, ...]:
        return (None, *size, channels) if channels_last else (None, channels, *size)

    picture, hole, output = names
    constants = {
        "half": np.float32(0.5),
        "white": np.float32(white),
        "lower": np.float32(lower),
        "width": np.float32(upper - lower),
        "one": np.float32(1),
    }
    axis = 3 if channels_last else 1
    cast = helper.make_node
    if combined:
        first = combined == "hole first"
        constants["parts"] = np.array([1, 3] if first else [3, 1], np.int64)
        inputs = {picture: (kind, shape(4))}
        nodes = [
            cast("Cast", [picture], ["all"], to=TensorProto.FLOAT),
            cast("Split", ["all", "parts"], ["m", "x"] if first else ["x", "m"], axis=axis),
        ]
    else:
        inputs = {picture: (kind, shape(3)), hole: (kind, shape(1))}
        nodes = [
            cast("Cast", [picture], ["x"], to=TensorProto.FLOAT),
            cast("Cast", [hole], ["m"], to=TensorProto.FLOAT),
        ]
    nodes += [
        cast("Sub", ["m", "lower"], ["m0"]),
        cast("Div", ["m0", "width"], ["m1"]),
        cast("Sub", ["one", "m1"], ["m2"]) if known else cast("Identity", ["m1"], ["m2"]),
        cast("Mul", ["x", "half"], ["x1"]),
        cast("Sub", ["white", "x1"], ["x2"]),
        cast("Sub", ["x2", "x"], ["x3"]),
        cast("Mul", ["x3", "m2"], ["x4"]),
        cast("Add", ["x", "x4"], ["y"]),
        cast("Cast", ["y"], [output], to=kind),
    ]
    return write_model(path, nodes, inputs, {output: (kind, shape(3))}, constants, metadata)
