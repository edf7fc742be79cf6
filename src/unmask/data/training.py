"""Which faces a method learns from and which it is validated on, from the settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from unmask.config import DataConfig, HoleConfig, Split, TrainingConfig
from unmask.data.augment import Augmentation
from unmask.data.dataset import FacesDataset, PairedDataset, make_dataset
from unmask.data.drawn import DrawnDataset, DrawnSource
from unmask.data.landmarks import locate_faces
from unmask.data.pairing import find_pairs
from unmask.data.report import DrawingReport
from unmask.data.scan import clean_id, find_files, kinds
from unmask.data.source import FaceSource, PairSource
from unmask.data.splits import select
from unmask.errors import UnmaskError


def training_source(
    data: DataConfig,
    occlusion: HoleConfig,
    training: TrainingConfig,
    *,
    exclude: frozenset[str],
    progress: bool = False,
) -> FaceSource:
    """The faces to learn from, at the size of `Augmentation.resize`.

    Pairs are those of `data`, in the train part of the split; `data.limit`, `data.ids` and `data.split` say what is
    evaluated and do not count here. With `training.root` it is the clean faces there that are not in the val part; face
    masks are drawn on them. Faces without plausible landmarks are left out, after `training.limit` was applied.

    Args:
        exclude: ids that are evaluated, and never learnt from.
        progress: show a bar while landmarks are looked for.
    Raises:
        UnmaskError: folders are missing or empty, nothing is left to learn from, or (`data.strict`) a picture cannot be
            read or paired.
    """
    resolution = Augmentation.of(training, data.resolution).resize
    source: FaceSource
    if training.root is None:
        source = PairSource(_pairs(data, occlusion, _Choice((Split.train,), exclude, training.limit), resolution))
    else:
        choice = _Choice((Split.train, Split.test), exclude, training.limit)
        source = _drawn(training.root, data, occlusion, choice, resolution, progress)
    if not source.ids:
        raise UnmaskError(
            f"No face left to learn from, apart from the {len(exclude)} that are evaluated and the val part. Evaluate "
            "fewer (data.split=test), lower data.test_fraction or data.val_fraction, or give clean faces of other "
            f"people (training.root). {source.report.summary()}"
        )
    return source


def validation_dataset(
    data: DataConfig,
    occlusion: HoleConfig,
    training: TrainingConfig,
    *,
    exclude: frozenset[str],
    progress: bool = False,
) -> FacesDataset:
    """The first `training.validation_pictures` faces of the val part of what `training_source` takes from.

    They are as an evaluation sees them: at `data.resolution`, neither cropped nor mirrored; a drawn face mask depends
    on the id alone. Where the val part is empty the dataset is, too. Arguments and errors are those of
    `training_source`.
    """
    choice = _Choice((Split.val,), exclude, training.validation_pictures)
    if training.root is None:
        return _pairs(data, occlusion, choice, data.resolution)
    source = _drawn(training.root, data, occlusion, choice, data.resolution, progress)
    return DrawnDataset(source, strict=data.strict)


@dataclass(frozen=True)
class _Choice:
    """Which ids: in one of `parts` of the split, not excluded, and of these the first `limit`."""

    parts: tuple[Split, ...]
    exclude: frozenset[str]
    limit: int | None

    def of(self, ids: Iterable[str], data: DataConfig) -> list[str]:
        """Ascending."""
        fractions = {"val_fraction": data.val_fraction, "test_fraction": data.test_fraction}
        every = list(ids)
        chosen = {id for part in self.parts for id in select(every, split=part, seed=data.split_seed, **fractions)}
        return sorted(chosen - self.exclude)[: self.limit]


def _pairs(data: DataConfig, occlusion: HoleConfig, choice: _Choice, resolution: int) -> PairedDataset:
    """The pairs on disk."""
    pairs, report = find_pairs(replace(data, ids=None, split=Split.all, limit=None), occlusion)
    if report.clean_dir is None:
        raise UnmaskError(
            f"{report.masked_dir}: a method cannot be trained without clean pictures. Name their folder "
            "(data.clean_dir; in a manifest, the column clean), or a folder of any aligned clean faces (training.root)."
        )
    by_id = {pair.id: pair for pair in pairs}
    ids = choice.of(by_id, data)
    automatic = tuple(id for id in report.automatic if id in frozenset(ids))
    chosen, report = tuple(by_id[id] for id in ids), replace(report, paired=tuple(ids), automatic=automatic)
    return make_dataset(chosen, report, data, occlusion, resolution=resolution)


def _drawn(
    folder: str, data: DataConfig, occlusion: HoleConfig, choice: _Choice, resolution: int, progress: bool
) -> DrawnSource:
    """The clean faces below `folder`."""
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise UnmaskError(
            f"training.root={folder}: no such folder (from {Path.cwd()}). It should hold aligned clean faces, there or "
            "in folders below; null trains on the pairs of data."
        )
    scan = find_files(root, clean_id)
    files = scan.files
    if data.strict and scan.unreadable:
        raise UnmaskError(f"{scan.unreadable[0].reason} (data.strict=true; with false it would be left out)")
    if not files:
        raise UnmaskError(f"training.root={folder}: no pictures in {root}. {scan.holds_instead()}")
    search = locate_faces(root, {id: files[id] for id in choice.of(files, data)}, progress=progress)
    if data.strict and search.undecodable:
        raise UnmaskError(f"{search.undecodable[0].reason} (data.strict=true; with false it would be left out)")
    report = DrawingReport(
        folder=root,
        found=len(files),
        used=tuple(face.id for face in search.faces),
        implausible=search.implausible,
        duplicates=tuple(sorted(scan.duplicates)),
        unreadable=scan.unreadable,
        others=(f"{root}: {kinds(scan.others)}",) if scan.others else (),
        undecodable=search.undecodable,
    )
    return DrawnSource(search.faces, report, resolution=resolution, dilate=occlusion.dilate)
