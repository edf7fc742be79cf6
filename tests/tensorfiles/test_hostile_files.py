"""Hostile and damaged files of weights end in one clear error, in seconds; a seeded fuzzer looks for more of them."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save as saved_safetensors

from helpers.small_stylegan2 import write_small_checkpoint
from helpers.stylegan2_pickles import TINY, dumped, generator, snapshot
from unmask.config import CycleGANConfig
from unmask.errors import UnmaskError
from unmask.generators.stylegan2.checkpoints.read import read_checkpoint
from unmask.methods.checkpoints import load_generator
from unmask.networks.resnet_generator import ResNetGenerator
from unmask.tensorfiles import Damaged, Refusal, read_safetensors, read_torch_file, torch_file
from unmask.weights.digest import artifact_digest

CONFIG = CycleGANConfig(name="cyclegan", ngf=2, ndf=2, blocks=1)


def network() -> ResNetGenerator:
    return ResNetGenerator(ngf=2, blocks=1)


def saved(content: Any, *, old: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not old)
    return buffer.getvalue()


def zipped(program: bytes, *, compression: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of torch.save around a pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in {
            "data.pkl": program,
            "byteorder": b"little",
            "data/0": bytes(4),
            "version": b"3\n",
        }.items():
            archive.writestr(f"a/{name}", content)
    return buffer.getvalue()


def text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word.encode())) + word.encode()


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def changed(**others: Any) -> dict[str, Any]:
    return {**network().state_dict(), **others}


def long_number(value: int) -> bytes:
    digits = value.to_bytes(value.bit_length() // 8 + 1, "little")
    return b"\x8a" + bytes([len(digits)]) + digits


SHARED = b")q\x00" + b"".join((b"h" + bytes([i])) * 2 + b"\x86q" + bytes([i + 1]) for i in range(60))
FIRST = "model.1.weight"
CASES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "the first bytes of an old file": lambda: saved(changed(), old=True)[:113],
    "a name that is no text": lambda: zipped(b"\x80\x02}X\x02\x00\x00\x00\xc3\x28Ns."),
    "a value never kept": lambda: zipped(b"\x80\x02}h\x09Ns."),
    "a storage type called": lambda: zipped(b"\x80\x02" + named("torch", "FloatStorage") + b")R."),
    "a number as name": lambda: saved({0: torch.zeros(1)}),
    "None as name": lambda: saved({None: torch.zeros(1)}),
    "a tuple as name": lambda: saved({(1,): torch.zeros(1)}),
    "nested keys": lambda: zipped(b"\x80\x02})" + b"\x85" * 200_000 + b"Ns."),
    "a shared key of 2^60": lambda: zipped(b"\x80\x02" + SHARED + b"}h\x3cNs."),
    "a bytearray of 4 GB": lambda: zipped(
        b"\x80\x02" + named("builtins", "bytearray") + long_number(1 << 32) + b"\x85R."
    ),
    "keys of one hash": lambda: zipped(
        b"\x80\x02}(" + b"".join(long_number((i + 1) * ((1 << 61) - 1)) + b"N" for i in range(2000)) + b"u."
    ),
    "a tensor of 2^33 numbers over one": lambda: saved({"x": torch.zeros(1).expand(1 << 33)}),
    "a first weight of one axis": lambda: saved({"model.model.0.weight": torch.zeros(3)}),
    "meta": lambda: saved(changed(**{FIRST: torch.zeros(2, 3, device="meta")})),
    "sparse": lambda: saved(changed(**{FIRST: torch.eye(3).to_sparse()})),
    "sparse csr": lambda: saved(changed(**{FIRST: torch.eye(3).to_sparse_csr()})),
    "quantised": lambda: saved(changed(**{FIRST: torch.quantize_per_tensor(torch.eye(3), 0.1, 0, torch.qint8)})),
    "nested": lambda: saved(changed(**{FIRST: torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])})),
    "NaN": lambda: saved(changed(**{FIRST: torch.full((2, 3, 7, 7), float("nan"))})),
    "an axis of 0": lambda: saved(changed(**{FIRST: torch.zeros(0, 3, 7, 7)})),
    "two archives' roots": lambda: zipped(b"\x80\x02}.").replace(b"a/version", b"b/data.pkl"[:9]),
    "big-endian": lambda: zipped(b"\x80\x02}.").replace(b"little", b"big   "),
    "an unknown class": lambda: zipped(b"\x80\x02" + named("os", "system") + text("echo") + b"\x85R."),
}


@pytest.mark.parametrize("case", CASES)
def test_a_pth_file_ends_in_one_clear_error(case: str, tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(CASES[case]())
    with pytest.raises(UnmaskError, match=r"net\.pth") as caught:
        load_generator(network(), str(path), CONFIG)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 1000


@pytest.mark.parametrize("kind", ["meta", "sparse", "quantised", "nested"])
def test_tensors_of_other_kinds_are_refused_by_name(kind: str, tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_bytes(CASES[kind]())
    with pytest.raises(Refusal, match=kind):
        read_torch_file(tmp_path / "net.pt")


def test_what_unpacks_to_far_more_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_file, "MOST_DEFLATED", 100_000)
    plain = saved({"x": torch.zeros(100_000)})
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(plain)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    path = tmp_path / "net.pt"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(Refusal, match="out of a small archive"):
        read_torch_file(path)
    monkeypatch.undo()
    assert torch.equal(read_torch_file(path)["x"], torch.zeros(100_000)), "people do compress"


def test_what_torch_saves_comes_back(tmp_path: Path) -> None:
    whole = torch.arange(12.0)
    content = {
        "tensors": OrderedDict(a=whole[2:8].view(2, 3).T, b=whole, c=torch.tensor(True), d=torch.empty(0, 3)),
        "kinds": [torch.zeros(2, dtype=kind) for kind in (torch.float16, torch.bfloat16, torch.int64, torch.uint8)],
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "plain": (1, -2.5, "text", None, True, [2**70], {"x": ()}, torch.Size([2, 3])),
    }
    for old in (False, True):
        path = tmp_path / f"{old}.pt"
        path.write_bytes(saved(content, old=old))
        found = read_torch_file(path)
        expected = torch.load(path, weights_only=True)
        assert found["plain"] == content["plain"]
        for name, tensor in expected["tensors"].items():
            assert found["tensors"][name].dtype == tensor.dtype
            assert torch.equal(found["tensors"][name], tensor), name
        assert all(torch.equal(a, b) for a, b in zip(found["kinds"], expected["kinds"], strict=True))
        assert torch.equal(found["parameter"], torch.ones(2))
        found["tensors"]["b"][2] = 77
        assert found["tensors"]["a"][0, 0] == 77, "tensors that shared memory still do"


def header_of(tensors: dict[str, torch.Tensor], change: Callable[[dict[str, Any]], Any]) -> bytes:
    """safetensors with another header."""
    content = saved_safetensors(tensors)
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    told = json.dumps(change(header) or header).encode()
    return struct.pack("<Q", len(told)) + told + content[8 + length :]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "does not begin"),
        (struct.pack("<Q", 10) + b"{", "not JSON"),
        (struct.pack("<Q", 100_000) + b"{" + b"[" * 99_999, "not JSON"),
        (struct.pack("<Q", 3) + b"{\xff}", "not text"),
        (header_of({"a": torch.ones(2)}, lambda header: header["a"].update(dtype="F4")), "'a' of the type 'F4'"),
        (header_of({"a": torch.ones(2)}, lambda header: {"a": 3}), "'a' of the type None"),
        (saved_safetensors({"a": torch.ones(2)})[:-1], ""),
    ],
    ids=["empty", "cut", "nested", "not text", "F4", "no facts", "short"],
)
def test_safetensors_that_are_none(content: bytes, problem: str, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises((Refusal, Damaged), match=problem):
        read_safetensors(tmp_path / "a.safetensors")


@pytest.mark.parametrize("metadata", ["{", "[]", "[" * 100_000, "9" * 5000])
def test_strange_metadata(metadata: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(saved_safetensors(dict(network().state_dict()), metadata={"unmask": metadata}))
    with pytest.raises(UnmaskError, match=r"w\.safetensors: cannot be read as a file of weights"):
        load_generator(network(), str(path), CONFIG)


def test_a_header_whose_length_begins_like_a_pickle(tmp_path: Path) -> None:
    path = write_small_checkpoint(tmp_path / "small.safetensors", 32)
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    padding = (128 - length) % 256
    path.write_bytes(
        struct.pack("<Q", length + padding) + content[8 : 8 + length] + b" " * padding + content[8 + length :]
    )
    assert path.read_bytes()[0] == 0x80
    assert read_checkpoint(path).settings.resolution == 32


def test_a_cached_file_of_another_type_is_fetched_again(tmp_path: Path) -> None:
    """Its digest is another; it was a TypeError."""
    path = tmp_path / "a.safetensors"
    path.write_bytes(saved_safetensors({"a": torch.ones(2, dtype=torch.bfloat16), "b": torch.tensor(1.0)}))
    assert len(artifact_digest(path)) == 64
    path.write_bytes(b"damaged")
    assert artifact_digest(path) == "unreadable"


def test_huge_numbers_among_the_settings(tmp_path: Path) -> None:
    import dataclasses

    from helpers.stylegan2_pickles import ada_options

    settings = dataclasses.replace(TINY, conv_clamp=2**2000)
    pickled = dumped(snapshot(generator(settings, ada_options(settings, conv_clamp=2**2000))), 4)
    (tmp_path / "net.pkl").write_bytes(pickled)
    with pytest.raises(UnmaskError, match=r"net\.pkl: .*layers that clamp differently"):
        read_checkpoint(tmp_path / "net.pkl")


def originals(tmp_path: Path) -> dict[str, tuple[bytes, Callable[[Path], Any]]]:
    def weights(path: Path) -> None:
        load_generator(network(), str(path), CONFIG)

    state = {"state_dict": {f"module.{name}": value for name, value in network().state_dict().items()}}
    small = write_small_checkpoint(tmp_path / "small.safetensors", 32)
    return {
        "new.pth": (saved(state), weights),
        "old.pth": (saved(state, old=True), weights),
        "w.safetensors": (saved_safetensors(dict(network().state_dict()), metadata={"unmask": "{}"}), weights),
        "net.pkl": (dumped(snapshot(generator(TINY)), 4), read_checkpoint),
        "converted.safetensors": (small.read_bytes(), read_checkpoint),
    }


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Bytes changed, taken out, doubled or cut off, mostly near the beginning, where the structure is."""
    found = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        place = min(int(chance.random() ** 2 * len(found)), len(found) - 1)
        kind = chance.random()
        if kind < 0.6:
            found[place] = chance.choice((0, 1, 0x28, 0x2E, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif kind < 0.75:
            del found[place : place + chance.randrange(1, 16)]
        elif kind < 0.9:
            found[place:place] = found[place : place + chance.randrange(1, 64)]
        else:
            del found[place:]
        if not found:
            return b""
    return bytes(found)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["new.pth", "old.pth", "w.safetensors", "net.pkl", "converted.safetensors"])
def test_two_hundred_mutations_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    content, read = originals(tmp_path)[kind]
    path = tmp_path / kind
    path.write_bytes(content)
    read(path)
    chance = random.Random(kind)
    refusals = 0
    for _ in range(200):
        path.write_bytes(mutated(content, chance))
        try:
            read(path)
        except UnmaskError:
            refusals += 1
    assert refusals > 50, "most of these mutations are damage"


def test_numpy_s_own_pickles_are_none(tmp_path: Path) -> None:
    (tmp_path / "net.pkl").write_bytes(pickle.dumps({"G_ema": np.ones(3)}))
    with pytest.raises(UnmaskError, match="holds no G_ema"):
        read_checkpoint(tmp_path / "net.pkl")
