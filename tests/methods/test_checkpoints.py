"""Files of weights: our own and the reference program's, and what is said of those that do not fit."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path

import pytest
import torch
from torch import nn

from unmask.config import CycleGANConfig, Pix2PixConfig, Pix2PixInput
from unmask.errors import UnmaskError
from unmask.methods.checkpoints import load_generator, save_generator
from unmask.networks.discriminators import PatchDiscriminator
from unmask.networks.kinds import Norm
from unmask.networks.resnet_generator import ResNetGenerator
from unmask.networks.unet_generator import UNetGenerator

PIX2PIX = Pix2PixConfig(name="pix2pix", ngf=2, depth=5, input=Pix2PixInput.masked)
CYCLEGAN = CycleGANConfig(name="cyclegan", ngf=2, blocks=2)


def unet() -> UNetGenerator:
    return UNetGenerator(3, depth=5, ngf=2)


def resnet() -> ResNetGenerator:
    return ResNetGenerator(ngf=2, blocks=2)


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_our_own_files_come_back(tmp_path: Path) -> None:
    network, other = unet(), unet()
    save_generator(network, tmp_path / "w.safetensors", method="pix2pix", facts={"step": 3})
    assert not same(network, other)
    load_generator(other, str(tmp_path / "w.safetensors"), PIX2PIX)
    assert same(network, other)


def test_a_run_directory_means_its_best_weights(tmp_path: Path) -> None:
    best, last, other = unet(), unet(), unet()
    save_generator(last, tmp_path / "checkpoints" / "last.safetensors", method="pix2pix", facts={})
    load_generator(other, str(tmp_path), PIX2PIX)
    assert same(other, last)
    save_generator(best, tmp_path / "checkpoints" / "best.safetensors", method="pix2pix", facts={})
    load_generator(other, str(tmp_path), PIX2PIX)
    assert same(other, best)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_the_reference_programs_files_load(prefix: str, tmp_path: Path) -> None:
    path = tmp_path / "latest_net_G.pth"
    network, other = unet(), unet()
    torch.save({prefix + name: tensor for name, tensor in network.state_dict().items()}, path)
    load_generator(other, str(path), PIX2PIX)
    assert same(network, other)


def test_old_files_with_statistics_of_instance_norm_load(tmp_path: Path) -> None:
    """Before PyTorch 0.4 instance norm kept running statistics; the reference program deletes them on loading."""
    path = tmp_path / "latest_net_G_A.pth"
    network, other = resnet(), resnet()
    state = dict(network.state_dict())
    for name, module in network.named_modules():
        if isinstance(module, nn.InstanceNorm2d):
            state |= {f"{name}.running_mean": torch.ones(2), f"{name}.running_var": torch.ones(2)}
            state[f"{name}.num_batches_tracked"] = torch.tensor(5)
    assert len(state) > len(other.state_dict())
    torch.save(state, path)
    load_generator(other, str(path), CYCLEGAN)
    assert same(network, other)


def test_residual_blocks_trained_with_dropout_load(tmp_path: Path) -> None:
    """There the second convolution comes one place later."""
    network, other = resnet(), resnet()
    shifted = {name.replace("conv_block.5.", "conv_block.6."): value for name, value in network.state_dict().items()}
    torch.save(shifted, tmp_path / "latest_net_G.pth")
    load_generator(other, str(tmp_path / "latest_net_G.pth"), CYCLEGAN)
    assert same(network, other)


@pytest.mark.parametrize(
    ("held", "told"),
    [
        (
            UNetGenerator(4, depth=6, ngf=4),
            "It holds a U-Net: method.ngf=4 method.depth=6 method.input=visible.",
        ),
        (UNetGenerator(3, depth=5, ngf=2, norm=Norm.instance), "method.norm=instance"),
        (
            ResNetGenerator(ngf=4, blocks=3),
            "It holds a ResNet: method=cyclegan method.ngf=4 method.blocks=3 method.norm=instance.",
        ),
        (PatchDiscriminator(6, ndf=2), "a discriminator's file, perhaps"),
    ],
)
def test_another_networks_file_is_refused_with_the_settings_that_fit(
    held: nn.Module, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "latest_net_G.pth"
    torch.save(held.state_dict(), path)
    network = unet()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(UnmaskError, match="does not fit") as caught:
        load_generator(network, str(path), PIX2PIX)
    assert told in str(caught.value)
    assert str(path) in str(caught.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_another_methods_file_is_refused(tmp_path: Path) -> None:
    save_generator(resnet(), tmp_path / "w.safetensors", method="cyclegan", facts={})
    with pytest.raises(UnmaskError, match="method=cyclegan, not pix2pix"):
        load_generator(unet(), str(tmp_path / "w.safetensors"), PIX2PIX)


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {Path(os.environ['HOSTILE'])}",)


def test_nothing_in_a_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTILE", str(tmp_path / "was_here"))
    path = tmp_path / "latest_net_G.pth"
    torch.save({"weight": Hostile()}, path)
    with pytest.raises(UnmaskError, match=r"latest_net_G\.pth"):
        load_generator(unet(), str(path), PIX2PIX)
    assert not (tmp_path / "was_here").exists()


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_a_damaged_file_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"no weights at all")
    with pytest.raises(UnmaskError, match=name):
        load_generator(unet(), str(tmp_path / name), PIX2PIX)


def test_more_than_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "state": [unet().state_dict()]}, tmp_path / "all.pth")
    with pytest.raises(UnmaskError, match="latest_net_G"):
        load_generator(unet(), str(tmp_path / "all.pth"), PIX2PIX)


def test_missing_files_and_weights_that_do_not_ship() -> None:
    with pytest.raises(UnmaskError, match=r"nowhere\.pth: no such file"):
        load_generator(unet(), "nowhere.pth", PIX2PIX)
    with pytest.raises(UnmaskError, match="no weights of method=cyclegan ship"):
        load_generator(resnet(), "pretrained", CYCLEGAN)


@pytest.mark.parametrize("container", ["state_dict", "model", "model_state_dict", "params_ema"])
@pytest.mark.parametrize("old", [False, True])
def test_state_dicts_in_containers_load(container: str, old: bool, tmp_path: Path) -> None:
    network, other = unet(), unet()
    torch.save(
        {"epoch": 3, container: {f"module.{name}": value for name, value in network.state_dict().items()}},
        tmp_path / "w.pth",
        _use_new_zipfile_serialization=not old,
    )
    load_generator(other, str(tmp_path / "w.pth"), PIX2PIX)
    assert same(network, other)


@pytest.mark.parametrize("norm", Norm)
@pytest.mark.parametrize("dropout", [False, True])
def test_residual_blocks_of_every_kind_load(norm: Norm, dropout: bool, tmp_path: Path) -> None:
    network, other = (ResNetGenerator(ngf=2, blocks=2, norm=norm) for _ in range(2))
    torch.save(shifted(network) if dropout else network.state_dict(), tmp_path / "w.pth")
    load_generator(other, str(tmp_path / "w.pth"), CycleGANConfig(name="cyclegan", ngf=2, blocks=2, norm=norm))
    assert same(network, other)


def shifted(network: nn.Module) -> dict[str, torch.Tensor]:
    """The names with a dropout layer in every residual block."""
    place = {"5": "6", "6": "7"}
    found = {}
    for name, value in network.state_dict().items():
        head, block, tail = name.partition("conv_block.")
        number, dot, rest = tail.partition(".")
        found[f"{head}{block}{place.get(number, number) if block else number}{dot}{rest}"] = value
    return found


HELD: dict[str, Callable[[], nn.Module]] = {
    f"unet {channels} {depth} {ngf} {norm.value}": functools.partial(
        UNetGenerator, channels, depth=depth, ngf=ngf, norm=norm
    )
    for channels in (3, 4) for depth in (5, 6) for ngf in (2, 3) for norm in Norm
} | {
    f"resnet {ngf} {blocks} {norm.value}": functools.partial(ResNetGenerator, ngf=ngf, blocks=blocks, norm=norm)
    for ngf in (2, 3) for blocks in (1, 2) for norm in Norm
}  # fmt: skip


def build(config: Pix2PixConfig | CycleGANConfig) -> nn.Module:
    if isinstance(config, CycleGANConfig):
        return ResNetGenerator(ngf=config.ngf, blocks=config.blocks, norm=config.norm)
    channels = 4 if config.input is Pix2PixInput.visible else 3
    return UNetGenerator(channels, depth=config.depth, ngf=config.ngf, norm=config.norm)


def followed(hint: str, config: Pix2PixConfig | CycleGANConfig) -> Pix2PixConfig | CycleGANConfig:
    """The settings after what the message says has been typed."""
    given = dict(re.findall(r"(method[.\w]*)=(\w+)", hint.partition("It holds")[2]))
    assert given, hint
    if "method" in given:
        config = {"pix2pix": PIX2PIX, "cyclegan": CYCLEGAN}[given.pop("method")]
    kinds = {"norm": Norm, "input": Pix2PixInput}
    values = {key.removeprefix("method."): value for key, value in given.items()}
    return dataclasses.replace(config, **{k: kinds.get(k, int)(v) for k, v in values.items()})  # type: ignore[operator]


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("config", [PIX2PIX, CYCLEGAN], ids=["as pix2pix", "as cyclegan"])
def test_every_hint_leads_to_settings_that_load(
    held: str, config: Pix2PixConfig | CycleGANConfig, tmp_path: Path
) -> None:
    network = HELD[held]()
    torch.save(network.state_dict(), tmp_path / "w.pth")
    try:
        load_generator(build(config), str(tmp_path / "w.pth"), config)
    except UnmaskError as error:
        if "method=" not in str(error).partition("It holds")[2]:
            for name, value in re.findall(r"method\.(\w+)=(\w+)", str(error).partition("It holds")[2]):
                given = vars(config)[name]
                assert str(given.value if isinstance(given, Enum) else given) != value, "that was given already"
        config = followed(str(error), config)
    other = build(config)
    load_generator(other, str(tmp_path / "w.pth"), config)
    assert same(network, other)


def test_settings_that_fit_and_tensors_that_do_not_give_no_hint(tmp_path: Path) -> None:
    state = dict(unet().state_dict())
    state["attention.weight"] = torch.ones(2)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(UnmaskError, match="Its settings fit a U-Net") as caught:
        load_generator(unet(), str(tmp_path / "w.pth"), PIX2PIX)
    assert "method." not in str(caught.value).partition("does not fit")[2]


@pytest.mark.parametrize("network", [UNetGenerator(1, depth=5, ngf=2), nn.Conv2d(1, 2, 7)], ids=["unet", "resnet"])
def test_models_of_one_channel_are_said_to_be_so(network: nn.Module, tmp_path: Path) -> None:
    state = network.state_dict()
    if isinstance(network, nn.Conv2d):
        state = {**resnet().state_dict(), "model.1.weight": network.weight.detach()}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(UnmaskError, match=r"pictures of 1 .*input_nc=1.*only those of three, RGB, are supported"):
        load_generator(unet(), str(tmp_path / "w.pth"), PIX2PIX)


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path) -> None:
    state = dict(unet().state_dict())
    state["model.model.0.weight"] = torch.full_like(state["model.model.0.weight"], float("nan"))
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(UnmaskError, match=r"'model\.model\.0\.weight' with 96 of 96 numbers that are NaN"):
        load_generator(unet(), str(tmp_path / "w.pth"), PIX2PIX)
