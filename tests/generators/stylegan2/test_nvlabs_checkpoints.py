"""Network pickles of NVlabs: the reference's own file, and files of every age and flavour written here."""

from __future__ import annotations

import dataclasses
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from helpers.golden_arrays import Arrays, assert_close
from helpers.small_stylegan2 import random_state
from helpers.stylegan2_pickles import (
    TINY,
    EasyDict,
    Persistent,
    ada_options,
    dumped,
    generator,
    record,
    snapshot,
    stylegan3_options,
    write_pickle,
)
from unmask.config import GeneratorNetwork, NoiseMode
from unmask.errors import UnmaskError
from unmask.generators.stylegan2.architecture import GeneratorArchitecture
from unmask.generators.stylegan2.checkpoints.checkpoint import Checkpoint
from unmask.generators.stylegan2.checkpoints.nvlabs_pickle import _vocabulary
from unmask.generators.stylegan2.checkpoints.read import read_checkpoint
from unmask.generators.stylegan2.generator import StyleGAN2
from unmask.generators.stylegan2.layers import FullyConnected
from unmask.tensorfiles.budget import Budget
from unmask.tensorfiles.pickle_machine import load
from unmask.tensorfiles.storage import StoredTensor

FOLDER = "stylegan2_nvlabs"
# the arrays' README: float32, relative to the largest value
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def assert_holds(checkpoint: Checkpoint, settings: GeneratorArchitecture = TINY) -> None:
    """Exactly the numbers of `random_state`, in order, in memory of their own."""
    wanted = random_state(settings)
    assert checkpoint.settings == settings
    assert set(checkpoint.state) == set(wanted)
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in checkpoint.state.items())
    assert {tensor.dtype for tensor in checkpoint.state.values()} == {torch.float32}


@pytest.mark.parametrize("network", GeneratorNetwork)
def test_the_references_pickle(network: GeneratorNetwork, golden: Path) -> None:
    expected = Arrays(golden, "network_small_expected", FOLDER)
    key = {"g_ema": "G_ema", "g": "G"}[network.value]
    checkpoint = read_checkpoint(golden / FOLDER / "network_small.pkl", network)
    assert checkpoint.settings == GeneratorArchitecture(64, 64, 64, mapping_layers=2, channel_base=1024, channel_max=64)
    names = [str(name) for name in expected.arrays[f"check.{key}.keys"]]
    assert set(checkpoint.state) == set(names)
    for name, total, size in zip(
        names, expected.arrays[f"check.{key}.sum"], expected.arrays[f"check.{key}.abssum"], strict=True
    ):
        tensor = checkpoint.state[name].double()
        # float64 sums of float32 numbers in another order; abs for sums near 0
        assert tensor.sum().item() == pytest.approx(total, rel=1e-12, abs=1e-9), name
        assert tensor.abs().sum().item() == pytest.approx(size, rel=1e-12), name
    state = expected.below("state.G_ema.") if network is GeneratorNetwork.g_ema else {}
    assert all(torch.equal(checkpoint.state[name], tensor) for name, tensor in state.items())
    assert network is GeneratorNetwork.g or set(state) == set(names)

    prior = StyleGAN2(checkpoint.settings, checkpoint.state, resolution=64)
    ws = prior.map(expected.tensor("in.z"))[:, None].expand(-1, prior.num_ws, -1)
    assert_close(ws, expected.tensor(f"out.{key}.ws"), rtol=1e-5, atol=1e-6, what="ws")
    assert_close(prior.synthesize(ws), expected.tensor(f"out.{key}.img_const"), **CLOSE, what="picture")
    if network is GeneratorNetwork.g_ema:
        near = prior.mapping.w_avg.lerp(ws, 0.7)
        assert_close(prior.synthesize(near), expected.tensor("out.G_ema.img_psi0.7_const"), **CLOSE, what="psi 0.7")
        prior.noise_mode = NoiseMode.none
        assert_close(prior.synthesize(ws), expected.tensor("out.G_ema.img_none"), **CLOSE, what="without noise")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("table", [dict, OrderedDict])
def test_every_protocol_and_age(protocol: int, table: type[dict[Any, Any]], tmp_path: Path) -> None:
    assert_holds(read_checkpoint(write_pickle(tmp_path / "net.pkl", generator(table=table), protocol)))


def test_the_name_of_the_file_does_not_matter(tmp_path: Path) -> None:
    assert_holds(read_checkpoint(write_pickle(tmp_path / "net.pt", generator())))


def test_both_networks_and_what_is_missing(tmp_path: Path) -> None:
    path = write_pickle(tmp_path / "net.pkl", None, G=generator())
    assert_holds(read_checkpoint(path, GeneratorNetwork.g))
    with pytest.raises(UnmaskError, match=r"net\.pkl: holds no G_ema, but 'G'.*generator\.network=g takes G"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("options", "changes", "program"),
    [
        (ada_options(TINY), {}, "stylegan2-ada-pytorch"),
        (
            ada_options(TINY, num_fp16_res=4, conv_clamp=256),
            {"num_fp16_res": 4, "conv_clamp": 256.0},
            "stylegan2-ada-pytorch",
        ),
        (stylegan3_options(TINY), {"num_fp16_res": 4, "conv_clamp": 256.0}, "stylegan3"),
        (stylegan3_options(TINY, num_fp16_res=0, conv_clamp=None), {}, "stylegan3"),
        (ada_options(TINY, fp16_channels_last=True, use_noise=True, activation="lrelu"), {}, "stylegan2-ada-pytorch"),
        (stylegan3_options(TINY, fused_modconv_default="inference_only", conv_clamp=None, num_fp16_res=0), {}, "3"),
    ],
)
def test_options_and_defaults_of_both_programs(
    options: dict[str, Any], changes: dict[str, Any], program: str, tmp_path: Path
) -> None:
    settings = dataclasses.replace(TINY, **changes)
    checkpoint = read_checkpoint(write_pickle(tmp_path / "net.pkl", generator(settings, options)))
    assert_holds(checkpoint, settings)
    assert checkpoint.source.made_by.endswith(program)
    prior = StyleGAN2(checkpoint.settings, checkpoint.state, resolution=16)
    assert prior.synthesis.layers()[0].clamp == settings.conv_clamp


def test_what_the_synthesis_remembers_tells_the_program(tmp_path: Path) -> None:
    settings = dataclasses.replace(TINY, channel_base=32768, channel_max=512, num_fp16_res=4, conv_clamp=256.0)
    told = generator(settings, {})
    part(told, "synthesis").state["num_fp16_res"] = 4
    assert_holds(read_checkpoint(write_pickle(tmp_path / "net.pkl", told)), settings)


@pytest.mark.parametrize("architecture", ["resnet", "orig"])
def test_other_architectures(architecture: str, tmp_path: Path) -> None:
    settings = dataclasses.replace(TINY, architecture=architecture)
    path = write_pickle(tmp_path / "net.pkl", generator(settings, ada_options(settings, architecture=architecture)))
    assert_holds(read_checkpoint(path), settings)


def test_a_conditional_generator_asks_for_its_class(tmp_path: Path) -> None:
    settings = dataclasses.replace(TINY, c_dim=5)
    checkpoint = read_checkpoint(write_pickle(tmp_path / "net.pkl", generator(settings)))
    assert_holds(checkpoint, settings)
    with pytest.raises(UnmaskError, match=r"generator\.class_index=null.*0 to 4"):
        StyleGAN2(checkpoint.settings, checkpoint.state, resolution=16)
    prior = StyleGAN2(checkpoint.settings, checkpoint.state, resolution=16, class_index=4)
    assert prior.synthesize(prior.map(torch.randn(1, 8))[:, None].repeat(1, prior.num_ws, 1)).shape == (1, 3, 16, 16)


def test_tensors_in_half_precision(tmp_path: Path) -> None:
    told = generator()
    parameters = part(told, "synthesis", "b4", "conv1").state["_parameters"]
    parameters["weight"] = nn.Parameter(parameters["weight"].detach().half())
    checkpoint = read_checkpoint(write_pickle(tmp_path / "net.pkl", told))
    name = "synthesis.b4.conv1.weight"
    assert torch.equal(checkpoint.state[name], random_state(TINY)[name].half().float())


def test_storages_on_a_gpu_and_shared_ones() -> None:
    whole = torch.arange(12.0)
    views = {"a": whole[2:8].view(2, 3), "b": whole.view(3, 4).t(), "c": torch.zeros(0, 3), "d": torch.tensor(7.0)}
    data = pickle.dumps(views, 3)
    assert b"X\x03\x00\x00\x00cpu" in data
    onto_gpu = _with_longer_strings(data)
    for content in (data, onto_gpu):
        read = _tensors_of(content)
        assert all(torch.equal(read[name].tensor(), view) for name, view in views.items())


def _with_longer_strings(data: bytes) -> bytes:
    """The same with every storage on cuda:0, as a file that was not moved to the CPU has it."""
    old, new = b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"
    parts = []
    while True:
        start = data.find(b"\x80\x02\x8a\x0a")  # a blob's first byte; its length stands before
        if start < 0:
            return b"".join([*parts, data])
        wide = data[start - 5 : start - 4] == b"B"
        length = int.from_bytes(data[start - 4 : start], "little") if wide else data[start - 1]
        blob = data[start : start + length].replace(old, new)
        head = data[: start - (5 if wide else 2)]
        parts += [head, b"B", len(blob).to_bytes(4, "little"), blob]
        data = data[start + length :]


def _tensors_of(data: bytes) -> dict[str, StoredTensor]:
    budget = Budget()
    return load(io.BytesIO(data), _vocabulary(budget), budget)


def test_numbers_of_numpy() -> None:
    values = {"a": np.float64(0.1), "b": np.float32(0.5), "c": np.int64(-3), "d": np.bool_(True), "e": np.array([1, 2])}
    for protocol in (2, 3, 4, 5):
        read = _tensors_of(pickle.dumps(values, protocol))
        assert [read[name] for name in "abcd"] == [0.1, 0.5, -3, True]
        old = _tensors_of(pickle.dumps(values, 2).replace(b"numpy._core", b"numpy.core"))
        assert old["a"] == 0.1


def synthesis_without_b4() -> Persistent:
    layer = record(FullyConnected(4, 4))
    return Persistent("SynthesisNetwork", {"_modules": {"input": Persistent("SynthesisInput", {}), "L0_36_512": layer}})


def part(network: Persistent, *names: str) -> Persistent:
    """A network within a network."""
    for name in names:
        network = network.state["_modules"][name]
    return network


def changed(**told: Any) -> Persistent:
    """A generator whose constructor was told something else."""
    made = generator()
    made.state["_init_kwargs"].update(told)
    return made


def with_part(name: str, part: Any) -> Persistent:
    made = generator()
    made.state["_modules"][name] = part
    return made


def without_tensor() -> Persistent:
    made = generator()
    del part(made, "mapping").state["_buffers"]["w_avg"]
    return made


def other_filter() -> Persistent:
    made = generator()
    part(made, "synthesis", "b8").state["_buffers"]["resample_filter"] = torch.ones(4, 4)
    return made


def clamping_differently() -> Persistent:
    made = generator()
    part(made, "synthesis", "b8", "conv0").state["conv_clamp"] = 3
    return made


def whole_numbers() -> Persistent:
    made = generator()
    part(made, "mapping").state["_buffers"]["w_avg"] = torch.zeros(8, dtype=torch.int64)
    return made


def within_itself() -> Persistent:
    made = generator()
    inner: dict[str, Any] = {"_modules": {}}
    for _ in range(20):
        inner = {"_modules": {"inner": Persistent("MappingNetwork", inner)}}
    made.state["_modules"]["mapping"] = Persistent("MappingNetwork", inner)
    return made


WRONG: dict[str, tuple[Callable[[], Persistent], str]] = {
    "stylegan3": (lambda: with_part("synthesis", synthesis_without_b4()), "a StyleGAN3 generator.*Take a StyleGAN2"),
    "discriminator": (lambda: Persistent("Discriminator", {}), "holds a Discriminator where"),
    "another class": (lambda: Persistent("Transformer", {}), "the class 'Transformer'"),
    "another version": (lambda: Persistent("Generator", {}, version=7), "a persistent 'class' of version 7"),
    "a module": (lambda: Persistent("Generator", {}, type="module"), "a persistent 'module'"),
    "no synthesis": (lambda: with_part("synthesis", None), "holds a Generator where"),
    "a part that is no network": (lambda: with_part("mapping", 3), "'mapping' that is not a network"),
    "too large": (lambda: changed(img_resolution=2**40), r"pictures of 1099511627776 pixels"),
    "odd": (lambda: changed(img_resolution=100), "pictures of 100 pixels"),
    "not a number": (lambda: changed(img_resolution="16"), "img_resolution '16'"),
    "grey": (lambda: changed(img_channels=1), "only RGB"),
    "huge latents": (lambda: changed(z_dim=10**9), "z_dim is 1000000000"),
    "a small file of a large network": (
        lambda: changed(synthesis_kwargs=EasyDict(channel_base=2**20, channel_max=2**14)),
        "numbers are too few",
    ),
    "many mapping layers": (lambda: changed(w_dim=2**14, mapping_kwargs=EasyDict(num_layers=64)), "are too few"),
    "other sizes": (lambda: changed(w_dim=16), r"\d+ differ in shape \('mapping\.w_avg': 8 instead of 16\)"),
    "larger": (lambda: changed(img_resolution=32), r"tensors are missing \('synthesis\.b32"),
    "smaller": (lambda: changed(img_resolution=8), r"are unknown \('synthesis\.b16"),
    "unknown option": (lambda: changed(attention=True), "the option 'attention' with True"),
    "another activation": (
        lambda: changed(mapping_kwargs=EasyDict(activation="relu")),
        "the option 'activation' with 'relu'",
    ),
    "options that are none": (lambda: changed(mapping_kwargs=3), "mapping_kwargs that are not options"),
    "no average": (without_tensor, r"1 tensors are missing \('mapping\.w_avg'\)"),
    "another filter": (other_filter, r"b8\.resample_filter is not the filter"),
    "clamps": (clamping_differently, "layers that clamp differently"),
    "whole numbers": (whole_numbers, "'mapping.w_avg' that is not a tensor of floating-point"),
    "nested": (within_itself, "nested more than"),
}


@pytest.mark.parametrize("case", WRONG)
def test_every_wrong_network_has_its_message(case: str, tmp_path: Path) -> None:
    told, message = WRONG[case]
    with pytest.raises(UnmaskError, match=rf"net\.pkl: .*{message}"):
        read_checkpoint(write_pickle(tmp_path / "net.pkl", told()))


@pytest.mark.parametrize("content", [[1, 2], {"weights": [1.5]}, "text", Persistent("Generator", {})])
def test_a_pickle_of_something_else(content: Any, tmp_path: Path) -> None:
    (tmp_path / "net.pkl").write_bytes(dumped(content))
    with pytest.raises(UnmaskError, match=r"net\.pkl: holds no G_ema, but"):
        read_checkpoint(tmp_path / "net.pkl")


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_truncated_pickle(protocol: int, tmp_path: Path) -> None:
    data = dumped(snapshot(generator()), protocol)
    path = tmp_path / "net.pkl"
    for length in [*range(2, 60), *range(60, len(data) - 1, 997), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(UnmaskError, match=r"net\.pkl: .*damaged or incomplete; fetch it again"):
            read_checkpoint(path)


def test_damage_is_an_error_of_the_users_or_goes_unnoticed(tmp_path: Path) -> None:
    """Nothing but UnmaskError ever comes out of a file with wrong bytes in it."""
    data = dumped(snapshot(generator()), 4)
    random = np.random.default_rng(0)
    path = tmp_path / "net.pkl"
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        for place in random.integers(2, len(data), 20):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        try:
            read_checkpoint(path)
        except UnmaskError:
            refused += 1
    assert refused > 50
