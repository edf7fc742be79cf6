"""What is exported computes what the framework does, before any file is written."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unmask.config import Pix2PixConfig
from unmask.errors import UnmaskError
from unmask.export.expectation import ExpectedW
from unmask.export.kinds import prepare
from unmask.export.networks import OcclusionProbability, Pix2PixPictures
from unmask.export.resampling import Resampling
from unmask.faces import Faces
from unmask.methods.pix2pix import Pix2Pix
from unmask.occlusion.auto import probabilities
from unmask.occlusion.network import shipped_network
from unmask.projection.regression import PictureModel


def noise(*shape: int, seed: int = 0) -> Tensor:
    """In [-1,1]."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("to", [8, 24, 32, 40])
@pytest.mark.parametrize(("mode", "antialias"), [("bicubic", True), ("bilinear", False), ("bilinear", True)])
def test_resampling_is_interpolation(mode: str, antialias: bool, to: int) -> None:
    pictures = noise(2, 3, 24, 24)
    wanted = F.interpolate(pictures, (to, to), mode=mode, antialias=antialias, align_corners=False)
    torch.testing.assert_close(Resampling(24, to, mode, antialias=antialias)(pictures), wanted, atol=1e-5, rtol=0)


def picture_model() -> PictureModel:
    """Components of very different lengths, as a generator's have."""
    rng = torch.Generator().manual_seed(1)
    lengths = torch.logspace(0, -2, 20)[:, None, None, None]
    return PictureModel(
        noise(3, 8, 8, seed=2) * 0.1,
        torch.randn(20, 3, 8, 8, generator=rng) * 0.2 * lengths,
        torch.randn(16, generator=rng),
        torch.randn(20, 16, generator=rng),
    )


def test_conjugate_gradients_find_the_expected_w() -> None:
    model, pictures = picture_model(), noise(4, 3, 32, 32)
    visible = torch.ones(4, 1, 32, 32)
    visible[0, :, 12:28, 3:30] = 0
    visible[1, :, 4:] = 0
    visible[2] = 0  # nothing tells: the mean
    wanted = model.expected_w(pictures, visible, ridge=1.5e-4)
    found = ExpectedW(model, 32, 1.5e-4)(pictures, visible)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[2], model.w_centre)
    with pytest.raises(UnmaskError, match=r"data\.resolution=36"):
        ExpectedW(model, 36, 1.5e-4)


def test_own_statistics_of_every_picture_of_a_batch() -> None:
    config = Pix2PixConfig(ngf=2, ndf=2, depth=5, picture_statistics=True, checkpoint="given", name="pix2pix")
    method = Pix2Pix(config).eval()
    hole = torch.zeros(3, 1, 64, 64)
    hole[..., 20:50, 10:40] = 1
    faces = Faces(("a", "b", "c"), noise(3, 3, 64, 64), hole, hole)
    before = deepcopy(method.state_dict())
    with torch.no_grad():
        made = Pix2PixPictures(method)(faces.masked, faces.hole)
    torch.testing.assert_close(made, method.unmask(faces).raw, atol=1e-5, rtol=0)
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())


@pytest.mark.parametrize("size", [64, 128, 256])
def test_the_occlusion_network_at_any_size(size: int) -> None:
    picture = F.interpolate(noise(1, 3, 16, 16), (size, size), mode="bilinear")
    with torch.no_grad():
        found = OcclusionProbability(shipped_network(), size)(picture)[0, 0]
    torch.testing.assert_close(found, torch.from_numpy(probabilities(picture[0])), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("kind", "override", "message"),
    [
        ("pix2pix", "method=cyclegan", "method=cyclegan is not pix2pix"),
        ("pix2pix", "method.checkpoint=null", "has not learnt"),
        ("encoder", "method.steps=3", r"method\.steps: only 0 can be exported"),
        ("encoder", "method.init=mean", r"method\.init: only encoder"),
        ("encoder", "method.stepz=3", "stepz"),
    ],
)
def test_what_cannot_be_exported_is_said(kind: str, override: str, message: str) -> None:
    with pytest.raises(UnmaskError, match=message):
        prepare(kind, (override,))
