"""Checkpoints of rosinality/stylegan2-pytorch: the reference's own file, and files of every age written here."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers.golden_arrays import Arrays, assert_close
from helpers.small_stylegan2 import SETTINGS, random_state
from unmask.config import GeneratorNetwork, StyleGAN2Config
from unmask.errors import UnmaskError
from unmask.generators.stylegan2.architecture import GeneratorArchitecture
from unmask.generators.stylegan2.checkpoints.read import read_checkpoint
from unmask.generators.stylegan2.filters import resample_filter
from unmask.generators.stylegan2.generator import StyleGAN2

FOLDER = "stylegan2_rosinality"
# the arrays' README: float32, relative to the largest value
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.mark.parametrize("network", GeneratorNetwork)
def test_the_references_checkpoint(network: GeneratorNetwork, golden: Path) -> None:
    expected = Arrays(golden, "rosinality_small_expected", FOLDER)
    checkpoint = read_checkpoint(golden / FOLDER / "rosinality_small.pt", network)
    assert checkpoint.settings == GeneratorArchitecture(64, 64, 64, mapping_layers=2, channel_base=1024, channel_max=32)
    assert checkpoint.source.remarks == ()
    out = expected.below(f"out.{network.value}.")
    prior = StyleGAN2(checkpoint.settings, checkpoint.state, resolution=64)
    w = prior.map(expected.tensor("in.z"))
    assert_close(w, out["w"], rtol=1e-5, atol=1e-6, what="w")
    w_plus = w[:, None].expand(-1, prior.num_ws, -1)
    picture, near = sorted(name for name in out if name != "w")
    assert_close(prior.synthesize(w_plus), out[picture], **CLOSE, what=picture)
    assert_close(prior.synthesize(prior.mapping.w_avg.lerp(w_plus, 0.7)), out[near], **CLOSE, what=near)


def test_w_plus_and_noise_of_the_reference(golden: Path, tmp_path: Path) -> None:
    arrays = Arrays(golden, "generator64", FOLDER)
    torch.save({"g_ema": arrays.below("G."), "latent_avg": arrays.tensor("in.latent_avg")}, tmp_path / "net.pt")
    checkpoint = read_checkpoint(tmp_path / "net.pt")
    prior = StyleGAN2(checkpoint.settings, checkpoint.state, resolution=64)
    noise = tuple(arrays.tensor(f"in.noise_{index}") for index in range(9))
    picture = prior.synthesize(arrays.tensor("in.wplus"), noise)
    assert_close(picture, arrays.tensor("out.wplus_img_fixed_noise"), **CLOSE, what="picture")


def old_names(state: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    """A state of NVlabs' names by those of rosinality, written down independently of the reader."""
    state = random_state() if state is None else state
    renamed, blur = {}, resample_filter() * 4
    for index in range(SETTINGS.mapping_layers):
        for kind in ("weight", "bias"):
            renamed[f"style.{index + 1}.{kind}"] = state[f"mapping.fc{index}.{kind}"]
    renamed["input.input"] = state["synthesis.b4.const"][None]
    places = [("conv1", "b4.conv1"), ("to_rgb1", "b4.torgb")]
    for index, resolution in enumerate((8, 16, 32)):
        places += [(f"convs.{2 * index}", f"b{resolution}.conv0"), (f"convs.{2 * index + 1}", f"b{resolution}.conv1")]
        places += [(f"to_rgbs.{index}", f"b{resolution}.torgb")]
        renamed[f"convs.{2 * index}.conv.blur.kernel"] = renamed[f"to_rgbs.{index}.upsample.kernel"] = blur
    noises = 0
    for new, old in places:
        renamed[f"{new}.conv.weight"] = state[f"synthesis.{old}.weight"][None]
        renamed[f"{new}.conv.modulation.weight"] = state[f"synthesis.{old}.affine.weight"]
        renamed[f"{new}.conv.modulation.bias"] = state[f"synthesis.{old}.affine.bias"]
        if "rgb" in new:
            renamed[f"{new}.bias"] = state[f"synthesis.{old}.bias"].view(1, 3, 1, 1)
            continue
        renamed[f"{new}.activate.bias"] = state[f"synthesis.{old}.bias"]
        renamed[f"{new}.noise.weight"] = state[f"synthesis.{old}.noise_strength"].view(1)
        renamed[f"noises.noise_{noises}"] = state[f"synthesis.{old}.noise_const"][None, None]
        noises += 1
    return renamed


def save(path: Path, content: Any, *, old: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    return path


@pytest.mark.parametrize("old", [False, True])
def test_renaming_is_all(old: bool, tmp_path: Path) -> None:
    state = random_state()
    content = {"g_ema": old_names(), "latent_avg": state["mapping.w_avg"]}
    checkpoint = read_checkpoint(save(tmp_path / "net.bin", content, old=old))
    assert checkpoint.settings == SETTINGS
    assert set(checkpoint.state) == set(state)
    assert all(torch.equal(checkpoint.state[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("old", [False, True])
def test_a_checkpoint_of_its_training(old: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With optimisers and options, and without an average of w or, in the first versions, noise maps."""
    state = {name: tensor for name, tensor in old_names().items() if not name.startswith("noises.")}
    optimiser = torch.optim.Adam([nn.Parameter(torch.ones(2))])
    content = {
        "g": state, "d": {}, "g_ema": state, "g_optim": optimiser.state_dict(), "d_optim": optimiser.state_dict(),
        "args": argparse.Namespace(size=32, lr=0.002, mixing=0.9), "ada_aug_p": 0.1,
    }  # fmt: skip
    path = save(tmp_path / "550000.pt", content, old=old)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again = read_checkpoint(path), read_checkpoint(path, GeneratorNetwork.g)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(again.state[name], tensor) for name, tensor in first.state.items())
    assert [remark.split(";")[0] for remark in first.source.remarks] == [
        "The file holds no noise maps",
        "The file holds no latent_avg",
    ]
    mapping = StyleGAN2(first.settings, first.state, resolution=32).mapping
    w = mapping(torch.randn(20_000, SETTINGS.z_dim))
    deviation = w.std(0) / 10_000**0.5
    assert ((mapping.w_avg - w.mean(0)).abs() < 6 * deviation).all()
    noise = first.state["synthesis.b32.conv1.noise_const"]
    assert 0.9 < noise.std() < 1.1
    with caplog.at_level(logging.INFO, "unmask"):
        StyleGAN2.build(StyleGAN2Config(checkpoint=str(path)), 32)
    assert "no latent_avg" in caplog.text


def without(name: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in old_names().items() if key != name}


def reshaped(name: str, tensor: Tensor) -> dict[str, Tensor]:
    return old_names() | {name: tensor}


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "no generator": (lambda: {"d": {}}, "holds no g_ema, but 'd';"),
    "a list": (lambda: [1.0], "holds no g_ema, but a list"),
    "a generator of nothing": (lambda: {"g_ema": {}}, "holds no g_ema, but 'g_ema'"),
    "a generator of numbers": (lambda: {"g_ema": {"a": 1}}, "holds no g_ema"),
    "another network": (lambda: {"g_ema": {"layer.weight": torch.ones(2)}}, "not those of a StyleGAN2 of rosinality"),
    "no first tensor": (lambda: {"g_ema": without("input.input")}, "not those of a StyleGAN2 of rosinality"),
    "a missing tensor": (lambda: {"g_ema": without("convs.3.activate.bias")}, r"are missing \(.*b16\.conv1\.bias"),
    "a missing noise map": (lambda: {"g_ema": without("noises.noise_3")}, r"missing \(.*b16\.conv0\.noise_const"),
    "an unknown tensor": (lambda: {"g_ema": reshaped("attention.weight", torch.ones(2))}, "are unknown .'attention"),
    "a flat one": (lambda: {"g_ema": reshaped("input.input", torch.ones(16))}, "do not have the shapes"),
    "a table of channels": (lambda: {"g_ema": reshaped("input.input", torch.ones(1, 9, 4, 4))}, "differ in shape"),
    "an average": (lambda: {"g_ema": old_names(), "latent_avg": torch.ones(3)}, r"mapping\.w_avg': 3 instead of 16"),
    "a kernel": (
        lambda: {"g_ema": reshaped("convs.0.conv.blur.kernel", torch.ones(4, 4))},
        r"convs\.0\.conv\.blur\.kernel is not the filter",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_every_wrong_file_has_its_message(case: str, tmp_path: Path) -> None:
    make, message = WRONG[case]
    with pytest.raises(UnmaskError, match=rf"net\.pt: .*{message}"):
        read_checkpoint(save(tmp_path / "net.pt", make()))


class Attack:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch canary",)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("evil", "message"),
    [(Attack(), r"(posix|nt)\.system"), (nn.Linear(2, 2), r"torch\.nn\.modules\.linear\.Linear")],
)
def test_nothing_is_run(evil: Any, message: str, old: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for content in (evil, {"g_ema": evil}, {"g_ema": old_names(), "args": argparse.Namespace(evil=evil)}):
        path = save(tmp_path / "net.pt", content, old=old)
        with pytest.raises(UnmaskError, match=rf"net\.pt: refused, for it asks for {message}.*Nothing in it was run"):
            read_checkpoint(path)
        assert not Path("canary").exists()
    torch.load(save(tmp_path / "net.pt", Attack(), old=old), weights_only=False)
    assert Path("canary").exists()


@pytest.mark.parametrize("old", [False, True])
def test_a_truncated_file(old: bool, tmp_path: Path) -> None:
    content = {"g_ema": old_names(), "latent_avg": random_state()["mapping.w_avg"]}
    path = save(tmp_path / "net.pt", content, old=old)
    data = path.read_bytes()
    for length in (len(data) - 1, len(data) // 2, 2000, 100, 20):
        path.write_bytes(data[:length])
        with pytest.raises(UnmaskError, match=r"net\.pt: cannot be read .*damaged or incomplete; fetch it again"):
            read_checkpoint(path)


def average() -> Tensor:
    return random_state()["mapping.w_avg"]


WRAPPED: dict[str, Callable[[], Any]] = {
    "a state dict alone": old_names,
    "DataParallel": lambda: {"g_ema": {f"module.{name}": value for name, value in old_names().items()}},
    "compiled and DataParallel": lambda: {
        "state_dict": {f"_orig_mod.module.{name}": value for name, value in old_names().items()}
    },
    "pSp": lambda: {
        "state_dict": {"encoder.body.0.weight": torch.ones(2)}
        | {f"decoder.{name}": value for name, value in old_names().items()},
        "latent_avg": average().expand(10, -1).clone(),
        "opts": argparse.Namespace(output_size=32),
    },
    "pSp with one average": lambda: {
        "state_dict": {f"decoder.{name}": value for name, value in old_names().items()},
        "latent_avg": average(),
        "opts": {"output_size": 32},
    },
}


@pytest.mark.parametrize("kind", WRAPPED)
@pytest.mark.parametrize("old", [False, True])
def test_generators_in_other_wrappings(kind: str, old: bool, tmp_path: Path) -> None:
    expected = read_checkpoint(save(tmp_path / "plain.pt", {"g_ema": old_names(), "latent_avg": average()}))
    found = read_checkpoint(save(tmp_path / "net.pt", WRAPPED[kind](), old=old))
    assert found.settings == expected.settings
    for name, tensor in expected.state.items():
        if name != "mapping.w_avg" or kind.startswith("pSp"):
            torch.testing.assert_close(found.state[name], tensor, msg=name)


def test_a_generator_alone_is_not_taken_for_the_last_state(tmp_path: Path) -> None:
    with pytest.raises(UnmaskError, match="holds a single generator"):
        read_checkpoint(save(tmp_path / "net.pt", old_names()), GeneratorNetwork.g)
