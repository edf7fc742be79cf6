"""Pairs on disk as a dataset of `Faces`."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import final

import torch
from torch import Tensor
from torch.utils.data import Dataset

from unmask.alignment import Placement
from unmask.config import DataConfig, HoleConfig
from unmask.data.aligned import load_aligned
from unmask.data.attributes import attributes_of
from unmask.data.pairing import Pair, find_pairs
from unmask.data.references import References, find_references
from unmask.data.report import PairingReport, Report
from unmask.data.strangers import strangers
from unmask.faces import Doubt, Faces, Original
from unmask.images import dilate, load_with_notes
from unmask.occlusion import OcclusionFinder, build, grown


class FacesDataset(Dataset[Faces], ABC):
    """Item i is the i-th picture, decoded, as `Faces` of batch 1."""

    @property
    @abstractmethod
    def ids(self) -> tuple[str, ...]:
        """The pictures' names, ascending."""

    @property
    @abstractmethod
    def report(self) -> Report:
        """What became of the files that were found; decoding has not happened yet."""

    @property
    @abstractmethod
    def strict(self) -> bool:
        """Stop at the first picture that cannot be decoded (heeded by `unmask.data.batches`)."""

    def __len__(self) -> int:
        return len(self.ids)


@final
class PairedDataset(FacesDataset):
    """Item i is the i-th pair, decoded, as `Faces` of batch 1 at `resolution`.

    Attributes:
        pairs: the files, ascending by id.
        references: other photographs of the people; None where nobody asked for them.
    """

    def __init__(
        self,
        pairs: tuple[Pair, ...],
        report: PairingReport,
        *,
        resolution: int,
        finder: OcclusionFinder,
        dilate: float,
        grow: bool = False,
        align: bool = False,
        references: References | None = None,
        strict: bool = False,
    ) -> None:
        """
        Args:
            dilate: from what is filled to the hole, in pixels at 256.
            grow: also fill what is left of the mask.
            align: the files are photos, of which the largest face is cut out.
            references: other photographs of the people.
        """
        self.pairs = pairs
        self._report = report
        self._strict = strict
        self._resolution = resolution
        self._finder = finder
        self._dilate = dilate
        self._grow = grow
        self._align = align
        self.references = references

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(pair.id for pair in self.pairs)

    @property
    def report(self) -> PairingReport:
        return self._report

    @property
    def strict(self) -> bool:
        return self._strict

    def __getitem__(self, index: int) -> Faces:
        """Decode one pair.

        Raises:
            UnmaskError: a file cannot be decoded or is not square, or no occlusion can be found; names the
                file.
        """
        pair = self.pairs[index]
        masked, notes, placement = self._load(pair.masked)
        clean = None
        if pair.clean is not None:
            one, more, _ = self._load(pair.clean, placement)
            clean, notes = one[None], notes + more
        found = self._finder.find(pair.id, masked, None if clean is None else clean[0], placement)
        occlusion = found.occlusion[None]
        filled = grown(masked, found.occlusion)[None] if self._grow else None
        reasons = notes if found.doubt is None else (found.doubt, *notes)
        hole = dilate(occlusion if filled is None else filled, self._dilate)
        references: tuple[Tensor, ...] = ()
        if self.references is not None:
            known = self.references.of(pair.id, self._resolution)
            references = (known.pictures,)
            reasons += (*known.notes, *strangers(known, masked[None], 1 - hole))
        return Faces(
            ids=(pair.id,),
            masked=masked[None],
            occlusion=occlusion,
            hole=hole,
            clean=clean,
            doubts=(Doubt(pair.id, " ".join(reasons)),) if reasons else (),
            grown=filled,
            contents=(_content(pair),),
            corners=None if placement is None else torch.from_numpy(placement.quad.corners)[None],
            references=references,
        )

    def read(self, index: int) -> Original:
        """Decode one pair without looking for its occlusion.

        Raises:
            UnmaskError: a file cannot be decoded or is not square; names it.
        """
        pair = self.pairs[index]
        masked, _, placement = self._load(pair.masked)
        clean = None if pair.clean is None else self._load(pair.clean, placement)[0]
        return Original(pair.id, masked, clean, _content(pair))

    def load_clean(self, index: int) -> Tensor | None:
        """(1,3,R,R) in [-1,1], the clean picture alone; None where there is none.

        Raises:
            UnmaskError: the file cannot be decoded or is not square; names it.
        """
        pair = self.pairs[index]
        if pair.clean is None:
            return None
        placement = load_aligned(pair.masked, self._resolution).placement if self._align else None
        return self._load(pair.clean, placement)[0][None]

    def _load(self, path: Path, placement: Placement | None = None) -> tuple[Tensor, tuple[str, ...], Placement | None]:
        """The picture, what is to be said about it, and where it lies in its photo, for the other files of the id."""
        if self._align:
            aligned = load_aligned(path, self._resolution, placement)
            return aligned.picture, aligned.notes, aligned.placement
        picture, notes = load_with_notes(path, self._resolution)
        return picture, notes, None


def _content(pair: Pair) -> str:
    """See `Faces.contents`. Of the files, not of their pixels: resampling rounds differently on another processor."""
    digest = hashlib.sha256()
    for path in (pair.masked, pair.clean):
        digest.update(b"none" if path is None else hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def load_dataset(config: DataConfig, occlusion: HoleConfig) -> PairedDataset:
    """Pair the pictures of `config` and make them ready to be decoded.

    Raises:
        UnmaskError: as `find_pairs` and `find_references`, or `data.attributes` cannot be read, which the report after
            all work would need.
    """
    attributes_of(config)
    pairs, report = find_pairs(config, occlusion)
    references = None if config.references is None else find_references(config, tuple(pair.id for pair in pairs))
    return make_dataset(pairs, report, config, occlusion, resolution=config.resolution, references=references)


def make_dataset(
    pairs: tuple[Pair, ...],
    report: PairingReport,
    data: DataConfig,
    occlusion: HoleConfig,
    *,
    resolution: int,
    references: References | None = None,
) -> PairedDataset:
    """Make pairs ready to be decoded at `resolution`, with the occlusions of the settings."""
    painted = {pair.id: pair.occlusion for pair in pairs if pair.occlusion is not None}
    return PairedDataset(
        pairs,
        report,
        resolution=resolution,
        finder=build(occlusion, painted),
        dilate=occlusion.dilate,
        grow=occlusion.grow,
        align=data.align,
        references=references,
        strict=data.strict,
    )
