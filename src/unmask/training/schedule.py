"""The learning rate's course and the length of a training."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unmask.config import LearningRatePolicy, TrainingConfig
from unmask.errors import UnmaskError


@dataclass(frozen=True)
class TrainingSchedule:
    """How many steps there are, and the learning rate at each."""

    config: TrainingConfig
    steps_per_epoch: int

    def __post_init__(self) -> None:
        config = self.config
        if config.epochs < 0 or config.decay_epochs < 0 or config.epochs + config.decay_epochs < 1:
            raise UnmaskError(
                f"training.epochs={config.epochs} and training.decay_epochs={config.decay_epochs} must not be negative "
                "and must sum to at least 1."
            )
        if config.max_steps is not None and config.max_steps < 1:
            raise UnmaskError(f"training.max_steps={config.max_steps} must be at least 1, or null for whole epochs.")

    @property
    def steps(self) -> int:
        """Steps in all."""
        if self.config.max_steps is not None:
            return self.config.max_steps
        return (self.config.epochs + self.config.decay_epochs) * self.steps_per_epoch

    def learning_rate(self, step: int) -> float:
        """In force at the 0-based `step`; it changes between epochs only, as in the reference program.

        With `max_steps` the epochs of the policy are as short as fits.
        """
        if self.config.max_steps is None:
            epoch = step // self.steps_per_epoch
        else:
            epoch = step * (self.config.epochs + self.config.decay_epochs) // self.config.max_steps
        return self.config.lr * factor(epoch, self.config)


def factor(epoch: int, config: TrainingConfig) -> float:
    """The learning rate of the 0-based `epoch`, relative to the first.

    linear: constant for `epochs`, then along a line that reaches zero one epoch after the last
    (junyanz/pytorch-CycleGAN-and-pix2pix, networks.get_scheduler).
    """
    policy = config.lr_policy
    if policy is LearningRatePolicy.linear:
        return 1.0 - max(0, epoch + 1 - config.epochs) / (config.decay_epochs + 1)
    if policy is LearningRatePolicy.cosine:
        return (1.0 + math.cos(math.pi * epoch / (config.epochs + config.decay_epochs))) / 2.0
    if policy is LearningRatePolicy.step:
        return 0.1 ** (epoch // config.lr_step_epochs)
    return 1.0
