"""CycleGAN: mask and no mask as two styles, learnt without pairs (Zhu et al. 2017, Unpaired image-to-image translation
using cycle-consistent adversarial networks, equations 1 to 4 and section 5.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from unmask.adversarial import adversarial_loss, gradient_penalty_at_random
from unmask.config import CycleGANConfig
from unmask.faces import Faces, Pairing, TrainingBatch
from unmask.kinds import AdversarialLoss
from unmask.methods.critics import build_critic
from unmask.methods.image_pool import ImagePool
from unmask.methods.trained import TrainedMethod, Update, apply, frozen
from unmask.networks.normalisation import initialise
from unmask.networks.resnet_generator import DOWNSAMPLINGS, ResNetGenerator


@final
class CycleGAN(TrainedMethod):
    """A generator each way between masked (the reference's domain A) and clean (B), and a discriminator for each.

    Names of losses are the reference program's: A belongs to the way from masked to clean.
    """

    pairing: ClassVar[Pairing] = Pairing.unpaired
    stride = 2**DOWNSAMPLINGS

    def __init__(self, config: CycleGANConfig, seed: int = 0) -> None:
        """Fresh weights that derive from `seed`."""
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.to_clean = ResNetGenerator(ngf=config.ngf, blocks=config.blocks, norm=config.norm)
            self.to_masked = ResNetGenerator(ngf=config.ngf, blocks=config.blocks, norm=config.norm)
            self.clean_critic = build_critic(config, 3)
            self.masked_critic = build_critic(config, 3)
            initialise(self)
        self.made_clean = ImagePool(config.pool_size, seed)
        self.made_masked = ImagePool(config.pool_size, seed + 1)

    @property
    def generator(self) -> nn.Module:
        return self.to_clean

    def networks(self) -> Mapping[str, Sequence[nn.Module]]:
        return {
            "generators": (self.to_clean, self.to_masked),
            "discriminators": (self.clean_critic, self.masked_critic),
        }

    def training_step(self, batch: TrainingBatch, update: Update) -> dict[str, Tensor]:
        """Both generators first, then both discriminators on pictures made before that, passed through the pools."""
        config, masked, clean = self.config, batch.masked, batch.clean
        made_clean, made_masked = apply(self.to_clean, masked), apply(self.to_masked, clean)
        losses = {
            "cycle_A": config.lambda_unmask * l1(apply(self.to_masked, made_clean), masked),
            "cycle_B": config.lambda_mask * l1(apply(self.to_clean, made_masked), clean),
        }
        if config.lambda_identity > 0:
            # Swapped on purpose: the way to clean must leave clean pictures alone, whose cycle is the other one.
            to_clean, to_masked = config.lambda_mask, config.lambda_unmask
            losses["idt_A"] = config.lambda_identity * to_clean * l1(apply(self.to_clean, clean), clean)
            losses["idt_B"] = config.lambda_identity * to_masked * l1(apply(self.to_masked, masked), masked)
        kind = config.adversarial_loss
        with frozen(self.clean_critic, self.masked_critic):
            losses["G_A"] = adversarial_loss(apply(self.clean_critic, made_clean), real=True, kind=kind)
            losses["G_B"] = adversarial_loss(apply(self.masked_critic, made_masked), real=True, kind=kind)
        update("generators", sum(losses.values(), torch.zeros((), device=masked.device)))

        losses["D_A"] = self._critic_loss(self.clean_critic, clean, self.made_clean.exchange(made_clean))
        losses["D_B"] = self._critic_loss(self.masked_critic, masked, self.made_masked.exchange(made_masked))
        update("discriminators", losses["D_A"] + losses["D_B"])
        return {name: loss.detach() for name, loss in losses.items()}

    def generate(self, faces: Faces) -> Tensor:
        return apply(self.to_clean, faces.masked)

    def _critic_loss(self, critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        kind = self.config.adversarial_loss
        loss = 0.5 * (
            adversarial_loss(apply(critic, real), real=True, kind=kind)
            + adversarial_loss(apply(critic, fake), real=False, kind=kind)
        )
        if kind is AdversarialLoss.wgangp:
            loss = loss + gradient_penalty_at_random(lambda x: apply(critic, x), real, fake)
        return loss


def l1(made: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference over everything."""
    return (made - target).abs().mean()
