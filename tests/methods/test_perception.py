"""The perceptual term of trained methods, and the discriminator's window."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.random_vgg import random_vgg
from helpers.training_steps import Updater, made_up_batch
from unmask.config import Pix2PixConfig, Pix2PixInput
from unmask.errors import UnmaskError
from unmask.losses import unit_normalise
from unmask.methods.perception import LAYERS, Perception
from unmask.methods.pix2pix import Pix2Pix
from unmask.networks.vgg import VGG16Features
from unmask.networks.windows import windows_around

SMALL = {"name": "pix2pix", "ngf": 2, "ndf": 2, "depth": 5, "dropout": False}


@pytest.fixture
def no_pretrained_vgg(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = classmethod(lambda cls, layers: random_vgg(("relu1_2", "relu2_2")))
    monkeypatch.setattr(VGG16Features, "pretrained", stand_in)


def test_the_distance_is_that_of_unit_features_in_the_window_at_half_size() -> None:
    vgg, batch = random_vgg(("relu1_2", "relu2_2")), made_up_batch()
    made = batch.clean * 0.5
    found = Perception(vgg).distance(made, batch.clean, windows_around(batch.hole))
    ours, theirs = made[:, :, 12:28, 6:26], batch.clean[:, :, 12:28, 6:26]  # the hole is rows 16-24, columns 8-24
    pairs = zip(*(vgg(F.avg_pool2d(one, 2)) for one in (ours, theirs)), strict=True)
    expected = sum((unit_normalise(a) - unit_normalise(b)).square().sum(1).mean((1, 2)) for a, b in pairs)
    torch.testing.assert_close(found, expected)
    assert torch.equal(Perception(vgg).distance(batch.clean, batch.clean, windows_around(batch.hole)), torch.zeros(2))


@pytest.mark.usefixtures("no_pretrained_vgg")
def test_the_term_is_learnt_from_and_vgg_is_not_trained_or_saved() -> None:
    batch = made_up_batch()
    plain, with_term = (Pix2Pix(Pix2PixConfig(**SMALL, lambda_perceptual=x)) for x in (0.0, 10.0))
    assert list(plain.state_dict()) == list(with_term.state_dict())
    assert with_term.perception is not None
    kernels = [one.clone() for one in with_term.perception.vgg.parameters()]
    updaters = [Updater(method) for method in (plain, with_term)]
    losses = [method.training_step(batch, one) for method, one in zip((plain, with_term), updaters, strict=True)]
    assert set(losses[1]) - set(losses[0]) == {"G_perceptual"} and losses[1]["G_perceptual"] > 0
    assert all(torch.equal(a, b) for a, b in zip(kernels, with_term.perception.vgg.parameters(), strict=True))
    first, second = (next(method.unet.parameters()) for method in (plain, with_term))
    assert not torch.equal(updaters[0].gradients[first], updaters[1].gradients[second])


def test_in_the_window_the_discriminator_sees_the_same_pixels() -> None:
    method, batch = Pix2Pix(Pix2PixConfig(**SMALL, window=True, discriminator_layers=2)), made_up_batch()
    judged: list[Tensor] = []
    method.critic.register_forward_pre_hook(lambda module, inputs: judged.append(inputs[0]))
    method.training_step(batch, Updater(method))
    assert [tuple(one.shape) for one in judged] == [(2, 7, 16, 20)] * 3
    seen = method.seen(batch.masked, batch.hole)
    assert torch.equal(judged[1], torch.cat([seen, batch.clean], 1)[:, :, 12:28, 6:26])


def test_a_window_needs_the_visible_input() -> None:
    with pytest.raises(UnmaskError, match=r"method\.window=true needs method\.input=visible"):
        Pix2Pix(Pix2PixConfig(**SMALL, window=True, input=Pix2PixInput.masked))


@pytest.mark.weights
def test_the_pretrained_features_are_those_of_the_layers() -> None:
    perception = Perception.pretrained()
    assert perception.vgg.layers == LAYERS
    assert not any(parameter.requires_grad for parameter in perception.vgg.parameters())
