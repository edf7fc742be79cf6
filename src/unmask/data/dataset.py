"""Pairs on disk as a dataset of `Faces`."""

from __future__ import annotations

from typing import final

from torch.utils.data import Dataset

from unmask.config import DataConfig, OcclusionConfig
from unmask.data.pairing import Pair, find_pairs
from unmask.data.report import PairingReport
from unmask.errors import UnmaskError
from unmask.faces import Faces
from unmask.images import dilate, load_image
from unmask.occlusion import OcclusionFinder, build


@final
class PairedDataset(Dataset[Faces]):
    """Item i is the i-th pair, decoded, as `Faces` of batch 1 at `resolution`.

    Attributes:
        pairs: the files, ascending by id.
        report: what pairing found; decoding has not happened yet.
        strict: stop at the first picture that cannot be decoded (heeded by `unmask.data.batches`).
    """

    def __init__(
        self,
        pairs: tuple[Pair, ...],
        report: PairingReport,
        *,
        resolution: int,
        finder: OcclusionFinder,
        dilate: float,
        strict: bool = False,
    ) -> None:
        """`dilate`: from occlusion to hole, in pixels at 256."""
        self.pairs = pairs
        self.report = report
        self.strict = strict
        self._resolution = resolution
        self._finder = finder
        self._dilate = dilate

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Faces:
        """Decode one pair.

        Raises:
            UnmaskError: a file cannot be decoded or is not square, or no occlusion can be found; names the
                file.
        """
        pair = self.pairs[index]
        masked = load_image(pair.masked, self._resolution)
        clean = None if pair.clean is None else load_image(pair.clean, self._resolution)
        occlusion = self._finder.find(pair.id, masked, clean)[None]
        return Faces(
            ids=(pair.id,),
            masked=masked[None],
            occlusion=occlusion,
            hole=dilate(occlusion, self._dilate),
            clean=None if clean is None else clean[None],
        )


def load_dataset(config: DataConfig, occlusion: OcclusionConfig) -> PairedDataset:
    """Pair the pictures of `config` and make them ready to be decoded; see `find_pairs` for the errors."""
    if config.resolution < 16:
        raise UnmaskError(f"data.resolution={config.resolution} pixels is too small; use 128, 256 or 1024.")
    pairs, report = find_pairs(config, occlusion)
    painted = {pair.id: pair.occlusion for pair in pairs if pair.occlusion is not None}
    return PairedDataset(
        pairs,
        report,
        resolution=config.resolution,
        finder=build(occlusion.source, painted),
        dilate=occlusion.dilate,
        strict=config.strict,
    )
