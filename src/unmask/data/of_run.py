"""The data set that a finished run was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from unmask.config import DataConfig, OcclusionConfig, Split
from unmask.data.dataset import PairedDataset, load_dataset
from unmask.errors import UnmaskError
from unmask.results.read import FinishedRun


def dataset_of(run: FinishedRun, ids: Sequence[str], root: Path | None = None) -> PairedDataset:
    """Exactly the pictures `ids` of the data that the run's config.yaml names, or of `root` where they have moved to.

    Raises:
        UnmaskError: one of them is not there, or the configuration is of another version.
    """
    data, occlusion = settings_of(run)
    if root is not None:
        data = moved(data, root)
    alone = replace(data, ids=list(ids), split=Split.all, limit=None, references=None, strict=False)
    return load_dataset(alone, occlusion)


def moved(data: DataConfig, place: Path) -> DataConfig:
    """The same data now at `place`: their folder, or of a manifest its file or the folder that it is in."""
    if data.manifest is None:
        return replace(data, root=str(place), clean_dir=None, masked_dir=None)
    return replace(data, manifest=str(place / Path(data.manifest).name if place.is_dir() else place))


def settings_of(run: FinishedRun) -> tuple[DataConfig, OcclusionConfig]:
    """What its config.yaml says of data and occlusion.

    Raises:
        UnmaskError: it is of another version.
    """
    try:
        data = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(DataConfig), run.config.get("data") or {}))
        found = OmegaConf.merge(OmegaConf.structured(OcclusionConfig), run.config.get("occlusion") or {})
        occlusion = OmegaConf.to_object(found)
    except OmegaConfBaseException as error:
        raise UnmaskError(f"{run.folder}/config.yaml: {' '.join(str(error).split())}.") from error
    assert isinstance(data, DataConfig)
    assert isinstance(occlusion, OcclusionConfig)
    return data, occlusion
