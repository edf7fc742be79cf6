"""`data.references`: other photographs are found, read, aligned, and told apart from strangers'."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.command import Cli
from helpers.sample_scenes import SAMPLE, person, scene
from unmask.building import build_method
from unmask.config import (
    CopyConfig,
    DataConfig,
    Init,
    MethodConfig,
    OcclusionConfig,
    OcclusionSource,
    Pix2PixConfig,
    StyleGANProjConfig,
)
from unmask.data import batches, load_dataset
from unmask.data.references import Known, find_references, load_reference
from unmask.data.strangers import strangers
from unmask.errors import UnmaskError
from unmask.images import from_uint8
from unmask.photos.scene import quad_at
from unmask.photos.settings import settings_of

IDS = ("synthetic-00000", "synthetic-00001", "synthetic-00002")
PAINTED = OcclusionConfig(source=OcclusionSource.painted)


def settings(references: Path, **changes: object) -> DataConfig:
    return DataConfig(
        root=str(SAMPLE), ids=list(IDS), references=str(references), references_aligned=True, **changes  # type: ignore[arg-type]
    )  # fmt: skip


def save(picture: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return path


def clean(index: int) -> np.ndarray:
    return person(index)[1]


def test_folders_and_files_by_id(tmp_path: Path) -> None:
    save(clean(0), tmp_path / IDS[0] / "on holiday.png")
    save(clean(3), tmp_path / IDS[0] / "below" / "again.png")
    save(clean(1), tmp_path / f"{IDS[1]}.png")
    found = find_references(settings(tmp_path), IDS)
    assert found.of(IDS[0], 128).pictures.shape == (2, 3, 128, 128)
    assert found.of(IDS[1], 128).names == (f"{IDS[1]}.png",)
    assert found.of(IDS[2], 128).pictures.shape == (0, 3, 128, 128)
    (note,) = found.missing(IDS)
    assert "nothing of 1 of 3 ids, the first synthetic-00002" in note


def test_one_picture_is_of_everybody(tmp_path: Path) -> None:
    found = find_references(settings(save(clean(0), tmp_path / "me.png")), IDS)
    assert all(found.of(id, 256).names == ("me.png",) for id in IDS)
    assert found.missing(IDS) == ()


@pytest.mark.parametrize(
    ("given", "words"),
    [("nowhere", "no such file or folder"), ("other", "nothing for any of the 3 ids.*among 1 pictures"), ("a.txt", "")],
)
def test_other_layouts_are_refused(tmp_path: Path, given: str, words: str) -> None:
    save(clean(0), tmp_path / "other" / "somebody.png")
    (tmp_path / "a.txt").write_text("no picture", encoding="utf-8")
    with pytest.raises(UnmaskError, match=f"{given}.*{words}"):
        find_references(settings(tmp_path / given), IDS)


@pytest.mark.weights
def test_they_travel_with_the_pictures_they_are_of(tmp_path: Path) -> None:
    save(clean(1), tmp_path / f"{IDS[1]}.png")
    (batch,) = batches(load_dataset(settings(tmp_path), PAINTED), 3)
    assert [len(one) for one in batch.references] == [0, 1, 0]
    assert torch.equal(batch[1].references[0], from_uint8(clean(1))[None])
    assert not batch.doubts
    (without,) = batches(load_dataset(DataConfig(root=str(SAMPLE), ids=list(IDS)), PAINTED), 3)
    assert without.references == ()


@pytest.mark.weights
def test_a_photograph_of_any_size_is_aligned(tmp_path: Path) -> None:
    photo = scene([(1, quad_at(400, 330, 400, 15))], 700, 800).clean
    known = load_reference(save(photo, tmp_path / "photo.png"), 256)
    middle = np.s_[..., 60:220, 60:196]
    assert (known.pictures[0] - from_uint8(clean(1)))[middle].abs().mean() < 0.12
    assert known.notes == ()


@pytest.mark.weights
def test_nobody_and_two_people_are_told(tmp_path: Path) -> None:
    empty = save(np.full((300, 400, 3), 90, np.uint8), tmp_path / "empty.png")
    with pytest.raises(UnmaskError, match=r"empty.png: cannot be a reference: no face was found\."):
        load_reference(empty, 256)
    twins = scene([(1, quad_at(250, 330, 330, 0)), (2, quad_at(700, 330, 330, 0))]).clean
    with pytest.raises(UnmaskError, match=r"twins.png.*two of them about as large"):
        load_reference(save(twins, tmp_path / "twins.png"), 256)
    behind = scene([(1, quad_at(300, 330, 400, 0)), (2, quad_at(800, 200, 180, 0))]).clean
    known = load_reference(save(behind, tmp_path / "behind.png"), 256)
    assert known.notes == ("The reference behind.png shows 2 faces, and the largest was taken.",)


@pytest.mark.weights
def test_somebody_else_is_told(tmp_path: Path) -> None:
    faces = load_dataset(DataConfig(root=str(SAMPLE), ids=list(IDS)), PAINTED)[1]
    mine, other = (from_uint8(clean(index))[None] for index in (1, 0))
    assert strangers(Known(mine, ("me.png",)), faces.masked, faces.visible) == ()
    (sentence,) = strangers(Known(torch.cat([mine, other]), ("me.png", "x.png")), faces.masked, faces.visible)[-1:]
    assert "x.png seems to show somebody else" in sentence
    save(clean(0), tmp_path / f"{IDS[1]}.png")
    (batch,) = batches(load_dataset(settings(tmp_path), PAINTED), 3)
    assert [doubt.id for doubt in batch.doubts] == [IDS[1]]


@pytest.mark.parametrize(
    "method",
    [
        CopyConfig(name="copy"),
        Pix2PixConfig(name="pix2pix"),
        StyleGANProjConfig(name="stylegan_proj", init=Init.mean, lambda_identity=0.0),
    ],
)
def test_methods_that_make_no_use_of_them_say_so(method: MethodConfig) -> None:
    found = dataclasses.replace(settings_of("feed_forward", 1, ("data.references=x",)), method=method)
    with pytest.raises(UnmaskError, match=rf"data\.references: method={method.name}.*makes no use"):
        build_method(found, torch.device("cpu"))


@pytest.mark.weights
def test_a_run_says_who_has_none_and_stays_with_its_references(tmp_path: Path, unmask_cli: Cli) -> None:
    save(clean(1), tmp_path / "known" / f"{IDS[1]}.png")
    save(clean(1), tmp_path / "others" / f"{IDS[1]}.png")

    def command(*more: str) -> list[str]:
        return [
            "experiment=feed_forward",
            f"data.ids=[{IDS[0]},{IDS[1]}]",
            "occlusion=painted",
            "evaluation.identity=false",
            "evaluation.expression=false",
            "device=cpu",
            "progress=false",
            f"hydra.run.dir={tmp_path / 'run'}",
            *more,
        ]

    aligned = "data.references_aligned=true"
    done = unmask_cli(*command(f"data.references={tmp_path / 'known'}", aligned))
    assert done.code == 0, done.err
    assert "nothing of 1 of 2 ids, the first synthetic-00000" in " ".join((done.out + done.err).split())
    assert {path.stem for path in (tmp_path / "run" / "raw").iterdir()} == set(IDS[:2])
    refused = unmask_cli(*command(f"data.references={tmp_path / 'others'}", aligned))
    assert refused.code == 2 and "data.references: " in refused.out + refused.err
