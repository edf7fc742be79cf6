"""Files of `python -m unmask.export`, run by onnxruntime and through method=onnx."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask import __version__
from unmask.building import build_method
from unmask.config import OnnxConfig
from unmask.errors import UnmaskError
from unmask.export import kinds, writing
from unmask.export.__main__ import main
from unmask.export.kinds import Exported, prepare
from unmask.export.writing import TOLERANCE, export
from unmask.faces import Faces
from unmask.methods.base import MethodContext
from unmask.methods.checkpoints import save_generator
from unmask.methods.onnx import Onnx
from unmask.onnxmodels import METADATA, open_model

CPU = torch.device("cpu")
TINY = ("data.resolution=64", "method.ngf=2", "method.ndf=2", "method.depth=5")


def faces(size: int, count: int = 3) -> Faces:
    """Smooth pictures, each hidden elsewhere."""
    coarse = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(3)) * 2 - 1
    pictures = F.interpolate(coarse, (size, size), mode="bicubic").clamp(-1, 1)
    hole = torch.zeros(count, 1, size, size)
    for row in range(count):
        hole[row, :, size // 2 : size - 4 * row - 1, size // 4 : size // 2 + 3 * row] = 1
    return Faces(tuple("abcdef"[:count]), pictures, hole, hole)


def through_onnx(path: Path, batch: Faces) -> Tensor:
    """With no option but the file."""
    context = MethodContext(CPU, batch.masked.shape[-1], 0, None)  # type: ignore[arg-type]
    return Onnx.build(OnnxConfig(model=str(path)), context).unmask(batch).raw


@pytest.mark.slow
@pytest.mark.parametrize(
    "variant",
    [
        ("method.input=visible", "method.norm=batch", "method.picture_statistics=true"),
        ("method.input=masked", "method.norm=instance"),
    ],
    ids=["visible", "masked"],
)
def test_pix2pix_is_the_same_from_its_file(
    variant: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("method=pix2pix", *TINY, *variant)
    settings = kinds.settings((*options, "method.checkpoint=null"))
    save_generator(build_method(settings, CPU).generator, tmp_path / "g.safetensors", method="pix2pix", facts={})  # type: ignore[union-attr, arg-type]
    given = (*TINY, *variant, f"method.checkpoint={tmp_path / 'g.safetensors'}")
    assert main(["pix2pix", str(tmp_path / "model"), *given]) == 0
    path = tmp_path / "model.onnx"
    assert "method=onnx" in capsys.readouterr().out
    assert [one.name for one in tmp_path.glob("*.onnx*")] == ["model.onnx"]  # no second file of weights
    batch = faces(64)
    method = build_method(kinds.settings(("method=pix2pix", *given)), CPU)
    torch.testing.assert_close(through_onnx(path, batch), method.unmask(batch).raw, atol=TOLERANCE, rtol=0)

    model = onnx.load(path)
    assert (model.producer_name, model.producer_version) == ("unmask", __version__)
    assert {one.domain: one.version for one in model.opset_import}[""] == writing.OPSET
    (said,) = [json.loads(one.value) for one in model.metadata_props if one.key == METADATA]
    assert (said["kind"], said["unmask"], said["size"]) == ("pix2pix", __version__, 64)
    inputs = open_model(path, threads=1, cuda=False).inputs
    assert [(one.name, one.shape) for one in inputs] == [
        ("image", (None, 3, 64, 64)), ("hole", (None, 1, 64, 64)),
    ][: len(inputs)]  # fmt: skip
    assert len(inputs) == (2 if "method.input=visible" in variant else 1)


@pytest.mark.slow
def test_the_occlusion_network_from_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "occlusion.onnx"
    assert main(["occlusion", str(path), "data.resolution=64"]) == 0
    batch = faces(64)
    exported = prepare("occlusion", ("data.resolution=64",))
    found = open_model(path, threads=1, cuda=False).run("probability", {"image": batch.masked.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), exported.network(batch.masked), atol=1e-5, rtol=0)
    with pytest.raises(UnmaskError, match=r"this is occlusion .*makes no pictures"):
        through_onnx(path, batch)


class Halved(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return image / 2


def halved() -> Exported:
    return Exported("halved", "Half of it.", Halved(), {"image": torch.rand(2, 3, 8, 8)}, "picture", None)


def test_a_file_that_differs_from_the_network_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.onnx"
    path.write_text("before")
    monkeypatch.setattr(writing, "largest_difference", lambda *given: float("nan"))
    with pytest.raises(UnmaskError, match=r"m\.onnx: not written"):
        export(halved(), path)
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("m.onnx", "before")]


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_spec(name: str) -> Any:
        return None if name == "onnxscript" else object()

    monkeypatch.setattr(writing, "find_spec", find_spec)
    with pytest.raises(UnmaskError, match=r"onnxscript must be installed.*unmask\[onnx\]"):
        export(halved(), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_mistakes_end_with_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pix2pix", str(tmp_path / "m"), f"method.checkpoint={tmp_path / 'none.pth'}"]) == 2
    assert "none.pth" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ending:
        main(["gan", "m"])
    assert ending.value.code == 2


@pytest.mark.slow
@pytest.mark.weights
def test_the_encoder_is_the_same_from_its_file(tmp_path: Path) -> None:
    exported = prepare("encoder", ("data.resolution=128",))
    assert export(exported, tmp_path / "encoder.onnx") < 1e-4
    batch = faces(128)
    method = build_method(
        kinds.settings(("experiment=feed_forward", "data.resolution=128", "method.precision=32-true")), CPU
    )
    wanted = method.unmask(batch).raw
    torch.testing.assert_close(through_onnx(tmp_path / "encoder.onnx", batch), wanted, atol=TOLERANCE, rtol=0)
