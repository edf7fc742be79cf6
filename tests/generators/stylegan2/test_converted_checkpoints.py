"""Conversion to safetensors, files that are no checkpoints, and `generator.checkpoint`."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from helpers.small_stylegan2 import random_state, write_small_checkpoint
from helpers.stylegan2_pickles import TINY, generator, stylegan3_options, write_pickle
from unmask import convert
from unmask.config import GeneratorNetwork, NoiseMode, StyleGAN2Config
from unmask.errors import UnmaskError
from unmask.generators.stylegan2.checkpoints import read
from unmask.generators.stylegan2.checkpoints.checkpoint import Checkpoint, Source
from unmask.generators.stylegan2.checkpoints.converted import METADATA, facts, write_converted
from unmask.generators.stylegan2.checkpoints.read import read_checkpoint
from unmask.generators.stylegan2.generator import StyleGAN2


def tiny(**changes: Any) -> Checkpoint:
    settings = dataclasses.replace(TINY, **changes)
    return Checkpoint(settings, random_state(settings), Source("nobody", GeneratorNetwork.g_ema, "net.pkl", ("Said.",)))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = tiny(conv_clamp=256.0, c_dim=3, architecture="resnet", num_fp16_res=4)
    for name in ("one.safetensors", "two.bin"):
        write_converted(written, tmp_path / name)
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.bin").read_bytes()
    again = read_checkpoint(tmp_path / "two.bin")
    assert (again.settings, again.source) == (written.settings, written.source)
    assert set(again.state) == set(written.state)
    assert all(torch.equal(again.state[name], tensor) for name, tensor in written.state.items())


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    """As a program, from a pickle of stylegan3 to a generator with the same pictures."""
    settings = dataclasses.replace(TINY, num_fp16_res=4, conv_clamp=256.0)
    path = write_pickle(tmp_path / "net.pkl", None, G=generator(settings, stylegan3_options(settings)))
    command = [sys.executable, "-m", "unmask.convert", str(path), "out/net", "--network", "g"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stderr
    for told in ("NVlabs/stylegan3 (g)", "16 x 16, unconditional", "z 8, w 8, 6 per picture", "clamped to ±256"):
        assert told in answer.stdout
    assert "generator.checkpoint=out/net.safetensors" in answer.stdout
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"net.safetensors", "net.json"}
    with safe_open(tmp_path / "out" / "net.safetensors", "pt") as file:
        assert json.loads((tmp_path / "out" / "net.json").read_text()) == json.loads(file.metadata()[METADATA])
    config = StyleGAN2Config(checkpoint=str(path), network=GeneratorNetwork.g)
    converted = dataclasses.replace(config, checkpoint=str(tmp_path / "out" / "net.safetensors"))
    w_plus = torch.randn(1, 6, 8)
    original = StyleGAN2.build(config, 16).synthesize(w_plus)
    assert torch.equal(StyleGAN2.build(converted, 16).synthesize(w_plus), original)


def test_mistakes_end_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert.main([str(tmp_path / "none.pkl"), str(tmp_path / "out")]) == 2
    assert "none.pkl: there is no such file" in capsys.readouterr().err
    same = write_small_checkpoint(tmp_path / "net.safetensors", 8)
    assert convert.main([str(same), str(tmp_path / "net")]) == 2
    assert "the file to be read" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert convert.main([str(same), str(tmp_path / "file" / "out")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    for wrong in (["in", "/"], ["in"], ["in", "out", "--network", "d"]):
        with pytest.raises(SystemExit, match="2"):
            convert.main(wrong)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "net.safetensors"]


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write = Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        write(self, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = write_pickle(tmp_path / "net.pkl", generator())
    monkeypatch.setattr(Path, "write_bytes", full)
    assert convert.main([str(path), str(tmp_path / "out" / "net")]) == 2
    assert "No space left" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_the_other_network_was_converted(tmp_path: Path) -> None:
    write_converted(tiny(), tmp_path / "net.safetensors")
    with pytest.raises(UnmaskError, match=r"holds only g_ema.*generator\.network=g_ema.*--network g\."):
        read_checkpoint(tmp_path / "net.safetensors", GeneratorNetwork.g)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "StyleGAN2 generator, version 2"},
        {"network": "d"},
        {"architecture": {}},
        {"architecture": {"resolution": "16"}},
        {"architecture": {"resolution": 16, "depth": 3}},
        {"architecture": {"resolution": 16, "conv_clamp": "much"}},
        {"architecture": {"resolution": 16, "architecture": 3}},
        {"remarks": 3},
    ],
)
def test_safetensors_of_another_program(change: dict[str, Any], tmp_path: Path) -> None:
    checkpoint = tiny()
    told = json.dumps({**facts(checkpoint), **change})
    save_file(checkpoint.state, tmp_path / "net.safetensors", metadata={METADATA: told})
    with pytest.raises(UnmaskError, match=r"safetensors, but not a StyleGAN2 converted by"):
        read_checkpoint(tmp_path / "net.safetensors")


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {METADATA: "{"}, {METADATA: "[" * 100_000}])
def test_safetensors_without_the_json(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    save_file(random_state(TINY), tmp_path / "net.safetensors", metadata=metadata)
    with pytest.raises(UnmaskError, match=r"safetensors, but not a StyleGAN2 converted by"):
        read_checkpoint(tmp_path / "net.safetensors")


def test_tensors_that_do_not_fit_the_json(tmp_path: Path) -> None:
    checkpoint = dataclasses.replace(tiny(), settings=dataclasses.replace(TINY, w_dim=4))
    write_converted(checkpoint, tmp_path / "net.safetensors")
    with pytest.raises(UnmaskError, match="differ in shape"):
        read_checkpoint(tmp_path / "net.safetensors")


def test_truncated_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    write_converted(tiny(), path)
    data = path.read_bytes()
    for length in (len(data) - 1, len(data) // 2, 500, 12):
        path.write_bytes(data[:length])
        with pytest.raises(UnmaskError, match=r"cannot be read as safetensors .*damaged or incomplete"):
            read_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of git-lfs"),
        (b"\x89PNG\r\n", "no checkpoint of StyleGAN2"),
        (b"(dp0\nS'G_ema'\n", "no checkpoint of StyleGAN2"),
        (b"\x80", "damaged or incomplete"),
        (b"\x80\x01N.", "pickle protocol 1"),
        (b"\x80\x06N.", "pickle protocol 6"),
        (b"\x80\x03cdnnlib.tflib.network\nNetwork\n)\x81.", "a network of the TensorFlow code.*legacy.py"),
        (b"\x80\x04\x8c\x14dnnlib.tflib.network\x8c\x07Network\x93)\x81.", "a network of the TensorFlow code"),
        (b"\x80\x03ctfutil\nNetwork\n)\x81.", "a network of the TensorFlow code"),
    ],
)
def test_a_file_of_something_else(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "net.pkl").write_bytes(content)
    with pytest.raises(UnmaskError, match=rf"net\.pkl: .*{message}"):
        read_checkpoint(tmp_path / "net.pkl")


def test_no_file_a_directory_and_one_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnmaskError, match=r"none\.pkl: there is no such file"):
        read_checkpoint(tmp_path / "none.pkl")
    with pytest.raises(UnmaskError, match=r"a directory; give a \.pkl of NVlabs"):
        read_checkpoint(tmp_path)
    path = write_pickle(tmp_path / "net.pkl", generator())
    monkeypatch.setattr(read, "MAX_BYTES", 1000)
    with pytest.raises(UnmaskError, match="ten times as much"):
        read_checkpoint(path)


def test_a_generator_is_built_of_its_configuration(tmp_path: Path) -> None:
    path = write_small_checkpoint(tmp_path / "net.safetensors", 32)
    prior = StyleGAN2.build(StyleGAN2Config(checkpoint=str(path), noise_mode=NoiseMode.none), 16)
    assert (prior.resolution, prior.full_resolution, prior.noise_maps) == (16, 32, ())
    assert not any(parameter.requires_grad for parameter in prior.parameters())
    with pytest.raises(UnmaskError, match=r"data\.resolution=64"):
        StyleGAN2.build(StyleGAN2Config(checkpoint=str(path)), 64)
    with pytest.raises(UnmaskError, match=r"generator\.class_index=1"):
        StyleGAN2.build(StyleGAN2Config(checkpoint=str(path), class_index=1), 32)


def test_without_a_checkpoint_it_says_where_there_are_some() -> None:
    with pytest.raises(UnmaskError, match=r"generator\.checkpoint=PATH or URL.*ffhq\.pkl.*550000\.pt.*non-commercial"):
        StyleGAN2.build(StyleGAN2Config(), 1024)
