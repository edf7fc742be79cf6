"""The records that travel between data, methods and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import torch
from torch import Tensor

from unmask.errors import UnmaskError


@dataclass(frozen=True)
class Doubt:
    """A picture whose occlusion may be wrong, and why (``reason`` is a full sentence for the user)."""

    id: str
    reason: str


@dataclass(frozen=True)
class Faces:
    """A batch of pictures to unmask.

    Attributes:
        ids: one name per picture, B of them (the five-digit FFHQ id where there is one).
        masked: (B,3,H,W) float32 RGB in [-1,1], the face wearing a face mask.
        occlusion: (B,1,H,W) float32, 1 where the face mask hides the face, 0 where visible: the label as given.
        hole: (B,1,H,W) float32, `filled` dilated by ``occlusion.dilate``: what a method must fill and may not look at,
            since the drawn mask's border reaches past its label.
        clean: (B,3,H,W) float32 RGB in [-1,1], the same face without the mask; None at inference.
        doubts: those of the pictures whose occlusion may be wrong, or that were changed while decoding; they
            are unmasked all the same.
        grown: (B,1,H,W) float32, `occlusion` with what is left of the face mask beyond it; None where nobody looked.
        contents: per picture twelve hexadecimal digits that tell its files, masked and clean, from any others: ids
            alone do not, since FFHQ and other data number their people alike. () where there are no files.
        corners: (B,4,2) float64, where the pictures lie in the photos that they were cut from: top left, bottom left,
            bottom right and top right as in `unmask.alignment.Quad`; None where they are files of their own.
        references: per picture (R,3,H,W) float32 RGB in [-1,1], FFHQ-aligned, other photographs of the same person
            without a face mask, R of them or none; () where nobody was asked for any.
    """

    ids: tuple[str, ...]
    masked: Tensor
    occlusion: Tensor
    hole: Tensor
    clean: Tensor | None = None
    doubts: tuple[Doubt, ...] = ()
    grown: Tensor | None = None
    contents: tuple[str, ...] = ()
    corners: Tensor | None = None
    references: tuple[Tensor, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def filled(self) -> Tensor:
        """(B,1,H,W) float32, 1 where the composite takes the generated picture, before it is dilated for the seam."""
        return self.occlusion if self.grown is None else self.grown

    @property
    def visible(self) -> Tensor:
        """(B,1,H,W) float32, 1 where a method may look: the complement of `hole`."""
        return 1.0 - self.hole

    def to(self, device: torch.device | str) -> Faces:
        """The same batch with its tensors on `device`."""
        clean = None if self.clean is None else self.clean.to(device)
        return replace(
            self,
            masked=self.masked.to(device),
            occlusion=self.occlusion.to(device),
            hole=self.hole.to(device),
            clean=clean,
            grown=None if self.grown is None else self.grown.to(device),
            references=tuple(one.to(device) for one in self.references),
        )

    def __getitem__(self, index: int) -> Faces:
        """The picture at `index` as a batch of one."""
        one = slice(index, index + 1)
        clean = None if self.clean is None else self.clean[one]
        doubts = tuple(doubt for doubt in self.doubts if doubt.id == self.ids[index])
        grown = None if self.grown is None else self.grown[one]
        return Faces(
            self.ids[one],
            self.masked[one],
            self.occlusion[one],
            self.hole[one],
            clean,
            doubts,
            grown,
            self.contents[one],
            None if self.corners is None else self.corners[one],
            self.references[one],
        )


@dataclass(frozen=True)
class Original:
    """The files of one picture, without anybody having looked for its occlusion.

    Attributes:
        id: its name.
        masked: (3,H,W) float32 RGB in [-1,1].
        clean: the same without the face mask; None where there is none.
        content: see `Faces.contents`.
    """

    id: str
    masked: Tensor
    clean: Tensor | None
    content: str = ""


@dataclass(frozen=True)
class Failure:
    """A picture that could not be finished, and why (``reason`` is a full sentence for the user)."""

    id: str
    reason: str


def none_usable(undecodable: Sequence[Failure]) -> UnmaskError:
    """The error to raise where not a single picture of the data could be decoded."""
    return UnmaskError(
        f"None of the {len(undecodable)} pictures could be used; the first: {undecodable[0].reason} "
        "Check data.root, data.clean_dir, data.masked_dir and occlusion.painted_dir, or data.manifest."
    )


@dataclass(frozen=True)
class Reconstruction:
    """What a method made of a batch of `Faces`.

    Attributes:
        ids: the pictures that were finished, in the order of the batch; failed ones are left out.
        raw: (N,3,H,W) float32 RGB in [-1,1], what the method generated, whole picture.
        w_plus: (N,num_ws,512) float32 latents, for methods that have them.
        full: (N,3,R,R) float32 RGB in [-1,1], the generator's full-resolution render, where it was asked for.
        samples: (N,K,3,H,W) float32 RGB in [-1,1], K > 1 answers to each picture, of which the first is `raw`, where
            several were asked for; None where there is one. `w_plus` and `full` are of the first.
        full_samples: (N,K,3,R,R) float32 RGB in [-1,1], the full-resolution renders of all answers, where both were
            asked for.
        failures: the pictures of the batch that are missing from `ids`.
        composites: (N,3,H,W) float32 RGB in [-1,1], finished pictures, by methods that join their answer to the input
            themselves; None where that is left to the evaluation.
        remarks: what the user should know of a finished picture.
    """

    ids: tuple[str, ...]
    raw: Tensor
    w_plus: Tensor | None = None
    full: Tensor | None = None
    samples: Tensor | None = None
    failures: tuple[Failure, ...] = ()
    full_samples: Tensor | None = None
    composites: Tensor | None = None
    remarks: tuple[Doubt, ...] = ()

    def to(self, device: torch.device | str) -> Reconstruction:
        """The same with its tensors on `device`, detached."""
        return replace(self, **{name: held.detach().to(device) for name, held in self._tensors().items()})

    def __getitem__(self, index: int) -> Reconstruction:
        """What was made of the picture at `index` of `ids`, as a batch of one, without the failures of others."""
        one = slice(index, index + 1)
        cut = {name: held[one] for name, held in self._tensors().items()}
        remarks = tuple(remark for remark in self.remarks if remark.id == self.ids[index])
        return replace(self, ids=self.ids[one], failures=(), remarks=remarks, **cut)

    def _tensors(self) -> dict[str, Any]:
        """Those that there are, by attribute."""
        named = {
            name: getattr(self, name) for name in ("raw", "w_plus", "full", "samples", "full_samples", "composites")
        }
        return {name: held for name, held in named.items() if held is not None}


@dataclass(frozen=True)
class StepReport:
    """Where the optimisation of a batch stands, as told to a `StepCallback` before the first step and after each.

    Attributes:
        ids: the B pictures being worked on.
        answer: number of the answer being worked on, from 0; methods that give one answer have no other.
        taken: steps so far for this answer, over all stages; 0 at its start.
        total: steps it will take.
        losses: of the step just taken, at the picture before it: named (B,) tensors, one value per picture, detached.
            Empty at the start.
        render: call it for the (B,3,H,W) picture as it stands, in [-1,1]; rendering costs time only when called.
    """

    ids: tuple[str, ...]
    answer: int
    taken: int
    total: int
    losses: dict[str, Tensor]
    render: Callable[[], Tensor]


StepCallback = Callable[[StepReport], None]


class Pairing(Enum):
    """What a method learns from: see `TrainingBatch`."""

    paired = "paired"
    unpaired = "unpaired"


@dataclass(frozen=True)
class TrainingBatch:
    """Pictures to learn from, cropped and flipped alike.

    Attributes:
        masked_ids, clean_ids: whose pictures they are, B each. Paired training has the same id in both at every place;
            unpaired training has no id in common between them, in a batch or anywhere else.
        masked: (B,3,H,W) float32 RGB in [-1,1], faces wearing a face mask.
        hole: (B,1,H,W) float32, 1 where a method may not look in `masked`; see `Faces`.
        clean: (B,3,H,W) float32 RGB in [-1,1], faces without one.
        replaced: faces that were due but could not be used; others have taken their places.
        coarse: (B,) bool, clean pictures that were enlarged from half their size and hold no finer detail; None: none.
    """

    masked_ids: tuple[str, ...]
    clean_ids: tuple[str, ...]
    masked: Tensor
    hole: Tensor
    clean: Tensor
    replaced: tuple[Failure, ...] = ()
    coarse: Tensor | None = None

    def __len__(self) -> int:
        return len(self.masked_ids)

    def to(self, device: torch.device | str) -> TrainingBatch:
        """The same batch with its tensors on `device`."""
        coarse = None if self.coarse is None else self.coarse.to(device)
        return replace(
            self,
            masked=self.masked.to(device),
            hole=self.hole.to(device),
            clean=self.clean.to(device),
            coarse=coarse,
        )
