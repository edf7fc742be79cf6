"""The user's word: latents moved until the face shows what was asked for, while its visible part stays as it is.

The first move is the likeliest one under a linear model (`unmask.projection.controls`). The generator is not linear, so
a few rounds follow, each of which renders and looks: what is still missing of the wish is added (Newton's method with
one slope per attribute, by the secant rule), and what has changed of the visible pixels is taken back, by the change of
w that the linear model sees behind it. Every step back keeps the attributes as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from unmask.projection.controls import Controls, likeliest_moves
from unmask.projection.regression import PictureModel, visible_thumbnails
from unmask.projection.traits import Traits, face_in

ROUNDS = 8
"""Renders of each picture at most."""
CLOSE = {"mouth_open": 0.004, "smile": 0.004, "beard": 0.02, "age": 0.7}
"""How near to the wish is near enough, in the unit of each attribute."""
REACHED = {"mouth_open": 0.03, "smile": 0.03, "beard": 0.15, "age": 5.0}
"""How far from the wish the result may be without a word."""
FARTHEST = 4.0
"""Length of the longest move, in deviations of the posterior: farther off there are no faces."""
MOST_VISIBLE_LOSS = 0.5
"""By how much the visible part may fit the photograph worse than before, in dB of its thumbnail."""
INVISIBLE = 1e-3
"""Mean squared change of a thumbnail in [-1,1] that never counts: 36 dB, what JPEG does."""
SHORTER = 0.7
"""Where it fits worse than that and no better than the round before, the next move is this share as long."""
SLOPES = (0.25, 2.5)
"""Measured change over expected change, at least and at most: a slope out of this range is noise."""

Render = Callable[[Tensor], Tensor]
"""w (1,L,D) -> the picture (1,3,H,W) in [-1,1]."""


@dataclass(frozen=True)
class Granted:
    """
    Attributes:
        w: (1,L,D), as far as it goes.
        reached: what the face shows there, by attribute.
    """

    w: Tensor
    reached: dict[str, float]


@final
class Wishes:
    """What is asked of every picture of a run; makes no difference between pictures."""

    def __init__(
        self,
        asked: dict[str, float],
        controls: Controls,
        traits: Traits,
        model: PictureModel,
        unexplained: Tensor,
        ridge: float,
    ) -> None:
        """
        Args:
            asked: value by attribute, at least one.
            traits: measure what a picture shows.
            unexplained: (D,D), see `unmask.projection.controls.unexplained_covariance`.
            ridge: see `PictureModel.expected_w`.
        """
        self.names = tuple(asked)
        self.asked = torch.tensor(list(asked.values()))
        self.controls = controls.only(self.names)
        self.traits = traits
        self.model = model
        self.unexplained = unexplained
        self.ridge = ridge

    @torch.no_grad()
    def grant(self, w: Tensor, render: Render, masked: Tensor, visible: Tensor) -> Granted:
        """One picture's latents w (1,L,D), all layers moved alike, with the visible part of their own picture.

        Args:
            masked: (1,3,H,W) in [-1,1]; visible: (1,1,H,W).
        """
        gradients = self.controls.gradients
        _, (where,) = visible_thumbnails(masked, visible, self.model.centre)
        spread = self.model.posterior_covariance(where, gradients, ridge=self.ridge) + gradients @ self.unexplained
        moves = likeliest_moves(gradients, spread)
        precision = torch.linalg.inv(spread @ gradients.T)
        asked = self.asked.to(w)

        first = render(w)
        (wanted,), _ = visible_thumbnails(masked, visible, self.model.centre)
        face = face_in(torch.where(visible > 0, masked, first))

        def look(picture: Tensor) -> tuple[Tensor, Tensor]:
            pasted = torch.where(visible > 0, masked, picture)
            (small,), _ = visible_thumbnails(picture, visible, self.model.centre)
            return small, self.traits.measure(pasted, self.names, face).to(w)

        before, shown = look(first)
        close = torch.tensor([CLOSE[name] for name in self.names]).to(w)
        best, best_shown, best_cost = w, shown, (_error(asked - shown, close), 0.0)
        worst = float(((before - wanted) * where).square().mean()) * 10 ** (MOST_VISIBLE_LOSS / 10)
        worst = max(worst, INVISIBLE)
        longest, misfit = FARTHEST, float("inf")
        amount, slope, back = torch.zeros_like(asked), torch.ones_like(asked), torch.zeros_like(moves[0])
        for _ in range(ROUNDS):
            step = (asked - shown) / slope
            amount, earlier = _within(amount + step, precision, longest), amount
            moved = w + amount @ moves + back
            small, now = look(render(moved))
            changed = amount - earlier
            slope = torch.where(changed.abs() > close, ((now - shown) / changed).clamp(*SLOPES), slope)
            shown = now
            # among those that are near enough, the one that leaves the visible part most as it was
            cost = (_error(asked - shown, close), float(((small - before) * where).square().mean()))
            earlier_misfit, misfit = misfit, float(((small - wanted) * where).square().mean())
            if misfit > worst and not misfit < earlier_misfit:
                # taking the changes back does not help: the next move is this one, shorter
                longest, misfit = min(longest, SHORTER * _length(amount, precision)), float("inf")
                amount, back, slope = (
                    _within(amount, precision, longest),
                    torch.zeros_like(back),
                    torch.ones_like(slope),
                )
                shown = asked
                continue
            if misfit <= worst and cost < best_cost:
                best, best_shown, best_cost = moved, shown, cost
            undone = self.model.change_behind(before - small, where, ridge=self.ridge)
            back = back + undone - (gradients @ undone) @ moves
        return Granted(best, dict(zip(self.names, best_shown.tolist(), strict=True)))

    def shortfall(self, reached: dict[str, float]) -> str | None:
        """A sentence about what was asked for and is not there; None where all is."""
        missed = [
            f"method.{name}={value:g} was asked for and {reached[name]:.2f} reached"
            for name, value in zip(self.names, self.asked.tolist(), strict=True)
            if abs(value - reached[name]) > REACHED[name]
        ]
        return None if not missed else f"{'; '.join(missed)}: the generator knows no such face with this visible part."


def _error(missing: Tensor, close: Tensor) -> float:
    """The largest share of what is near enough, 1 where all are."""
    return max(1.0, float((missing.abs() / close).max()))


def _length(amount: Tensor, precision: Tensor) -> float:
    """Of a move by `amount` (m,), in deviations of the posterior."""
    return float((amount @ precision @ amount).clamp_min(0).sqrt())


def _within(amount: Tensor, precision: Tensor, longest: float) -> Tensor:
    """`amount` (m,), shortened to so many deviations where it is longer."""
    length = _length(amount, precision)
    return amount * min(1.0, longest / length) if length > 0 else amount
