"""Training steps in float64 against the reference program's, and what is concatenated where."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.bounds import without_gradient
from helpers.golden_arrays import IMAGE_TO_IMAGE, Arrays
from helpers.training_steps import Updater, made_up_batch
from unmask.config import CycleGANConfig, Pix2PixConfig, Pix2PixInput
from unmask.faces import Faces, TrainingBatch
from unmask.kinds import AdversarialLoss
from unmask.methods.cyclegan import CycleGAN
from unmask.methods.pix2pix import Pix2Pix
from unmask.methods.trained import TrainedMethod
from unmask.networks.kinds import Norm


def batch_of(arrays: Arrays, step: int, *, paired: bool) -> TrainingBatch:
    masked, clean = (arrays.tensor(f"in.step{step}.{domain}").double() for domain in "AB")
    ids = tuple(map(str, range(len(masked))))
    others = ids if paired else tuple(f"other {id}" for id in ids)
    return TrainingBatch(ids, others, masked, torch.zeros_like(masked[:, :1]), clean)


def check_steps(method: TrainedMethod, networks: dict[str, nn.Module], arrays: Arrays, dead: set[str]) -> Updater:
    """Three steps: losses, gradients and state after the first, within the tolerances the arrays' README gives for
    double precision (1e-9; gradients are kept in single precision; what has none is below 1e-12)."""
    for name, network in networks.items():
        network.load_state_dict(arrays.below(f"before.{name}."), strict=True)
    method.double().train()
    updater = Updater(method)
    for step in (1, 2, 3):
        losses = method.training_step(batch_of(arrays, step, paired=isinstance(method, Pix2Pix)), updater)
        reference = {name: float(value) for name, value in arrays.below(f"out.step{step}.loss.").items()}
        assert {name: float(value) for name, value in losses.items()} == pytest.approx(reference, abs=1e-9)
        if step == 1:
            check_first_step(networks, updater, arrays, dead)
    return updater


def check_first_step(networks: dict[str, nn.Module], updater: Updater, arrays: Arrays, dead: set[str]) -> None:
    checked = 0
    for name, network in networks.items():
        after = arrays.below(f"after1.{name}.")
        for key, value in network.state_dict().items():
            if key in after:
                torch.testing.assert_close(value.to(after[key].dtype), after[key], rtol=0, atol=1e-9)
                checked += 1
        kind = "gradG" if name.startswith("G") else "gradD"
        # with two networks a kind the file has one more level of names
        gradients = arrays.below(f"out.step1.{kind}.")
        for key, parameter in network.named_parameters():
            full = key if key in gradients else f"{name}.{key}"
            gradient = updater.gradients[parameter]
            if f"{kind}.{full}" in dead:
                assert float(gradient.abs().max()) < 1e-12
            else:
                scale = float(gradients[full].abs().max())
                torch.testing.assert_close(gradient, gradients[full].double(), rtol=1e-6, atol=1e-7 * scale)
    assert checked > 0


def test_pix2pix_equals_the_reference(golden: Path) -> None:
    config = Pix2PixConfig(
        name="pix2pix", ngf=8, ndf=8, depth=7, dropout=False, lambda_l1=100.0, input=Pix2PixInput.masked
    )
    method = Pix2Pix(config)
    arrays = Arrays(golden, "pix2pix_step_f64")
    updater = check_steps(method, {"G": method.unet, "D": method.critic}, arrays, set())
    assert updater.order == ["discriminator", "generator"] * 3


def test_cyclegan_equals_the_reference(golden: Path) -> None:
    config = CycleGANConfig(name="cyclegan", ngf=8, ndf=8, blocks=9, norm=Norm.instance)
    method = CycleGAN(config)
    arrays = Arrays(golden, "cyclegan_step_f64")
    dead = set((golden / IMAGE_TO_IMAGE / "cyclegan_dead_gradients.txt").read_text().split())
    networks = {
        "G_A": method.to_clean, "G_B": method.to_masked, "D_A": method.clean_critic, "D_B": method.masked_critic,
    }  # fmt: skip
    assert dead == {
        f"{'gradG' if name.startswith('G') else 'gradD'}.{name}.{bias}"
        for name, network in networks.items()
        for bias in without_gradient(network)
    }
    updater = check_steps(method, networks, arrays, dead)
    assert updater.order == ["generators", "discriminators"] * 3


def tiny(shown: Pix2PixInput) -> Pix2Pix:
    return Pix2Pix(Pix2PixConfig(name="pix2pix", ngf=2, ndf=2, depth=5, dropout=False, input=shown))


@pytest.mark.parametrize(("shown", "channels"), [(Pix2PixInput.masked, 6), (Pix2PixInput.visible, 7)])
def test_the_discriminator_of_pix2pix_judges_pictures_beside_what_was_seen(shown: Pix2PixInput, channels: int) -> None:
    """First the detached picture, then the clean one, then the picture again: each behind the generator's input."""
    method, batch = tiny(shown), made_up_batch()
    judged: list[Tensor] = []
    method.critic.register_forward_pre_hook(lambda module, inputs: judged.append(inputs[0]))
    method.training_step(batch, Updater(method))
    seen = method.seen(batch.masked, batch.hole)
    assert [tuple(one.shape[1:]) for one in judged] == [(channels, 32, 32)] * 3
    assert all(torch.equal(one[:, : channels - 3], seen) for one in judged)
    fake, real, again = (one[:, channels - 3 :] for one in judged)
    assert torch.equal(real, batch.clean)
    assert torch.equal(fake, again.detach())
    assert again.requires_grad
    assert not fake.requires_grad


def test_pix2pix_that_sees_the_visible_part_fills_the_hole_and_nothing_else() -> None:
    method, batch = tiny(Pix2PixInput.visible), made_up_batch()
    seen = method.seen(batch.masked, batch.hole)
    hidden = batch.masked + 5 * batch.hole
    assert torch.equal(method.seen(hidden, batch.hole), seen)
    made = torch.rand(2, 3, 32, 32, requires_grad=True)
    joined = method.joined(made, batch.clean, batch.hole)
    joined.sum().backward()
    assert made.grad is not None
    assert torch.equal(made.grad, batch.hole.expand(-1, 3, -1, -1))
    faces = Faces(batch.masked_ids, batch.masked, batch.hole, batch.hole, batch.clean)
    raw = method.unmask(faces).raw
    assert torch.equal(raw * (1 - batch.hole), batch.masked * (1 - batch.hole))


def test_the_l1_of_the_visible_input_is_the_mean_over_the_hole() -> None:
    method, batch = tiny(Pix2PixInput.visible), made_up_batch()
    reported = float(method.training_step(batch, lambda name, loss: None)["G_L1"])
    with torch.no_grad():
        made = method.unet(method.seen(batch.masked, batch.hole))
    inside = (made - batch.clean).abs().mean(1, keepdim=True)[batch.hole > 0]
    assert reported == pytest.approx(100 * float(inside.mean()), rel=1e-4)


@pytest.mark.parametrize("kind", AdversarialLoss)
def test_every_adversarial_loss_trains_both_methods(kind: AdversarialLoss) -> None:
    paired = made_up_batch(1)
    unpaired = replace(paired, clean_ids=("other",))
    pix2pix = Pix2Pix(Pix2PixConfig(name="pix2pix", ngf=2, ndf=2, depth=5, adversarial_loss=kind, norm=Norm.instance))
    cyclegan = CycleGAN(CycleGANConfig(name="cyclegan", ngf=2, ndf=2, blocks=1, adversarial_loss=kind))
    for method, batch in ((pix2pix, paired), (cyclegan, unpaired)):
        before = [parameter.detach().clone() for parameter in method.parameters()]
        losses = method.training_step(batch, Updater(method))
        assert all(bool(loss.isfinite()) for loss in losses.values())
        moved = [not torch.equal(a, b) for a, b in zip(before, method.parameters(), strict=True)]
        assert all(moved[index] for index, parameter in enumerate(method.parameters()) if parameter.ndim > 1)


@pytest.mark.parametrize("statistics", [False, True])
def test_unmasking_in_double_precision_gives_pictures_in_single(statistics: bool) -> None:
    """As a validation does while training with training.precision=64-true."""
    batch = made_up_batch()
    config = Pix2PixConfig(name="pix2pix", ngf=2, ndf=2, depth=5, picture_statistics=statistics)
    faces = Faces(batch.masked_ids, *(F.interpolate(x, 64) for x in (batch.masked, batch.hole, batch.hole)))
    single = Pix2Pix(config).unmask(faces).raw
    double = Pix2Pix(config).double().unmask(faces).raw
    assert double.dtype is torch.float32
    # float32 against float64, pictures in [-1,1]
    torch.testing.assert_close(double, single, rtol=1e-4, atol=1e-4)


def test_a_picture_does_not_depend_on_its_neighbours() -> None:
    batch = made_up_batch(3)
    faces = Faces(batch.masked_ids, batch.masked, batch.hole, batch.hole)
    for statistics in (False, True):
        config = Pix2PixConfig(name="pix2pix", ngf=2, ndf=2, depth=6, picture_statistics=statistics, norm=Norm.batch)
        method = Pix2Pix(config)
        large = Faces(faces.ids, *(F.interpolate(x, 64) for x in (faces.masked, faces.occlusion, faces.hole)))
        before = {name: buffer.clone() for name, buffer in method.named_buffers()}
        together = method.unmask(large).raw
        alone = torch.cat([method.unmask(large[index]).raw for index in range(3)])
        torch.testing.assert_close(together, alone)
        assert all(torch.equal(before[name], buffer) for name, buffer in method.named_buffers())
    assert method.training
