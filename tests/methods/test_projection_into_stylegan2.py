"""Projection into StyleGAN2: noise maps, precision, memory, resolutions."""

from __future__ import annotations

import dataclasses
import gc
import math

import pytest
import torch
import torch.nn.functional as F

from helpers.random_vgg import random_vgg
from helpers.small_stylegan2 import SETTINGS, random_state, small_stylegan2
from unmask.config import Init, NoiseMode, StyleGANProjConfig
from unmask.errors import UnmaskError
from unmask.faces import Faces, Reconstruction, StepReport
from unmask.generators.stylegan2.generator import StyleGAN2
from unmask.methods.stylegan_proj import StyleGANProjection
from unmask.networks.vgg import VGG16Features

CPU = torch.device("cpu")
CONFIG = StyleGANProjConfig(
    name="stylegan_proj",
    init=Init.mean,
    perceptual_layers=["relu1_2", "relu2_2"],
    perceptual_window=1.0,
    lambda_pixel=4.0,
    lambda_identity=0.0,
    w_steps=15,
    steps=15,
    layer_shrinkage=0.0,
    precision="32-true",
    compile=False,
)


@pytest.fixture(autouse=True)
def no_pretrained_vgg(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested here holds for any kernels."""
    stand_in = classmethod(lambda cls, layers, dtype=None: random_vgg(layers, dtype))
    monkeypatch.setattr(VGG16Features, "pretrained", stand_in)


def people(generator: StyleGAN2) -> Faces:
    """Two of its own pictures, a part hidden."""
    z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        clean = generator.synthesize(generator.map(z)[:, None].expand(-1, generator.num_ws, -1)).clamp(-1, 1)
    hole = torch.zeros(2, 1, generator.resolution, generator.resolution)
    hole[..., 16:28, 8:24] = 1
    return Faces(("a", "b"), torch.where(hole > 0, torch.tensor(0.3), clean), hole, hole, clean)


def unmask(generator: StyleGAN2, faces: Faces, **changes: object) -> Reconstruction:
    config = dataclasses.replace(CONFIG, **changes)  # type: ignore[arg-type]
    return StyleGANProjection(config, generator, CPU, seed=0).unmask(faces)


def visible_error(found: Reconstruction, faces: Faces) -> float:
    assert faces.clean is not None
    return float(((found.raw - faces.clean).square() * faces.visible).mean())


def test_its_own_pictures_are_found_again_and_noise_helps() -> None:
    generator = small_stylegan2()
    faces = people(generator)
    start = unmask(generator, faces, w_steps=0, steps=0, optimise_noise=False)
    found = unmask(generator, faces, optimise_noise=False)
    assert visible_error(found, faces) < 0.3 * visible_error(start, faces)
    assert found.w_plus is not None and found.w_plus.shape == (2, SETTINGS.num_ws, SETTINGS.w_dim)
    before = [one.clone() for one in generator.noise_maps]
    noisy = unmask(generator, faces)
    assert not torch.equal(noisy.raw, found.raw)
    assert all(torch.equal(ours, old) for ours, old in zip(generator.noise_maps, before, strict=True))


@pytest.mark.parametrize("init", [Init.random, Init.search])
def test_a_picture_does_not_depend_on_its_neighbours(init: Init) -> None:
    generator = small_stylegan2().double()
    torch.set_default_dtype(torch.float64)
    try:
        faces = people(generator)
        settings = {"init": init, "candidates": 20, "w_steps": 3, "steps": 3, "w_noise": 0.05}
        together, alone = unmask(generator, faces, **settings), unmask(generator, faces[1], **settings)
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(together.raw[1:2], alone.raw, atol=1e-6, rtol=0)


def test_bf16_reaches_what_fp32_reaches() -> None:
    faces = people(small_stylegan2())
    exact = visible_error(unmask(small_stylegan2(), faces), faces)
    rough = visible_error(unmask(small_stylegan2(), faces, precision="bf16-mixed"), faces)
    assert rough != exact
    assert abs(10 * math.log10(rough / exact)) < 0.5  # dB; of so few steps into so small a network
    with pytest.raises(UnmaskError, match=r"method\.precision=fp8"):
        unmask(small_stylegan2(), faces, precision="fp8")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_pivotal_tuning_fits_better_and_leaves_the_weights_as_they_were(precision: str) -> None:
    generator = small_stylegan2()
    faces = people(generator)
    settings = {"precision": precision, "w_steps": 5, "steps": 5}
    plain = unmask(generator, faces, **settings)
    tuned = unmask(generator, faces, **settings, tune_steps=8, tune_lr=3e-3, num_samples=2)
    assert visible_error(tuned, faces) < 0.9 * visible_error(plain, faces)
    assert torch.equal(unmask(generator, faces, **settings).raw, plain.raw)


def test_memory_is_flat_in_the_number_of_steps() -> None:
    generator = small_stylegan2()
    faces = people(generator)
    alive: list[int] = []
    gc.freeze()  # what is there already need not be counted at every step

    def count(report: StepReport) -> None:
        gc.collect()
        alive.append(sum(one.numel() for one in gc.get_objects() if isinstance(one, torch.Tensor)))

    try:
        StyleGANProjection(CONFIG, generator, CPU, seed=0).unmask(faces, on_step=count)
    finally:
        gc.unfreeze()
    in_w, in_w_plus = alive[3:16], alive[18:]  # the first is the start
    assert len(set(in_w)) == 1 and len(set(in_w_plus)) == 1


def test_below_its_resolution_pictures_are_means_of_areas() -> None:
    full, half = small_stylegan2(), small_stylegan2(16)
    w_plus = full.map(torch.randn(1, full.z_dim))[:, None].expand(-1, full.num_ws, -1)
    assert (half.resolution, half.full_resolution) == (16, 32)
    torch.testing.assert_close(half.synthesize(w_plus), F.avg_pool2d(full.synthesize(w_plus), 2))
    assert torch.equal(half.synthesize_full(w_plus), full.synthesize(w_plus))
    for wrong in (64, 24):
        with pytest.raises(UnmaskError, match=f"data.resolution={wrong}.*32 pixels"):
            small_stylegan2(wrong)


def test_the_full_render_has_the_noise_that_was_found() -> None:
    generator = small_stylegan2(16)
    hidden = torch.zeros(1, 1, 16, 16)
    faces = Faces(("a",), torch.zeros(1, 3, 16, 16), hidden, hidden)
    found = unmask(generator, faces, w_steps=3, steps=0, render_full=True, shrink_full=False)
    assert found.full is not None and found.full.shape == (1, 3, 32, 32)
    inside = found.full.abs().amax(1, keepdim=True) < 1  # where nothing was clamped
    whole = F.avg_pool2d(inside.float(), 2) == 1
    difference = (F.avg_pool2d(found.full, 2) - found.raw).abs() * whole
    assert whole.any() and difference.max() < 1e-5


def test_classes_of_a_conditional_generator() -> None:
    settings = dataclasses.replace(SETTINGS, c_dim=3)
    state = random_state(settings)
    first, second = (StyleGAN2(settings, state, resolution=32, class_index=i) for i in (0, 1))
    z = torch.randn(2, settings.z_dim)
    assert not torch.allclose(first.map(z), second.map(z))
    with pytest.raises(UnmaskError, match=r"class_index=null.*classes 0 to 2"):
        StyleGAN2(settings, state, resolution=32)
    with pytest.raises(UnmaskError, match=r"class_index=3.*classes 0 to 2"):
        StyleGAN2(settings, state, resolution=32, class_index=3)
    with pytest.raises(UnmaskError, match=r"class_index=0.*unconditional"):
        StyleGAN2(SETTINGS, random_state(), resolution=32, class_index=0)


def test_without_noise_there_is_none_to_optimise() -> None:
    generator = StyleGAN2(SETTINGS, random_state(), resolution=32, noise_mode=NoiseMode.none)
    assert generator.noise_maps == ()
    faces = people(generator)
    assert torch.equal(unmask(generator, faces).raw, unmask(generator, faces, optimise_noise=False).raw)
