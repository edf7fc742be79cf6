"""Filters, networks and their gradients against stylegan2-ada-pytorch's own numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.golden_arrays import Arrays, assert_close
from unmask.config import NoiseMode
from unmask.generators.stylegan2.architecture import GeneratorArchitecture
from unmask.generators.stylegan2.filters import (
    TAPS_GAIN,
    resample_filter,
    smooth_transposed,
    upfirdn2d,
    upsample2d,
)
from unmask.generators.stylegan2.layers import activate
from unmask.generators.stylegan2.mapping import Mapping
from unmask.generators.stylegan2.synthesis import Synthesis

FOLDER = "stylegan2_nvlabs"
SETTINGS = GeneratorArchitecture(64, 64, 64, mapping_layers=2, channel_base=1024, channel_max=64)
# the arrays' README: float32, relative to the largest value
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
EXACT = {"rtol": 1e-5, "atol": 1e-6}


@pytest.fixture(scope="module")
def ops(golden: Path) -> Arrays:
    return Arrays(golden, "ops", FOLDER)


@pytest.fixture(scope="module")
def arrays(golden: Path) -> Arrays:
    return Arrays(golden, "generator64_map2", FOLDER)


@pytest.fixture
def mapping(arrays: Arrays) -> Mapping:
    network = Mapping(64, 0, 64, 2)
    network.load_state_dict(arrays.below("G.mapping."))
    return network.eval()


@pytest.fixture
def synthesis(arrays: Arrays) -> Synthesis:
    network = Synthesis(SETTINGS)
    network.load_state_dict(arrays.below("G.synthesis."))
    return network.eval()


UPFIRDN = {
    "up2_pad2121": {"up": 2, "padding": (2, 1, 2, 1), "gain": 4.0},
    "down2_pad1111": {"down": 2, "padding": (1, 1, 1, 1)},
    "pad_neg": {"padding": (-1, 2, 3, -2)},
    "up3down2": {"up": 3, "down": 2, "padding": (4, 1, 2, 3)},
}


@pytest.mark.parametrize("case", UPFIRDN)
@pytest.mark.parametrize(("kernel", "flip"), [("f1331", False), ("fasym", False), ("fasym", True)])
def test_upfirdn2d(ops: Arrays, case: str, kernel: str, flip: bool) -> None:
    f = ops.tensor("in.f1331" if kernel == "f1331" else "in.f_asym")
    y = upfirdn2d(ops.tensor("in.x"), f, flip=flip, **UPFIRDN[case])
    name = f"upfirdn2d_{kernel}_{'flip_' if flip else ''}{case}"
    assert_close(y, ops.tensor(f"out.{name}"), **EXACT, what=name)


def test_resampling(ops: Arrays) -> None:
    x, f = ops.tensor("in.x"), ops.tensor("in.f1331")
    assert torch.equal(resample_filter(), f)
    assert_close(upsample2d(x, f), ops.tensor("out.upsample2d"), **EXACT, what="upsample2d")


def test_shifts_and_sums_are_the_filter() -> None:
    x = torch.randn(2, 3, 9, 11, dtype=torch.float64)
    wanted = upfirdn2d(x, resample_filter(), padding=(1, 1, 1, 1), gain=4.0)
    torch.testing.assert_close(smooth_transposed(x) * TAPS_GAIN, wanted)


def test_activation(ops: Arrays) -> None:
    x = ops.tensor("in.x") + ops.tensor("in.b")[:, None, None]
    assert_close(activate(x), ops.tensor("out.bias_act_lrelu"), **EXACT, what="lrelu")


def test_the_convolution_that_doubles_the_size(ops: Arrays) -> None:
    x, weight = ops.tensor("in.x"), ops.tensor("in.w")
    up = smooth_transposed(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)) * TAPS_GAIN
    assert_close(up, ops.tensor("out.conv_up2_flip0"), **EXACT, what="up")


def test_mapping(mapping: Mapping, arrays: Arrays) -> None:
    w = mapping(arrays.tensor("in.z"))
    ws = w[:, None].expand(-1, SETTINGS.num_ws, -1)
    assert_close(ws, arrays.tensor("out.ws"), **EXACT, what="ws")
    assert_close(mapping.w_avg.lerp(ws, 0.7), arrays.tensor("out.ws_psi0.7"), **EXACT, what="psi 0.7")


def test_pictures_of_every_noise_mode(synthesis: Synthesis, arrays: Arrays) -> None:
    ws = arrays.tensor("out.ws")
    assert_close(synthesis(ws), arrays.tensor("out.img_const"), **CLOSE, what="const")
    assert_close(synthesis(ws), arrays.tensor("out.img_const_unfused"), **CLOSE, what="const, unfused")
    none = synthesis(ws, noise_mode=NoiseMode.none)
    assert_close(none, arrays.tensor("out.img_none"), **CLOSE, what="none")
    truncated = synthesis(arrays.tensor("out.ws_psi0.7"))
    assert_close(truncated, arrays.tensor("out.img_full_psi0.7_const"), **CLOSE, what="psi 0.7")
    torch.manual_seed(1234)
    random = synthesis(arrays.tensor("in.wplus"), noise_mode=NoiseMode.random)
    assert_close(random, arrays.tensor("out.wplus_img_random_seed1234"), **CLOSE, what="random")


@pytest.mark.parametrize("frozen", [False, True])
def test_gradients_of_latents_and_noise(synthesis: Synthesis, arrays: Arrays, frozen: bool) -> None:
    if frozen:
        synthesis.freeze(torch.float32)
    w_plus = arrays.tensor("in.wplus").requires_grad_(True)
    noise = tuple(one.clone().requires_grad_(True) for one in synthesis.noise_maps())
    image = synthesis(w_plus, noise)
    assert_close(image, arrays.tensor("out.wplus_img_const"), **CLOSE, what="picture")
    (image * arrays.tensor("in.wplus_cotangent")).sum().backward()
    assert w_plus.grad is not None
    assert_close(w_plus.grad, arrays.tensor("out.wplus_grad"), **CLOSE, what="gradient of w_plus")
    names = [name for name, _ in synthesis.named_buffers() if name.endswith("noise_const")]
    assert len(names) == len(noise) == 9
    by_size = sorted(names, key=lambda name: (int(name.split(".")[0][1:]), name))
    for name, one in zip(by_size, noise, strict=True):
        assert one.grad is not None
        assert_close(one.grad[0, 0], arrays.tensor(f"out.noise_grad.{name}"), **CLOSE, what=name)


def test_bf16_convolutions_stay_near(synthesis: Synthesis, arrays: Arrays) -> None:
    exact = synthesis(arrays.tensor("in.wplus")).detach()
    synthesis.freeze(torch.bfloat16)
    rough = synthesis(arrays.tensor("in.wplus"))
    assert rough.dtype == torch.float32
    # bfloat16: (2^-8)² of the signal's power is 1.5e-5 for one rounding
    assert 0 < float((rough - exact).square().mean() / exact.square().mean()) < 1e-4


def test_freezing_again_takes_the_new_weights(synthesis: Synthesis, arrays: Arrays) -> None:
    ws = arrays.tensor("out.ws")
    synthesis.freeze(torch.float32)
    before = synthesis(ws)
    with torch.no_grad():
        synthesis.layers()[0].weight.mul_(-1)
    assert torch.equal(synthesis(ws), before)
    synthesis.freeze(torch.float32)
    assert not torch.allclose(synthesis(ws), before)


@pytest.mark.parametrize("architecture", ["orig", "resnet"])
def test_other_architectures_train(architecture: str) -> None:
    """No published numbers: names of the reference, shapes, and gradients that reach every weight."""
    settings = GeneratorArchitecture(16, 8, 8, c_dim=3, channel_base=64, channel_max=8, architecture=architecture)
    mapping, synthesis = Mapping(8, 3, 8, 2), Synthesis(settings)
    w = mapping(torch.randn(4, 8), torch.eye(4, 3))
    images = synthesis(w[:, None].expand(-1, settings.num_ws, -1), noise_mode=NoiseMode.random)
    assert images.shape == (4, 3, 16, 16)
    images.square().sum().backward()
    for network in (mapping, synthesis):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
    names = {name for name, _ in synthesis.named_parameters()}
    assert ("b8.skip.weight" in names) == (architecture == "resnet")
    assert "b8.torgb.weight" not in names
    assert "b16.torgb.weight" in names


def test_modulated_activations_equal_modulated_weights() -> None:
    """The definition of Karras et al. 2020, equations 1 and 3, in double precision."""
    torch.manual_seed(0)
    synthesis = Synthesis(GeneratorArchitecture(8, 4, 4, channel_base=32, channel_max=4)).double()
    layer = synthesis.layers()[-1]
    x, w = torch.randn(2, 4, 8, 8, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
    styles = layer.affine(w)
    wanted: list[Tensor] = []
    for picture, style in zip(x, styles, strict=True):
        modulated = layer.weight * style[None, :, None, None]
        modulated = modulated / (modulated.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        wanted.append(F.conv2d(picture[None], modulated, padding=1))
    torch.testing.assert_close(layer(x, w, None), activate(torch.cat(wanted)))
