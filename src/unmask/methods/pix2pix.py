"""Pix2Pix: a conditional GAN on pairs (Isola et al. 2017, Image-to-image translation with conditional adversarial
networks, equations 1 to 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask.adversarial import adversarial_loss, gradient_penalty_at_random
from unmask.config import Pix2PixConfig, Pix2PixInput
from unmask.errors import UnmaskError
from unmask.faces import Faces, Pairing, TrainingBatch
from unmask.kinds import AdversarialLoss
from unmask.losses import masked_mean
from unmask.methods.critics import build_critic
from unmask.methods.likeness import Likeness
from unmask.methods.perception import Perception
from unmask.methods.trained import TrainedMethod, Update, apply, frozen
from unmask.networks.normalisation import initialise, own_statistics
from unmask.networks.unet_generator import UNetGenerator
from unmask.networks.windows import cut, windows_around


@final
class Pix2Pix(TrainedMethod):
    """A U-Net from masked to clean pictures, against a discriminator that sees both, and close to the clean one."""

    pairing: ClassVar[Pairing] = Pairing.paired

    def __init__(self, config: Pix2PixConfig, seed: int = 0) -> None:
        """Fresh weights that derive from `seed`.

        Raises:
            UnmaskError: settings that exclude each other.
        """
        super().__init__()
        if config.window and config.input is Pix2PixInput.masked:
            raise UnmaskError(
                "method.window=true needs method.input=visible: what is generated outside the window would go unjudged."
            )
        self.config = config
        self.stride = 2**config.depth
        channels = 4 if config.input is Pix2PixInput.visible else 3
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.unet = UNetGenerator(
                channels, depth=config.depth, ngf=config.ngf, norm=config.norm, dropout=config.dropout
            )
            self.critic = build_critic(config, channels + 3)
            initialise(self)
        learns = config.checkpoint is None and config.lambda_perceptual > 0
        self.perception = Perception.pretrained() if learns else None
        knows = config.checkpoint is None and config.lambda_identity > 0
        self.likeness = Likeness.pretrained() if knows else None

    @property
    def generator(self) -> nn.Module:
        return self.unet

    def networks(self) -> Mapping[str, Sequence[nn.Module]]:
        return {"discriminator": (self.critic,), "generator": (self.unet,)}

    def training_step(self, batch: TrainingBatch, update: Update) -> dict[str, Tensor]:
        """The discriminator first, on detached pictures, then the generator against the updated discriminator."""
        assert batch.masked_ids == batch.clean_ids, "pix2pix learns from pairs"
        kind = self.config.adversarial_loss
        seen = self.seen(batch.masked, batch.hole)
        made = self.joined(as_coarse(apply(self.unet, seen), batch.coarse), batch.clean, batch.hole)

        needed = self.config.window or self.perception is not None  # finding them waits for the device
        windows = windows_around(batch.hole) if needed else ()

        def judged(picture: Tensor) -> Tensor:
            pair = torch.cat([seen, picture], 1)
            return cut(pair, windows) if self.config.window else pair

        fake, real = judged(made.detach()), judged(batch.clean)
        loss_fake = adversarial_loss(apply(self.critic, fake), real=False, kind=kind)
        loss_real = adversarial_loss(apply(self.critic, real), real=True, kind=kind)
        loss_critic = 0.5 * (loss_fake + loss_real)
        if kind is AdversarialLoss.wgangp:
            loss_critic = loss_critic + gradient_penalty_at_random(lambda x: apply(self.critic, x), real, fake)
        update("discriminator", loss_critic)

        with frozen(self.critic):
            fooled = adversarial_loss(apply(self.critic, judged(made)), real=True, kind=kind)
        l1 = self.config.lambda_l1 * self._l1(made, batch.clean, batch.hole)
        losses = {"G_GAN": fooled, "G_L1": l1}
        if self.perception is not None:
            distance = self.perception.distance(made, batch.clean, windows).mean()
            losses["G_perceptual"] = self.config.lambda_perceptual * distance
        if self.likeness is not None:
            losses["G_identity"] = self.config.lambda_identity * self.likeness.distance(made, batch.clean).mean()
        update("generator", sum(losses.values(), torch.zeros((), device=made.device)))
        losses |= {"D_real": loss_real, "D_fake": loss_fake}
        return {name: loss.detach() for name, loss in losses.items()}

    def generate(self, faces: Faces) -> Tensor:
        seen = self.seen(faces.masked, faces.hole)
        if self.config.picture_statistics:
            with own_statistics(self.unet):
                made = torch.cat([apply(self.unet, one) for one in seen.split(1)])
        else:
            made = apply(self.unet, seen)
        return self.joined(made, faces.masked, faces.hole)

    def seen(self, masked: Tensor, hole: Tensor) -> Tensor:
        """What the generator is shown: (B,3,H,W), or with input=visible (B,4,H,W), the hole blanked and appended."""
        if self.config.input is Pix2PixInput.masked:
            return masked
        return torch.cat([masked * (1 - hole), hole], 1)

    def joined(self, made: Tensor, around: Tensor, hole: Tensor) -> Tensor:
        """The picture (B,3,H,W) the generator answers for: all of it, or with input=visible the hole in what is around.

        In training that is the clean picture, since the masked one's visible part differs from it by compression, which
        would give every generated picture away.
        """
        if self.config.input is Pix2PixInput.masked:
            return made
        return hole * made + (1 - hole) * around

    def _l1(self, made: Tensor, clean: Tensor, hole: Tensor) -> Tensor:
        """Mean over what the generator answers for."""
        if self.config.input is Pix2PixInput.masked:
            return (made - clean).abs().mean()
        return masked_mean((made - clean).abs(), hole).mean()


def as_coarse(made: Tensor, coarse: Tensor | None) -> Tensor:
    """made (B,3,H,W), of which those that are `coarse` (B,) lose what half their size does not hold."""
    if coarse is None:
        return made
    enlarged = F.interpolate(F.avg_pool2d(made, 2), scale_factor=2, mode="bicubic", align_corners=False)
    return torch.where(coarse[:, None, None, None], enlarged, made)
