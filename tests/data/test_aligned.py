"""`data.align`: photos as they come are a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.command import Cli, succeed
from helpers.sample_scenes import person, scene
from unmask.alignment import Quad, corner_error
from unmask.config import DataConfig, OcclusionConfig, OcclusionSource
from unmask.data import batches, load_dataset
from unmask.images import to_uint8
from unmask.photos.scene import quad_at

pytestmark = pytest.mark.weights
QUADS = {"anna": (1, quad_at(300, 330, 400, 10)), "ben": (2, quad_at(500, 350, 300, -15))}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two photos with masks, without and as maps."""
    for id, (index, quad) in QUADS.items():
        one = scene([(index, quad)], 700, 800)
        occlusion = Image.fromarray(one.occlusion.astype(np.uint8) * 255)
        for folder, name, picture in (
            ("masked", f"{id}.png", Image.fromarray(one.masked)),
            ("clean", f"{id}.png", Image.fromarray(one.clean)),
            ("occlusion", f"{id}.png", occlusion),
        ):
            path = tmp_path / "tree" / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
    return tmp_path / "tree"


@pytest.mark.parametrize("source", [OcclusionSource.painted, OcclusionSource.auto, OcclusionSource.difference])
def test_all_files_of_an_id_are_cut_out_alike(tree: Path, source: OcclusionSource) -> None:
    data = DataConfig(root=str(tree), align=True, strict=True)
    dataset = load_dataset(data, OcclusionConfig(source=source, prefer_painted=False))
    (faces,) = batches(dataset, 2)
    assert faces.ids == ("anna", "ben") and faces.masked.shape == (2, 3, 256, 256)
    assert faces.corners is not None and faces.clean is not None
    for row, (_, quad) in enumerate(QUADS.values()):
        assert corner_error(Quad.of_corners(faces.corners[row].numpy()), quad) < 13
    # outside the mask both pictures are the same, so they lie alike
    visible = faces.visible.bool().expand_as(faces.masked)
    apart = (faces.masked - faces.clean).abs()[visible]
    assert float(apart.mean()) < 0.02
    assert 0.05 < float(faces.occlusion.mean()) < 0.3


def test_a_clean_photo_of_another_size_is_named(tree: Path) -> None:
    with Image.open(tree / "clean" / "ben.png") as opened:
        opened.resize((400, 350)).save(tree / "clean" / "ben.png")
    data = DataConfig(root=str(tree), align=True)
    loaded = batches(load_dataset(data, OcclusionConfig(source=OcclusionSource.auto, prefer_painted=False)), 1)
    assert [faces.ids for faces in loaded] == [("anna",)]
    assert "is 400x350, and the masked photo of that id is 800x700" in loaded.undecodable[0].reason


def test_a_photo_without_a_face_is_named(tree: Path) -> None:
    Image.new("RGB", (500, 400), (90, 120, 90)).save(tree / "masked" / "ben.png")
    data = DataConfig(root=str(tree), align=True, clean_dir=None)
    loaded = batches(load_dataset(data, OcclusionConfig(source=OcclusionSource.auto)), 1)
    assert [faces.ids for faces in loaded] == [("anna",)]
    assert "no face was found (data.align=true)" in loaded.undecodable[0].reason


def test_a_run_measures_in_the_frame_and_pastes_back(tree: Path, unmask_cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    succeed(
        unmask_cli(
            "experiment=feed_forward",
            "data=ffhq_cmfd",
            f"data.root={tree}",
            "data.align=true",
            "occlusion.prefer_painted=false",
            "evaluation.identity=false",
            "evaluation.expression=false",
            "device=cpu",
            "progress=false",
            f"hydra.run.dir={out}",
        )
    )
    for id, (index, quad) in QUADS.items():
        with Image.open(out / "photos" / f"{id}.png") as opened:
            after = np.asarray(opened)
        one = scene([(index, quad)], 700, 800)
        changed = (after != one.masked).any(-1)
        assert (changed & one.occlusion).sum() > 0.9 * one.occlusion.sum()
        assert changed.sum() < 1.5 * one.occlusion.sum()
        assert (out / "composite" / f"{id}.png").is_file()


def test_without_it_the_error_names_it(tree: Path) -> None:
    loaded = batches(
        load_dataset(DataConfig(root=str(tree)), OcclusionConfig(source=OcclusionSource.auto)), 1, ids=["ben"]
    )
    assert list(loaded) == []
    assert "data.align=true" in loaded.undecodable[0].reason


def test_the_picture_is_the_face(tree: Path) -> None:
    data = DataConfig(root=str(tree), align=True)
    faces = load_dataset(data, OcclusionConfig(source=OcclusionSource.auto, prefer_painted=False))[0]
    theirs = person(QUADS["anna"][0])[0].astype(float)
    ours = to_uint8(faces.masked[0]).astype(float)
    middle = np.s_[80:200, 80:176]
    assert np.abs(ours[middle] - theirs[middle]).mean() < 12
