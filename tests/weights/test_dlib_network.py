"""Reading dlib's stream of layers: numbers, folded scales, and files that are something else."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unmask.errors import UnmaskError
from unmask.weights.dlib_network import read_dlib_face_network


def integer(value: int) -> bytes:
    size = max(1, (value.bit_length() + 7) // 8)
    return bytes([size]) + value.to_bytes(size, "little")


def name(text: str) -> bytes:
    return integer(len(text)) + text.encode()


def tensor(values: np.ndarray, *shape: int) -> bytes:
    return b"".join(map(integer, (2, *shape))) + struct.pack(f"<{values.size}f", *values.flatten())


def convolution(weight: np.ndarray, bias: np.ndarray) -> bytes:
    values = np.concatenate([weight.flatten(), bias])
    return name("con_4") + tensor(values, len(values), 1, 1, 1) + b"".join(map(integer, (len(bias), *weight.shape[2:])))


def scale(gamma: np.ndarray, beta: np.ndarray) -> bytes:
    values = np.concatenate([gamma, beta])
    return name("affine_") + tensor(values, len(values), 1, 1, 1)


def linear(weight: np.ndarray) -> bytes:
    inputs, out = weight.shape
    return name("fc_2") + integer(out) + integer(inputs) + tensor(weight, inputs, out, 1, 1)


RANDOM = np.random.default_rng(0)
W1, B1, G1, S1 = (RANDOM.normal(size=shape) for shape in ((4, 3, 5, 5), 4, 4, 4))
W2, B2, G2, S2 = (RANDOM.normal(size=shape) for shape in ((300, 4, 3, 3), 300, 300, 300))
LAST = RANDOM.normal(size=(300, 7))
STREAM = (
    b"head" + convolution(W1, B1) + scale(G1, S1) + b"\x01\x02" + convolution(W2, B2) + scale(G2, S2) + linear(LAST)
)


def test_scales_are_folded_into_the_convolutions(tmp_path: Path) -> None:
    path = tmp_path / "network.dat"
    path.write_bytes(STREAM)
    found = read_dlib_face_network(path)
    assert {key: tuple(value.shape) for key, value in found.items()} == {
        "convolutions.0.weight": (4, 3, 5, 5),
        "convolutions.0.bias": (4,),
        "convolutions.1.weight": (300, 4, 3, 3),
        "convolutions.1.bias": (300,),
        "linear.weight": (7, 300),
    }
    x = torch.from_numpy(RANDOM.normal(size=(1, 3, 12, 12))).float()
    w, b, g, s = (torch.from_numpy(one).float() for one in (W1, B1, G1, S1))
    expected = F.conv2d(x, w, b) * g[:, None, None] + s[:, None, None]
    # float32: sums in another order
    torch.testing.assert_close(
        F.conv2d(x, found["convolutions.0.weight"], found["convolutions.0.bias"]), expected, atol=1e-5, rtol=1e-4
    )
    np.testing.assert_allclose(found["linear.weight"].numpy(), LAST.T.astype(np.float32))


@pytest.mark.parametrize(
    "data",
    [b"", b"PK\x03\x04 something else", STREAM[:200], STREAM[: len(STREAM) - 40], name("affine_") + integer(3)],
    ids=["empty", "another", "cut in a convolution", "cut in the end", "a scale first"],
)
def test_other_files_are_refused_by_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "network.dat"
    path.write_bytes(data)
    with pytest.raises(UnmaskError, match=r"network\.dat: not dlib's face network"):
        read_dlib_face_network(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnmaskError, match=r"nowhere\.dat"):
        read_dlib_face_network(tmp_path / "nowhere.dat")
