"""One bad item neither ends nor silently shrinks a run: named, counted, and the rest goes on; strict stops."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.command import QUICK, Cli, write_pair_tree
from unmask.config import DataConfig, OcclusionConfig, OcclusionSource, TrainingConfig
from unmask.data import batches, load_dataset
from unmask.data.augment import Augmentation
from unmask.data.loader import training_batches
from unmask.data.pairing import find_pairs
from unmask.data.scan import find_files, masked_id
from unmask.data.training import training_source
from unmask.errors import UnmaskError
from unmask.faces import Pairing

PAINTED = OcclusionConfig(source=OcclusionSource.painted)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_pair_tree(tmp_path / "tree", 4)


def masked(tree: Path, index: int) -> Path:
    return tree / "cmfd" / "00000" / f"{index:05d}_Mask.jpg"


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_too_large_is_skipped_by_name(tree: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (80, 80)).save(masked(tree, 1))
    monkeypatch.setattr("unmask.decoding.files.MOST_PIXELS", 1000 + 32 * 32)
    found = batches(load_dataset(DataConfig(root=str(tree), resolution=32), PAINTED), 2, workers)
    assert [faces.ids for faces in found] == [("00000",), ("00002", "00003")]
    assert "1 skipped while decoding" in found.report.summary()
    assert "00001_Mask.jpg: 80x80 pixels are too large" in found.report.summary()
    strict = batches(load_dataset(DataConfig(root=str(tree), resolution=32, strict=True), PAINTED), 2, workers)
    with pytest.raises(UnmaskError, match=r"00001_Mask\.jpg.*data\.strict=true"):
        list(strict)


@pytest.fixture
def _closed_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder named closed cannot be listed; whoever runs the tests may be allowed everything."""
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)


@pytest.mark.usefixtures("_closed_folder")
def test_a_folder_that_cannot_be_read_is_named(tree: Path) -> None:
    (tree / "cmfd" / "closed").mkdir()
    _, report = find_pairs(DataConfig(root=str(tree)), PAINTED)
    assert "1 folders that cannot be opened:\n  " in report.summary()
    assert "closed: cannot be opened (Permission denied)" in report.summary()
    with pytest.raises(UnmaskError, match=r"closed: cannot be opened.*data\.strict=true"):
        find_pairs(DataConfig(root=str(tree), strict=True), PAINTED)
    with pytest.raises(UnmaskError, match=r"data\.strict=true"):
        training_source(
            DataConfig(root="none", strict=True), PAINTED, TrainingConfig(root=str(tree / "cmfd")), exclude=frozenset()
        )


def test_painted_maps_of_any_suffix_are_used(tree: Path) -> None:
    for path in (tree / "occlusion").rglob("*.png"):
        with Image.open(path) as image:
            image.save(path.with_suffix(".jpg"), quality=40)
        path.unlink()
    pairs, report = find_pairs(DataConfig(root=str(tree)), PAINTED)
    assert len(pairs) == 4 and report.missing_occlusion == ()
    dataset = load_dataset(DataConfig(root=str(tree), resolution=32), PAINTED)
    assert set(np.unique(dataset[0].occlusion.numpy())) == {0.0, 1.0}


def test_one_name_in_two_unicode_forms_is_one(tree: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
    masked(tree, 0).rename(tree / "cmfd" / f"{decomposed}_Mask.jpg")
    (tree / "ffhq" / "00000" / "00000.png").rename(tree / "ffhq" / f"{composed}.png")
    (tree / "occlusion" / "00000" / "00000.png").rename(tree / "occlusion" / f"{decomposed}.png")
    pairs, _ = find_pairs(DataConfig(root=str(tree), ids=[decomposed]), PAINTED)
    assert [pair.id for pair in pairs] == [composed]


def test_what_else_a_folder_holds_is_counted_by_suffix(tree: Path) -> None:
    for name in ("notes.txt", "more.txt", "x.npy", "README"):
        (tree / "cmfd" / name).touch()
    _, report = find_pairs(DataConfig(root=str(tree)), PAINTED)
    assert f"not pictures, ignored: {tree / 'cmfd'}: 2 .txt, 1 without a suffix, 1 .npy" in report.summary()


def test_a_folder_without_a_usable_file_says_what_it_holds(tmp_path: Path) -> None:
    for name in ("cmfd", "occlusion"):
        (tmp_path / name).mkdir()
    for name in ("a.raw", "b.raw"):
        (tmp_path / "cmfd" / name).touch()
    with pytest.raises(UnmaskError, match=r"It holds 2 \.raw\."):
        find_pairs(DataConfig(root=str(tmp_path)), PAINTED)
    write_pair_tree(tmp_path / "tree", 1)
    for path in (tmp_path / "tree" / "occlusion").rglob("*.png"):
        path.rename(path.with_suffix(".psd"))
    with pytest.raises(UnmaskError, match=r"no painted occlusions.*It holds 1 \.psd\."):
        find_pairs(DataConfig(root=str(tmp_path / "tree")), PAINTED)


def test_a_circle_of_links_ends(tree: Path) -> None:
    (tree / "cmfd" / "again").symlink_to(tree / "cmfd")
    scan = find_files(tree / "cmfd", masked_id)
    assert (len(scan.files), scan.duplicates) == (4, ())


@pytest.mark.parametrize("pairing", Pairing)
def test_a_training_goes_on_with_another_face(
    pairing: Pairing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tree = write_pair_tree(tmp_path / "tree", 12)
    damaged = {"00003", "00005"}
    for id in damaged:
        masked(tree, int(id)).write_bytes(b"damaged")
        (tree / "ffhq" / "00000" / f"{id}.png").write_bytes(b"damaged")
    data = DataConfig(root=str(tree), resolution=32, val_fraction=0.0, test_fraction=0.0)
    training = TrainingConfig(resize=32, crop=32)
    source = training_source(data, PAINTED, training, exclude=frozenset())

    def take(strict: bool) -> list[tuple[str, ...]]:
        stream = training_batches(
            source, pairing=pairing, augmentation=Augmentation(32, 32, flip=False), batch_size=2, seed=0, strict=strict
        )
        return [(*batch.masked_ids, *batch.clean_ids) for batch, _ in zip(stream, range(12), strict=False)]

    first = take(strict=False)
    told = [record.message for record in caplog.records if "goes on without" in record.message]
    assert first == take(strict=False), "the same files, the same training"
    assert len(told) == 2 and all(any(f"without {id} (" in line for line in told) for id in damaged)
    assert not damaged & {id for ids in first for id in ids}
    with pytest.raises(UnmaskError, match=r"Met at .* in training"):
        take(strict=True)


def test_a_run_says_all_of_it(tree: Path, unmask_cli: Cli, tmp_path: Path) -> None:
    masked(tree, 2).write_bytes(b"damaged")
    Image.new("RGBA", (32, 32), (0, 0, 0, 0)).save(masked(tree, 3).with_suffix(".png"))
    masked(tree, 3).unlink()
    answer = unmask_cli("method=copy", f"data.root={tree}", *QUICK, "occlusion=painted", "hydra.run.dir=run")
    assert answer.code == 0, answer.err
    log = (tmp_path / "run" / "run.log").read_text()
    assert "00002_Mask.jpg: cannot be read as a picture" in log
    assert "100% of the picture is transparent and was filled with white" in (tmp_path / "run/metrics.json").read_text()
