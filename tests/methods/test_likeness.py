"""The identity term of trained methods, and pictures that hold half the detail."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers.training_steps import Updater, made_up_batch
from unmask.config import Pix2PixConfig
from unmask.methods.likeness import Likeness
from unmask.methods.pix2pix import Pix2Pix, as_coarse
from unmask.networks.face_embedding import FaceEmbedding

SMALL = {"name": "pix2pix", "ngf": 2, "ndf": 2, "depth": 5, "dropout": False}


@pytest.fixture
def random_embedding(monkeypatch: pytest.MonkeyPatch) -> FaceEmbedding:
    torch.manual_seed(0)
    network = FaceEmbedding()
    monkeypatch.setattr(FaceEmbedding, "pretrained", classmethod(lambda cls: network))
    return network


def test_the_distance_is_that_of_embeddings(random_embedding: FaceEmbedding) -> None:
    batch = made_up_batch()
    found = Likeness.pretrained().distance(batch.masked, batch.clean)
    apart = random_embedding(batch.masked) - random_embedding(batch.clean)
    torch.testing.assert_close(found, apart.square().sum(1))


@pytest.mark.usefixtures("random_embedding")
def test_the_term_is_learnt_from_and_its_network_is_not_trained_or_saved() -> None:
    batch = made_up_batch()
    plain, with_term = (Pix2Pix(Pix2PixConfig(**SMALL, lambda_identity=x)) for x in (0.0, 1000.0))
    assert plain.likeness is None and with_term.likeness is not None
    assert list(plain.state_dict()) == list(with_term.state_dict())
    updaters = [Updater(method) for method in (plain, with_term)]
    losses = [method.training_step(batch, one) for method, one in zip((plain, with_term), updaters, strict=True)]
    assert set(losses[1]) - set(losses[0]) == {"G_identity"} and losses[1]["G_identity"] > 0
    first, second = (next(method.unet.parameters()) for method in (plain, with_term))
    assert not torch.equal(updaters[0].gradients[first], updaters[1].gradients[second])
    assert all(parameter.grad is None for parameter in with_term.likeness.embedding.parameters())


def test_coarse_pictures_are_compared_at_half_the_size() -> None:
    """Detail between neighbouring pixels is not judged where the clean picture has none."""
    checks = torch.ones(2, 3, 32, 32)
    checks[..., ::2] = -1
    found = as_coarse(checks, torch.tensor([True, False]))
    torch.testing.assert_close(found[0], torch.zeros(3, 32, 32))
    assert torch.equal(found[1], checks[1])
    assert as_coarse(checks, None) is checks

    batch = made_up_batch()
    method = Pix2Pix(Pix2PixConfig(**SMALL))
    coarse = torch.ones(len(batch), dtype=torch.bool)
    fine, half = (method.training_step(replace(batch, coarse=one), Updater(method))["G_L1"] for one in (None, coarse))
    assert fine != half
