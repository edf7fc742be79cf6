"""The face embedding against dlib itself, and what it is shown of a picture."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from unmask.images import from_uint8, load_image
from unmask.networks.face_embedding import LOOK, SIZE, FaceEmbedding, chips

GOLDEN = Path(__file__).parents[1] / "golden" / "dlib_face.json"
"""What `compute_face_descriptor` of dlib 20.0.1 says of the two pictures below."""
SAMPLE = Path(__file__).parents[2] / "data" / "sample"


def noise() -> Tensor:
    return from_uint8(np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8))


def waves() -> Tensor:
    y, x = np.mgrid[:SIZE, :SIZE]
    colours = (127.5 + 127.5 * np.sin(x / 7), 127.5 + 127.5 * np.cos(y / 11), (x + y) * 255 / (2 * SIZE - 2))
    return from_uint8(np.stack(colours, -1).astype(np.uint8))


@pytest.mark.weights
def test_it_is_dlib_s() -> None:
    expected = json.loads(GOLDEN.read_text(encoding="utf-8"))
    found = FaceEmbedding.pretrained().embed(torch.stack([noise(), waves()]))
    # float32 against the reference's float32
    torch.testing.assert_close(found, torch.tensor([expected["noise"], expected["waves"]]), atol=2e-6, rtol=0)


@pytest.mark.weights
def test_half_precision_is_near() -> None:
    pictures = torch.stack([noise(), waves()])
    full, half = (FaceEmbedding.pretrained(dtype).embed(pictures) for dtype in (None, torch.bfloat16))
    assert half.dtype == torch.float32
    # bfloat16 keeps 8 bits, 2^-8 = 0.004 a layer
    assert 0 < float((full - half).norm(dim=1).max()) < 0.05


@pytest.mark.weights
def test_a_person_in_other_light_is_nearer_than_strangers() -> None:
    faces = torch.stack([load_image(path) for path in sorted((SAMPLE / "ffhq").rglob("*.*"))[:6]])
    assert len(faces) == 6
    network = FaceEmbedding.pretrained()
    distances = torch.cdist(network(faces), network((0.8 * faces.flip(3) - 0.1).clamp(-1, 1)))
    strangers = distances + 10 * torch.eye(6)
    assert bool((distances.diag() < strangers.min(1).values).all())
    assert float(distances.diag().mean()) < 0.35 < float(strangers.min())


def test_a_chip_is_the_middle_of_the_face_at_any_size() -> None:
    ramp = torch.linspace(-1, 1, 512).expand(1, 3, 512, 512)
    for size in (LOOK, 256, 512):
        shown = chips(torch.nn.functional.adaptive_avg_pool2d(ramp, size))
        assert shown.shape == (1, 3, SIZE, SIZE)
        # from 0.164 of the width, over 0.690 of it, half a pixel of the chip inside
        edges = 2 * (0.164 + 0.690 * torch.tensor([0.5, SIZE - 0.5]) / SIZE) - 1
        # less than an 8-bit step, 1/127.5
        torch.testing.assert_close(shown[0, 0, 0, [0, -1]], edges, atol=5e-3, rtol=0)


def test_pictures_do_not_depend_on_their_neighbours_and_pass_gradients() -> None:
    torch.manual_seed(0)
    network = FaceEmbedding()
    pictures = torch.rand(3, 3, 64, 64, requires_grad=True)
    together = network(pictures)
    torch.testing.assert_close(network(pictures[1:2]), together[1:2])
    together[0].sum().backward()
    assert pictures.grad is not None
    assert bool(pictures.grad[0].any()) and not bool(pictures.grad[1:].any())
    assert not any(parameter.requires_grad for parameter in network.parameters())
