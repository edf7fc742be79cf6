"""A few pictures as they emerge, from the first step of a method to what it leaves: strips, and how good they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from unmask.config import EvaluationConfig, JoinConfig
from unmask.faces import Faces
from unmask.making.join import join
from unmask.making.part import Curves
from unmask.runlog import RunLog

Score = Callable[[Tensor], Mapping[str, float]]
"""How good a composite (3,H,W) is: metric -> value, where it has one."""
ScoreOf = Callable[[Faces], Score]
"""That for a picture, a batch of one on the CPU."""
FOLLOWED = 4
"""Pictures that are followed: each costs a render and an LPIPS a frame."""
FRAMES = 8
"""Frames of a picture, whatever the number of steps. TensorBoard keeps ten pictures of a tag."""
GAP = 4
"""White between the pictures of a strip, in pixels."""


@dataclass(frozen=True)
class Frames:
    """Which steps are shown.

    Attributes:
        every: this many steps apart; 0: none; None: some `FRAMES`, as far apart as the steps allow.
    """

    every: int | None

    @classmethod
    def of(cls, config: EvaluationConfig) -> Frames:
        """Those an evaluation is asked for."""
        return cls(config.emerge_every)

    def due(self, taken: int, total: int) -> bool:
        """Whether there is a frame after `taken` of `total` steps. The last is not among them: it is the result."""
        if taken >= total:
            return False
        if self.every is not None:
            return self.every > 0 and taken % self.every == 0
        return taken in {round(index * total / (FRAMES - 1)) for index in range(FRAMES - 1)}


NO_FRAMES = Frames(0)


@dataclass(frozen=True)
class _Followed:
    """A batch of one on the CPU, and how good its composites are."""

    one: Faces
    score: Score


@final
class EmergingPictures:
    """Writes the frames of the first `FOLLOWED` pictures that it is shown, and gathers their curves."""

    def __init__(self, run_log: RunLog, occlusion: JoinConfig, frames: Frames, score_of: ScoreOf) -> None:
        """`occlusion`: how a frame is joined to its input, as in the composites that the run writes."""
        self._score_of = score_of
        self.frames = frames
        self._run_log = run_log
        self._occlusion = occlusion
        self._followed: dict[str, _Followed] = {}
        self._sums: dict[tuple[str, int], tuple[float, int]] = defaultdict(lambda: (0.0, 0))

    @property
    def curves(self) -> Curves:
        """Tag and percent of the way -> sum over the pictures, and how many they were.

        Percent, not steps: methods that take 24 steps and 900 lie above one another in a chart.
        """
        return self._sums

    def begin(self, faces: Faces) -> None:
        """Tell which batch comes next; its first pictures are followed while there is room."""
        if self.frames.every == 0:
            return
        for index, id in enumerate(faces.ids):
            if id not in self._followed and len(self._followed) < FOLLOWED:
                one = faces[index].to("cpu")
                self._followed[id] = _Followed(one, self._score_of(one))

    def follows(self, id: str) -> bool:
        """Whether frames of this picture are wanted."""
        return id in self._followed

    def show(self, id: str, raw: Tensor, taken: int, total: int) -> None:
        """A frame of a followed picture after `taken` of `total` steps; raw (3,H,W) in [-1,1], on any device."""
        raw = raw.detach().cpu().float().clamp(-1, 1)
        self._show(id, raw, join(raw[None], self._followed[id].one, self._occlusion)[0], taken, percent(taken, total))

    def show_end(self, id: str, raw: Tensor, composite: Tensor, total: int) -> None:
        """The last frame, of what a run leaves after `total` steps: raw and composite (3,H,W) in [-1,1] on the CPU."""
        self._show(id, raw, composite, total, 100)

    def _show(self, id: str, raw: Tensor, composite: Tensor, taken: int, way: int) -> None:
        followed = self._followed[id]
        self._run_log.image(f"pictures/emerging/{id}", strip(followed.one.masked[0], raw, composite), taken)
        for name, value in followed.score(composite).items():
            total, count = self._sums[f"emerging/{name}", way]
            self._sums[f"emerging/{name}", way] = (total + value, count + 1)


def percent(taken: int, total: int) -> int:
    """How far `taken` of `total` > 0 steps are, from 0 to 100."""
    return round(100 * taken / total)


def strip(*pictures: Tensor) -> Tensor:
    """Pictures (3,H,W) side by side with white between them, (3,H,W')."""
    white = torch.ones(3, pictures[0].shape[1], GAP)
    parts = [part for picture in pictures for part in (white, picture)]
    return torch.cat(parts[1:], 2)
