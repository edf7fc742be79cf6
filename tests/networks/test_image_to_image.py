"""The image-to-image networks against the reference program's arrays."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from helpers.golden_arrays import Arrays, assert_close, check_network
from unmask.errors import UnmaskError
from unmask.networks.discriminators import PatchDiscriminator, PixelDiscriminator
from unmask.networks.kinds import Norm
from unmask.networks.normalisation import InstanceNorm, initialise
from unmask.networks.resnet_generator import ResNetGenerator
from unmask.networks.unet_generator import UNetGenerator

NETWORKS: dict[str, nn.Module] = {
    "resnet9_in_ngf8": ResNetGenerator(ngf=8, blocks=9),
    "unet6downs_bn_ngf8_64px": UNetGenerator(depth=6, ngf=8, dropout=False),
    "nlayerD3_in_ndf8": PatchDiscriminator(3, ndf=8, norm=Norm.instance),
    "nlayerD3_bn_ndf8_6ch": PatchDiscriminator(6, ndf=8),
    "pixelD_bn_ndf8": PixelDiscriminator(3, ndf=8),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_equals_the_reference(name: str, golden: Path) -> None:
    check_network(NETWORKS[name], Arrays(golden, name))


def test_dropout_is_where_the_reference_has_it(golden: Path) -> None:
    arrays = Arrays(golden, "unet6downs_bn_dropout_ngf8_64px")
    network = UNetGenerator(depth=6, ngf=8, dropout=True)
    network.load_state_dict(arrays.below("net."), strict=True)
    dropouts = {name: module for name, module in network.named_modules() if isinstance(module, nn.Dropout)}
    assert list(dropouts) == list(arrays.below("out.dropout_in."))
    (name,) = dropouts
    before = arrays.tensor(f"out.dropout_in.{name}")
    after = arrays.tensor(f"out.dropout_out.{name}")
    kept = torch.where(before != 0, after / before, torch.zeros(()))
    seen = []

    def replay(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor:
        seen.append(inputs[0])
        return inputs[0] * kept

    dropouts[name].register_forward_hook(replay)
    y = network.train()(arrays.tensor("in.x"))
    # the arrays' README: single networks in float32
    assert_close(seen[0], before, rtol=1e-4, atol=1e-5, what="dropout's input")
    assert_close(y, arrays.tensor("out.train.y_seed4321"), rtol=1e-4, atol=1e-5, what="output")


def test_reference_sizes() -> None:
    """Parameters and outputs of the full-size networks, as the papers' code prints them."""
    millions = {
        "resnet": sum(p.numel() for p in ResNetGenerator().parameters()) / 1e6,
        "unet": sum(p.numel() for p in UNetGenerator().parameters()) / 1e6,
        "patch": sum(p.numel() for p in PatchDiscriminator(6).parameters()) / 1e6,
    }
    assert {name: round(value, 3) for name, value in millions.items()} == {
        "resnet": 11.378, "unet": 54.414, "patch": 2.769,
    }  # fmt: skip
    assert PatchDiscriminator(3)(torch.zeros(1, 3, 256, 256)).shape == (1, 1, 30, 30)


@pytest.mark.parametrize("depth", [5, 7])
def test_any_depth(depth: int) -> None:
    size = 2**depth
    network = UNetGenerator(4, 3, depth=depth, ngf=2, norm=Norm.instance, dropout=False).eval()
    assert network(torch.zeros(1, 4, 2 * size, size)).shape == (1, 3, 2 * size, size)


def test_a_shallow_unet_is_refused() -> None:
    with pytest.raises(UnmaskError, match=r"method\.depth=4"):
        UNetGenerator(depth=4)


def test_initialisation() -> None:
    torch.manual_seed(0)
    network = UNetGenerator(depth=5, ngf=32)
    initialise(network)
    network.requires_grad_(False)
    weights = torch.cat([m.weight.flatten() for m in network.modules() if isinstance(m, nn.Conv2d)])
    assert abs(float(weights.std()) - 0.02) < 1e-4
    scales = torch.cat([m.weight.flatten() for m in network.modules() if isinstance(m, nn.BatchNorm2d)])
    assert abs(float(scales.mean()) - 1) < 2e-3
    assert abs(float(scales.std()) - 0.02) < 2e-3
    assert all(float(p.abs().max()) == 0 for name, p in network.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("norm", Norm)
def test_the_memory_layout_does_not_change_gradients(norm: Norm, batch: int) -> None:
    """PyTorch's instance norm fails this for one picture: its gradients are those of scrambled channels."""
    torch.manual_seed(0)
    network = ResNetGenerator(ngf=2, blocks=1, norm=norm).double()
    other = copy.deepcopy(network).to(memory_format=torch.channels_last)
    x = torch.rand(batch, 3, 32, 32, dtype=torch.float64)
    for one in (network, other):
        one(x).square().sum().backward()
    for (name, one), two in zip(network.named_parameters(), other.parameters(), strict=True):
        assert one.grad is not None
        assert two.grad is not None
        if name.endswith("weight"):
            # float64: sums in another order
            assert_close(two.grad, one.grad, rtol=1e-9, atol=1e-9, what=name)


def test_compiled_instance_norm_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(2, 3, 8, 8) * 5 + 2
    eager = InstanceNorm(3)(x)
    torch.testing.assert_close(eager, nn.InstanceNorm2d(3)(x))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(InstanceNorm(3)(x), eager)
    half = InstanceNorm(3)(x.bfloat16())
    assert half.dtype is torch.bfloat16
    # bfloat16 keeps 8 bits, 2^-8 = 0.004, and rounds several times
    torch.testing.assert_close(half.float(), eager, rtol=0.02, atol=0.02)
