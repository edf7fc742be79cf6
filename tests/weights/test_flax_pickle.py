"""Pickles are read without running them, and convolutions come out as torchvision wants them."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unmask.errors import UnmaskError
from unmask.weights.flax_pickle import read_array_pickle, read_flax_features


class RunsShell:
    """Pickles to a call of os.system that leaves a file behind."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.witness}",)


class Evaluates:
    """Pickles to a call of builtins.eval that leaves a file behind."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"open({str(self.witness)!r}, 'w')",)


def object_array(item: object) -> np.ndarray:
    array = np.empty(1, dtype=object)
    array[0] = item
    return array


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("hostile", [RunsShell, Evaluates])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda item: item,
        lambda item: {"VGG16_0": {"Conv_0": {"kernel": np.zeros(3, np.float32), "bias": item}}},
        lambda item: {"kernel": object_array(item)},
    ],
    ids=["bare", "nested", "inside an object array"],
)
def test_nothing_runs(tmp_path: Path, protocol: int, hostile: type, wrap: Any) -> None:
    witness = tmp_path / "ran"
    data = pickle.dumps(wrap(hostile(witness)), protocol)
    with pytest.raises(UnmaskError, match=r"weights\.ckpt: refused to unpickle"):
        read_array_pickle(data, "weights.ckpt")
    assert not witness.exists()
    pickle.loads(data)  # the payload does work: without the restriction it runs
    assert witness.exists()


def test_what_it_asked_for_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnmaskError, match=r"(posix|nt)\.system"):
        read_array_pickle(pickle.dumps(RunsShell(tmp_path)), "weights.ckpt")


def test_a_dotted_name_does_not_reach_into_an_allowed_module() -> None:
    """Protocol 4 lets a name be a path of attributes, from numpy.ndarray to numpy.ndarray.__class__, say."""

    def text(string: str) -> bytes:
        return b"\x8c" + struct.pack("B", len(string)) + string.encode()

    data = b"\x80\x04" + text("numpy") + text("ndarray.__class__") + b"\x93."
    assert pickle.loads(data) is type
    with pytest.raises(UnmaskError, match=r"numpy\.ndarray\.__class__"):
        read_array_pickle(data, "weights.ckpt")


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ([np.zeros(2, np.float32)], "a list"),
        ({"a": {"b": "text"}}, "a str"),
        ({"a": object_array(None)}, "an array of object"),
    ],
)
def test_only_dictionaries_of_number_arrays(tree: object, words: str) -> None:
    with pytest.raises(UnmaskError, match=words):
        read_array_pickle(pickle.dumps(tree), "weights.ckpt")


def test_truncated_pickle_is_refused() -> None:
    data = pickle.dumps({"a": np.arange(1000, dtype=np.float32)})
    with pytest.raises(UnmaskError, match="damaged"):
        read_array_pickle(data[: len(data) // 2], "weights.ckpt")


def test_arrays_of_old_numpy_are_read() -> None:
    """Pickles written by numpy 1 name numpy.core, which numpy 2 renamed."""
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    data = pickle.dumps({"a": array}, protocol=3)
    data = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert b"numpy.core.multiarray" in data
    np.testing.assert_array_equal(read_array_pickle(data, "x")["a"], array)


def channels_last_convolution(image: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Cross-correlation as Flax defines it: image (H,W,in), kernel (kh,kw,in,out) -> (H-kh+1,W-kw+1,out)."""
    kh, kw = kernel.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(image, (kh, kw), axis=(0, 1))
    return np.einsum("hwiyx,yxio->hwo", windows, kernel) + bias


def test_converted_convolutions_compute_the_same(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0)
    layers = {
        f"Conv_{i}": {
            "kernel": numbers.normal(size=(3, 2, 4 + i, 5 + i)).astype(np.float32),
            "bias": numbers.normal(size=5 + i).astype(np.float32),
        }
        for i in range(2)
    }
    path = tmp_path / "toy.ckpt"
    path.write_bytes(pickle.dumps({"Toy_0": layers, "NetLinLayer_0": {"Conv_0": {"kernel": numbers.normal(size=3)}}}))
    state = read_flax_features(path, "Toy_0", (0, 3))
    assert sorted(state) == ["0.bias", "0.weight", "3.bias", "3.weight"]

    image = numbers.normal(size=(8, 7, 4)).astype(np.float32)
    expected = channels_last_convolution(image, **layers["Conv_0"])
    ours = F.conv2d(torch.from_numpy(image).permute(2, 0, 1)[None], state["0.weight"], state["0.bias"])
    # float32: sums in another order
    np.testing.assert_allclose(ours[0].permute(1, 2, 0).numpy(), expected, atol=1e-5)
    np.testing.assert_array_equal(state["3.bias"].numpy(), layers["Conv_1"]["bias"])


def test_another_network_is_named(tmp_path: Path) -> None:
    path = tmp_path / "toy.ckpt"
    path.write_bytes(pickle.dumps({"Toy_0": {"Conv_0": {"kernel": np.zeros((1, 1, 1, 1)), "bias": np.zeros(1)}}}))
    with pytest.raises(UnmaskError, match=r"toy\.ckpt.*not VGG16_0"):
        read_flax_features(path, "VGG16_0", (0,))
    with pytest.raises(UnmaskError, match="Conv_1"):
        read_flax_features(path, "Toy_0", (0, 2))
