"""The pictures of a run directory, written and read back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unmask.errors import UnmaskError
from unmask.images import load_image, load_levels, save_levels
from unmask.results.layout import (
    composite_path,
    deviation_path,
    occlusion_path,
    raw_path,
    raw_sample_path,
    sample_path,
)
from unmask.results.records import PictureRecord

HIDDEN, GROWN = 255, 128
"""Levels of occlusion/ID.png: the face mask as labelled, and what is left of it beyond that and was filled too."""


@dataclass(frozen=True)
class WrittenPictures:
    """The files of a finished picture, (3,H,W) in [-1,1].

    Attributes:
        samples: the composites of all answers; empty where there is one.
        deviation: how far these differ, see `unmask.results.deviation`; None where there is one.
    """

    raw: Tensor
    composite: Tensor
    samples: tuple[Tensor, ...] = ()
    deviation: Tensor | None = None


@dataclass(frozen=True)
class Hidden:
    """Where the face mask of a picture is.

    Attributes:
        occlusion: (1,H,W) float32, 1 where it hides the face: the label as given.
        filled: (1,H,W) float32, that and what is left of the mask beyond it.
    """

    occlusion: Tensor
    filled: Tensor


def read_pictures(folder: Path, record: PictureRecord) -> WrittenPictures:
    """The files of a finished picture.

    Raises:
        UnmaskError: one is missing or damaged; names it.
    """
    id = record.id
    raw, composite = load_image(raw_path(folder, id)), load_image(composite_path(folder, id))
    if not record.several:
        return WrittenPictures(raw, composite)
    samples = tuple(load_image(path) for path in written_samples(folder, id))
    return WrittenPictures(raw, composite, samples, load_image(deviation_path(folder, id)))


def read_raw_samples(folder: Path, id: str, answers: int) -> tuple[Tensor, ...] | None:
    """All answers as the method generated them, (3,H,W) in [-1,1]; None where the run did not keep them."""
    others = [raw_sample_path(folder, id, index) for index in range(1, answers)]
    if not all(path.is_file() for path in others):
        return None
    return tuple(load_image(path) for path in (raw_path(folder, id), *others))


def written_samples(folder: Path, id: str) -> Iterator[Path]:
    """Counted up: a killed process may have left a temporary file beside them."""
    return takewhile(Path.is_file, (sample_path(folder, id, index) for index in count()))


def write_hidden(folder: Path, id: str, hidden: Hidden) -> None:
    """occlusion/ID.png."""
    levels = torch.where(hidden.occlusion > 0.5, HIDDEN, torch.where(hidden.filled > 0.5, GROWN, 0))
    save_levels(levels[0].to(torch.uint8).cpu().numpy(), occlusion_path(folder, id))


def read_hidden(folder: Path, id: str) -> Hidden | None:
    """The same back; None where the run's version wrote none.

    Raises:
        UnmaskError: the file is damaged; names it.
    """
    path = occlusion_path(folder, id)
    if not path.is_file():
        return None
    levels = load_levels(path)[0][..., 0]
    return Hidden(_region(levels == HIDDEN), _region(levels >= GROWN))


def kept_hidden(folder: Path, id: str) -> Hidden:
    """The same of a run that keeps it.

    Raises:
        UnmaskError: the file is missing or damaged; names it.
    """
    hidden = read_hidden(folder, id)
    if hidden is None:
        raise UnmaskError(f"{occlusion_path(folder, id)}: missing, a run of an older version; run it again.")
    return hidden


def _region(inside: np.ndarray) -> Tensor:
    return torch.from_numpy(inside.astype(np.float32))[None]
