"""Training steps in float64 against the reference program's, and what is concatenated where."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1] / "networks"))
from golden_arrays import FOLDER, Arrays

from unmask.config import CycleGANConfig, Norm, Pix2PixConfig, Pix2PixInput
from unmask.faces import TrainingBatch
from unmask.methods.cyclegan import CycleGAN
from unmask.methods.pix2pix import Pix2Pix
from unmask.methods.trained import TrainedMethod

LR = 2e-4


class Updater:
    """Adam on every update, as the reference's optimisers; remembers the gradients."""

    def __init__(self, method: TrainedMethod) -> None:
        self.method = method
        self.gradients: dict[nn.Parameter, Tensor] = {}
        self.order: list[str] = []
        self.optimisers = {
            name: torch.optim.Adam([p for network in networks for p in network.parameters()], LR, (0.5, 0.999))
            for name, networks in method.networks().items()
        }

    def __call__(self, name: str, loss: Tensor) -> None:
        self.order.append(name)
        self.optimisers[name].zero_grad()
        loss.backward()
        for network in self.method.networks()[name]:
            for parameter in network.parameters():
                assert parameter.grad is not None
                self.gradients[parameter] = parameter.grad.clone()
        self.optimisers[name].step()


def batch_of(arrays: Arrays, step: int, *, paired: bool) -> TrainingBatch:
    masked, clean = (arrays.tensor(f"in.step{step}.{domain}").double() for domain in "AB")
    ids = tuple(map(str, range(len(masked))))
    others = ids if paired else tuple(f"other {id}" for id in ids)
    return TrainingBatch(ids, others, masked, torch.zeros_like(masked[:, :1]), clean)


def check_steps(method: TrainedMethod, networks: dict[str, nn.Module], arrays: Arrays, dead: set[str]) -> Updater:
    """Three steps: losses to 1e-9, gradients and state after the first."""
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
    dead = set((golden / FOLDER / "cyclegan_dead_gradients.txt").read_text().split())
    networks = {
        "G_A": method.to_clean, "G_B": method.to_masked, "D_A": method.clean_critic, "D_B": method.masked_critic,
    }  # fmt: skip
    updater = check_steps(method, networks, arrays, dead)
    assert updater.order == ["generators", "discriminators"] * 3
