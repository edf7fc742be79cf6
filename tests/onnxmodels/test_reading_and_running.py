"""Every way in which models want pictures, against what a model of known arithmetic gives."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper
from torch import Tensor

from helpers.onnx_models import write_inverter, write_model
from unmask.config import OnnxConfig, OnnxHidden, OnnxHoleRange, OnnxLayout, OnnxMarks, OnnxPreset, OnnxRange
from unmask.errors import UnmaskError
from unmask.faces import Faces
from unmask.methods.base import MethodContext
from unmask.methods.onnx import Onnx
from unmask.onnxmodels import METADATA

SIZE = 32
ENDS = {OnnxRange.unit: (0, 1), OnnxRange.signed: (-1, 1), OnnxRange.byte: (0, 255)}
HOLE_ENDS = {
    OnnxHoleRange.unit: (0, 1),
    OnnxHoleRange.byte: (0, 255),
    OnnxHoleRange.signed: (-1, 1),
    OnnxHoleRange.centred: (-0.5, 0.5),
}


def faces() -> Faces:
    """Two pictures whose channels differ, with hidden blocks of a colour that is nowhere else."""
    across = torch.linspace(-0.75, 0.75, SIZE).expand(SIZE, SIZE)
    slopes = torch.stack([across, across.T, -0.5 * across])
    hole = torch.zeros(2, 1, SIZE, SIZE)
    hole[0, :, 8:20, 10:24] = 1
    hole[1, :, 16:32, 4:20] = 1
    masked = torch.where(hole > 0, torch.tensor(0.9), torch.stack([slopes, slopes.flip(2)]))
    return Faces(("a", "b"), masked, hole, hole)


def method(path: Path, **options: Any) -> Onnx:
    def no_generator() -> Any:
        raise AssertionError("not needed")

    return Onnx.build(OnnxConfig(model=str(path), **options), MethodContext(torch.device("cpu"), SIZE, 0, no_generator))


def expected(seen: Tensor, hole: Tensor, ends: tuple[float, float]) -> Tensor:
    """What `write_inverter` makes of `seen` (in the model's numbers in the hole), in [-1,1]."""
    low, high = ends
    x = low + (seen + 1) / 2 * (high - low)
    y = torch.where(hole > 0, high - x / 2, x)
    return ((y - low) / (high - low) * 2 - 1).clamp(-1, 1)


@pytest.mark.parametrize("layout", OnnxLayout, ids=lambda one: one.value)
@pytest.mark.parametrize("combined", ["", "picture first", "hole first"])
@pytest.mark.parametrize("marks", OnnxMarks, ids=lambda one: one.value)
@pytest.mark.parametrize("numbers", OnnxRange, ids=lambda one: one.value)
def test_every_way_of_showing_picture_and_hole(
    numbers: OnnxRange, marks: OnnxMarks, combined: str, layout: OnnxLayout, tmp_path: Path
) -> None:
    batch = faces()
    hole_range = dict(zip(OnnxRange, (OnnxHoleRange.signed, OnnxHoleRange.centred, OnnxHoleRange.byte), strict=True))
    path = write_inverter(
        tmp_path / "model.onnx",
        ends=ENDS[numbers],
        hole_ends=HOLE_ENDS[hole_range[numbers]],
        known=marks is OnnxMarks.known,
        channels_last=layout is OnnxLayout.nhwc,
        combined=combined,
    )
    options = {"picture_range": numbers, "hole_marks": marks, "hole_range": hole_range[numbers]}
    if combined:
        options["hole_first"] = combined == "hole first"
    shown = method(path, hidden=OnnxHidden.shown, **options).unmask(batch)
    assert shown.ids == batch.ids
    torch.testing.assert_close(shown.raw, expected(batch.masked, batch.hole, ENDS[numbers]), atol=1e-5, rtol=0)
    # by default the hole is 0 in the model's numbers, and this model makes white of it
    blanked = method(path, **options).unmask(batch).raw
    torch.testing.assert_close(blanked, torch.where(batch.hole > 0, 1.0, batch.masked), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_types_are_the_files(kind: int, tmp_path: Path) -> None:
    batch = faces()
    byte = kind == TensorProto.UINT8
    ends = ENDS[OnnxRange.byte if byte else OnnxRange.signed]
    path = write_inverter(tmp_path / "m.onnx", kind=kind, ends=ends, hole_ends=(0, 255) if byte else (0, 1))
    options: dict[str, Any] = {"hole_marks": OnnxMarks.hole, "hidden": OnnxHidden.shown}
    if not byte:
        options["picture_range"] = OnnxRange.signed  # of bytes the range is plain
    made = method(path, **options).unmask(batch).raw
    tolerance = {TensorProto.UINT8: 2.5 / 127.5, TensorProto.FLOAT16: 2e-3, TensorProto.DOUBLE: 1e-6}[kind]
    torch.testing.assert_close(made, expected(batch.masked, batch.hole, ends), atol=tolerance, rtol=0)


def test_blue_comes_first(tmp_path: Path) -> None:
    batch = faces()
    gain = np.array([1, 0.5, 0.25], np.float32).reshape(1, 3, 1, 1)
    nodes = [helper.make_node("Mul", ["x", "gain"], ["y"])]
    shape = (1, 3, None, None)
    path = write_model(tmp_path / "m.onnx", nodes, {"x": (1, shape)}, {"y": (1, shape)}, {"gain": gain})
    made = method(path, picture_range=OnnxRange.signed, bgr=True).unmask(batch).raw
    # a model of three channels alone is not told of the hole, and shown everything
    torch.testing.assert_close(made, batch.masked * torch.tensor([0.25, 0.5, 1])[:, None, None])


def test_fixed_sizes_are_met_and_undone(tmp_path: Path) -> None:
    batch = faces()
    options = {"picture_range": OnnxRange.unit, "hole_marks": OnnxMarks.hole, "hidden": OnnxHidden.shown}
    for size in ((16, 24), (64, 64)):
        path = write_inverter(tmp_path / "m.onnx", size=size)
        small = F.interpolate(batch.masked, size, mode="bicubic", antialias=True).clamp(-1, 1)
        hole = F.adaptive_max_pool2d(batch.hole, size)
        inverted = expected(small, hole, (0, 1))
        wanted = F.interpolate(inverted, (SIZE, SIZE), mode="bicubic", antialias=True).clamp(-1, 1)
        torch.testing.assert_close(method(path, **options).unmask(batch).raw, wanted, atol=1e-5, rtol=0)
    free = write_inverter(tmp_path / "free.onnx")
    sized = write_inverter(tmp_path / "sized.onnx", size=(16, 16))
    made, wanted = (method(p, size=16, **options).unmask(batch).raw for p in (free, sized))
    assert torch.equal(made, wanted)
    with pytest.raises(UnmaskError, match=r"method\.size=8|method\.size"):
        method(sized, size=24, **options)


@pytest.mark.parametrize("hidden", [OnnxHidden.zero, OnnxHidden.nearest])
@pytest.mark.parametrize("size", [None, 16])
def test_nothing_of_the_hidden_part_is_seen(hidden: OnnxHidden, size: int | None, tmp_path: Path) -> None:
    batch = faces()
    other = replace(batch, masked=torch.where(batch.hole > 0, -batch.masked, batch.masked))
    made = method(
        write_inverter(tmp_path / "m.onnx"), picture_range=OnnxRange.signed, hole_marks=OnnxMarks.hole, size=size,
        hidden=hidden,
    )  # fmt: skip
    assert torch.equal(made.unmask(batch).raw, made.unmask(other).raw)


def test_hidden_pixels_take_the_nearest_visible_colour(tmp_path: Path) -> None:
    path = write_inverter(tmp_path / "m.onnx")
    hole = torch.zeros(1, 1, SIZE, SIZE)
    hole[..., 10:20] = 1
    masked = torch.where(torch.arange(SIZE) < 15, -0.5, 0.5).expand(1, 3, SIZE, SIZE)
    batch = Faces(("a",), torch.where(hole > 0, 1.0, masked), hole, hole)
    options = {"picture_range": OnnxRange.unit, "hole_marks": OnnxMarks.hole}
    made = method(path, hidden=OnnxHidden.nearest, **options).unmask(batch).raw
    torch.testing.assert_close(made, expected(masked, hole, (0, 1)))
    everywhere = replace(batch, hole=torch.ones_like(hole))
    grey = method(path, hidden=OnnxHidden.nearest, **options).unmask(everywhere).raw
    torch.testing.assert_close(grey, torch.full_like(masked, 0.5))  # 1 - .5/2 in [0,1]


def test_migan_and_lama_are_recognised(tmp_path: Path) -> None:
    batch = faces()
    migan = write_inverter(
        tmp_path / "migan.onnx", kind=TensorProto.UINT8, ends=(0, 255), hole_ends=(0, 255), known=True,
        names=("image", "mask", "result"),
    )  # fmt: skip
    read = method(migan).contract
    assert (read.hole_marks, read.picture_range, read.output_range) == (
        OnnxMarks.known, OnnxRange.byte, OnnxRange.byte,
    )  # fmt: skip
    assert method(migan, hole_marks=OnnxMarks.hole).contract.hole_marks is OnnxMarks.hole  # options win
    made = method(migan, hidden=OnnxHidden.shown).unmask(batch).raw
    wanted = expected(batch.masked, batch.hole, (0, 255))
    torch.testing.assert_close(made, wanted, atol=2.5 / 127.5, rtol=0)
    named = ("image", "mask", "output")
    lama = method(write_inverter(tmp_path / "lama.onnx", size=(512, 512), names=named)).contract
    assert (lama.picture_range, lama.output_range, lama.hole_marks, lama.size) == (
        OnnxRange.unit, OnnxRange.byte, OnnxMarks.hole, (512, 512),
    )  # fmt: skip
    other = write_inverter(tmp_path / "other.onnx", names=named)
    with pytest.raises(UnmaskError, match="picture_range"):
        method(other)
    assert method(other, preset=OnnxPreset.lama).contract.output_range is OnnxRange.byte


def test_a_file_says_itself_what_it_wants(tmp_path: Path) -> None:
    said = {"picture_range": "signed", "hole_marks": "known", "hidden": "shown"}
    path = write_inverter(
        tmp_path / "m.onnx", ends=(-1, 1), known=True, metadata={METADATA: json.dumps({"contract": said})}
    )
    batch = faces()
    wanted = expected(batch.masked, batch.hole, (-1, 1))
    torch.testing.assert_close(method(path).unmask(batch).raw, wanted, atol=1e-6, rtol=0)
    assert method(path, hidden=OnnxHidden.zero).contract.hidden is OnnxHidden.zero
    for damaged in ("{", "[]", '{"contract": {"picture_range": "loud"}}', '{"contract": {"size": "1"}}', "{}"):
        write_inverter(path, metadata={METADATA: damaged})
        with pytest.raises(UnmaskError, match=r"metadata.*unmask\.export"):
            method(path)


def test_what_is_not_clear_is_asked_for(tmp_path: Path) -> None:
    path = write_inverter(tmp_path / "m.onnx")
    with pytest.raises(UnmaskError) as caught:
        method(path)
    for named in ("m.onnx", "a (any, 3, any, any) float", "b (any, 1, any, any)", "c (", "method.picture_range=unit"):
        assert named in str(caught.value)
    with pytest.raises(UnmaskError, match=r"method\.hole_marks=hole or known"):
        method(path, picture_range=OnnxRange.unit)
    with pytest.raises(UnmaskError, match=r"it has no x\..*method\.hole_input"):
        method(path, hole_input="x")

    def model(inputs: dict[str, Any], outputs: dict[str, Any]) -> Path:
        first = next(iter(inputs))
        nodes = [helper.make_node("Identity", [first], [name]) for name in outputs]
        return write_model(tmp_path / "odd.onnx", nodes, inputs, outputs)

    free = (1, (None, None, None, None))
    with pytest.raises(UnmaskError, match=r"method\.hole_input"):
        method(model({"x": free, "y": free}, {"z": free}))
    with pytest.raises(UnmaskError, match=r"method\.layout"):
        method(model({"x": free, "mask": free}, {"z": free}))
    with pytest.raises(UnmaskError, match="3 inputs"):
        method(model({"x": free, "y": free, "z": free}, {"out": free}))
    with pytest.raises(UnmaskError, match=r"method\.output"):
        method(
            model({"x": (1, (1, 3, 8, 8))}, {"p": (1, (1, 3, 8, 8)), "q": (1, (1, 3, 8, 8))}),
            picture_range=OnnxRange.unit,
        )
    with pytest.raises(UnmaskError, match="types of numbers"):
        method(model({"x": (TensorProto.INT64, (1, 3, 8, 8))}, {"p": (TensorProto.INT64, (1, 3, 8, 8))}))


def test_names_settle_what_shapes_do_not(tmp_path: Path) -> None:
    free = (1, (None, None, None, None))
    nodes = [helper.make_node("Mul", ["x", "the_mask"], ["y"])]
    path = write_model(tmp_path / "m.onnx", nodes, {"the_mask": free, "x": free}, {"y": free})
    read = method(path, layout=OnnxLayout.nchw, picture_range=OnnxRange.unit, hole_marks=OnnxMarks.hole).contract
    assert (read.picture, read.hole) == ("x", "the_mask")


def test_a_map_for_each_colour(tmp_path: Path) -> None:
    batch = faces()
    nodes = [helper.make_node("Mul", ["x", "mask"], ["y"])]
    shape = (1, 3, SIZE, SIZE)
    path = write_model(tmp_path / "m.onnx", nodes, {"x": (1, shape), "mask": (1, shape)}, {"y": (1, shape)})
    made = method(path, picture_range=OnnxRange.signed, hole_marks=OnnxMarks.known).unmask(batch).raw
    torch.testing.assert_close(made, batch.masked * batch.visible)


def test_files_that_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(UnmaskError, match=r"method\.model=FILE"):
        Onnx.build(OnnxConfig(), MethodContext(torch.device("cpu"), SIZE, 0, None))  # type: ignore[arg-type]
    with pytest.raises(UnmaskError, match="no such file"):
        method(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a model" * 100)
    with pytest.raises(UnmaskError, match=r"bad\.onnx: not an ONNX model"):
        method(tmp_path / "bad.onnx")


def test_a_model_that_fails_is_named_with_what_it_was_given(tmp_path: Path) -> None:
    shape = (1, 3, None, None)
    constants = {"fixed": np.zeros((1, 3, 16, 16), np.float32)}
    nodes = [helper.make_node("Add", ["x", "fixed"], ["y"])]
    path = write_model(tmp_path / "m.onnx", nodes, {"x": (1, shape)}, {"y": (1, shape)}, constants)
    with pytest.raises(UnmaskError, match=r"x \(1, 3, 32, 32\) float32.*method\.size"):
        method(path, picture_range=OnnxRange.unit).unmask(faces())
    assert len(method(path, picture_range=OnnxRange.unit, size=16).unmask(faces()).ids) == 2


def test_an_output_that_is_no_picture_is_named(tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceMean", ["x"], ["y"], keepdims=0)]
    path = write_model(tmp_path / "m.onnx", nodes, {"x": (1, (1, 3, None, None))}, {"y": (1, ())})
    with pytest.raises(UnmaskError, match=r"output y has the shape \(\)"):
        method(path, picture_range=OnnxRange.unit).unmask(faces())


@pytest.mark.parametrize("size", [None, 16])
@pytest.mark.parametrize("operator", ["Sqrt", "Log"])
def test_a_picture_that_is_not_finite_fails_alone(operator: str, size: int | None, tmp_path: Path) -> None:
    """NaN of the first picture's negative numbers, or minus infinity of its zeros."""
    shape = (1, 3, None, None)
    nodes = [helper.make_node(operator, ["x"], ["y"])]
    path = write_model(tmp_path / "m.onnx", nodes, {"x": (1, shape)}, {"y": (1, shape)})
    batch = faces()
    batch.masked[0] = -1 if operator == "Sqrt" else 0
    batch.masked[1] = 0.5
    made = method(path, picture_range=OnnxRange.signed, size=size).unmask(batch)
    assert made.ids == ("b",)
    assert [(failure.id, "m.onnx" in failure.reason) for failure in made.failures] == [("a", True)]
    wanted = batch.masked[1:].sqrt() if operator == "Sqrt" else batch.masked[1:].log()
    torch.testing.assert_close(made.raw, wanted, atol=1e-5, rtol=0)
