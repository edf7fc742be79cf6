from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from helpers.trees import write_masked, write_occlusion, write_picture, write_tree
from unmask.config import DataConfig, OcclusionConfig, OcclusionSource
from unmask.data import batches, load_dataset
from unmask.errors import UnmaskError
from unmask.images import dilate, load_image

PAINTED = OcclusionConfig(source=OcclusionSource.painted)
AUTO = OcclusionConfig(source=OcclusionSource.auto)
IDS = ["00002", "00011", "00500", "01003", "12345"]
SHARED = Path(os.environ.get("UNMASK_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))


def config(root: Path, **options: object) -> DataConfig:
    return DataConfig(root=str(root), resolution=64, **options)  # type: ignore[arg-type]


def write_grey(path: Path) -> None:
    """A picture in which nothing looks like a face mask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), (128, 128, 128)).save(path)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_an_item_is_what_lies_on_disk(tmp_path: Path) -> None:
    write_tree(tmp_path, IDS)
    faces = load_dataset(config(tmp_path), PAINTED)[3]
    assert faces.ids == ("01003",)
    assert torch.equal(faces.masked[0], load_image(tmp_path / "cmfd/01000/01003_Mask.jpg"))
    assert faces.clean is not None
    assert torch.equal(faces.clean[0], load_image(tmp_path / "ffhq/01000/01003.png"))
    expected = torch.zeros(1, 1, 64, 64)
    expected[..., 32:56, 16:48] = 1
    assert torch.equal(faces.occlusion, expected)
    assert torch.equal(faces.hole, dilate(expected, 4.0))
    assert faces.hole.sum() > expected.sum()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_batches_keep_the_order_of_the_ids(tmp_path: Path, num_workers: int) -> None:
    write_tree(tmp_path, IDS)
    dataset = load_dataset(config(tmp_path), PAINTED)
    loaded = batches(dataset, 2, num_workers)
    assert len(loaded) == 3
    found = list(loaded)
    assert [faces.ids for faces in found] == [tuple(IDS[:2]), tuple(IDS[2:4]), tuple(IDS[4:])]
    for faces in found:
        for index, id in enumerate(faces.ids):
            alone = dataset[IDS.index(id)]
            assert torch.equal(faces[index].masked, alone.masked)
            assert torch.equal(faces[index].hole, alone.hole)
    assert [faces.ids for faces in loaded] == [faces.ids for faces in found]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_truncated_picture_is_named_and_the_rest_goes_on(
    tmp_path: Path, num_workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    write_tree(tmp_path, IDS)
    truncate(tmp_path / "cmfd/00000/00500_Mask.jpg")
    (tmp_path / "occlusion/12000/12345.png").write_bytes(b"")
    loaded = batches(load_dataset(config(tmp_path), PAINTED), 2, num_workers)
    assert loaded.report.undecodable == ()
    with caplog.at_level(logging.WARNING):
        assert [faces.ids for faces in loaded] == [("00002", "00011"), ("01003",)]
    assert [failure.id for failure in loaded.undecodable] == ["00500", "12345"]
    assert "00500_Mask.jpg" in loaded.undecodable[0].reason
    assert "00500_Mask.jpg" in caplog.text
    assert "2 skipped while decoding" in loaded.report.summary()
    assert len(list(loaded)) == 2
    assert len(loaded.undecodable) == 2


def test_strict_stops_at_the_first_bad_picture(tmp_path: Path) -> None:
    write_tree(tmp_path, IDS)
    truncate(tmp_path / "cmfd/00000/00500_Mask.jpg")
    seen = []
    with pytest.raises(UnmaskError, match=r"00500_Mask\.jpg.*data\.strict=true"):
        seen.extend(batches(load_dataset(config(tmp_path, strict=True), PAINTED), 1))
    assert len(batches(load_dataset(config(tmp_path), PAINTED), 1)) == 5


def test_when_no_picture_can_be_decoded_the_run_stops(tmp_path: Path) -> None:
    write_picture(tmp_path / "ffhq/00002.png")
    write_picture(tmp_path / "cmfd/00002_Mask.jpg").write_bytes(b"no picture")
    write_occlusion(tmp_path / "occlusion/00002.png")
    with pytest.raises(UnmaskError, match=r"None of the 1 pictures.*00002_Mask\.jpg.*data\.root"):
        list(batches(load_dataset(config(tmp_path), PAINTED), 1))


def test_sizes_are_brought_to_the_resolution(tmp_path: Path) -> None:
    write_picture(tmp_path / "thumbnails128x128/00002.png", 128)
    write_masked(tmp_path / "cmfd/00002_Mask.jpg", 256)
    write_occlusion(tmp_path / "occlusion/00002.png", 1024)
    faces = load_dataset(config(tmp_path), PAINTED)[0]
    assert faces.clean is not None
    assert faces.clean.shape == faces.masked.shape == (1, 3, 64, 64)
    visible = (faces.hole == 0).expand(-1, 3, -1, -1)
    # JPEG's change of the visible part
    assert (faces.clean - faces.masked)[visible].abs().mean() < 0.03
    assert faces.occlusion[0, 0, 32:56, 16:48].min() == 1
    assert faces.occlusion.sum() == 24 * 32


def test_oblong_pictures_are_named(tmp_path: Path) -> None:
    from PIL import Image

    write_tree(tmp_path, IDS[:2])
    Image.new("RGB", (64, 80)).save(tmp_path / "cmfd/00000/00002_Mask.jpg")
    loaded = batches(load_dataset(config(tmp_path), PAINTED), 1)
    assert [faces.ids for faces in loaded] == [("00011",)]
    assert "64x80 is not square" in loaded.undecodable[0].reason


def test_without_clean_pictures_faces_have_none(tmp_path: Path) -> None:
    for id in IDS[:3]:
        write_masked(tmp_path / f"cmfd/{id}_Mask.jpg")
        write_occlusion(tmp_path / f"occlusion/{id}.png")
    (faces,) = batches(load_dataset(config(tmp_path), PAINTED), 3)
    assert faces.clean is None
    assert faces.masked.shape == (3, 3, 64, 64)


def test_difference_needs_no_painting(tmp_path: Path) -> None:
    write_tree(tmp_path, IDS[:2])
    occlusion = OcclusionConfig(source=OcclusionSource.difference)
    painted, found = (load_dataset(config(tmp_path), source)[0].occlusion for source in (PAINTED, occlusion))
    assert ((painted * found).sum() / painted.maximum(found).sum()) > 0.9


@pytest.mark.parametrize("num_workers", [0, 1])
def test_auto_takes_what_is_painted_and_says_what_it_doubts(tmp_path: Path, num_workers: int) -> None:
    write_tree(tmp_path, IDS)
    (tmp_path / "occlusion/00000/00011.png").unlink()
    write_grey(tmp_path / "cmfd/00000/00011_Mask.jpg")
    painted = load_dataset(config(tmp_path, ids=[IDS[0], *IDS[2:]]), PAINTED)
    dataset = load_dataset(config(tmp_path), AUTO)
    assert dataset.report.automatic == ("00011",)
    assert "1 occlusions still to be found by the network" in dataset.report.summary()
    loaded = batches(dataset, 2, num_workers)
    found = list(loaded)
    assert torch.equal(found[0][0].occlusion, painted[0].occlusion)
    assert torch.equal(found[2][0].occlusion, painted[3].occlusion)
    assert not found[0][1].occlusion.any()
    assert not found[0][1].hole.any()
    assert found[0].doubts == found[0][1].doubts == loaded.doubts
    assert found[0][0].doubts == found[1].doubts == ()
    assert [doubt.id for doubt in loaded.doubts] == ["00011"]
    assert "No face mask was found" in loaded.doubts[0].reason
    assert loaded.report.summary().endswith(f"1 to look at:\n  00011: {loaded.doubts[0].reason}")


def test_auto_needs_masked_pictures_alone_and_paint_can_be_left_aside(tmp_path: Path) -> None:
    write_occlusion(tmp_path / "occlusion/anna.png", 64)
    write_grey(tmp_path / "masked/anna.jpg")
    folders = config(tmp_path, masked_dir="masked")
    assert load_dataset(folders, AUTO)[0].occlusion.any()
    faces = load_dataset(folders, OcclusionConfig(source=OcclusionSource.auto, prefer_painted=False))[0]
    assert faces.clean is None
    assert not faces.occlusion.any()
    assert len(faces.doubts) == 1


@pytest.mark.skipif(not (SHARED / "ffhq_cmfd").is_dir(), reason="no real pairs here (UNMASK_SHARED_DATA)")
def test_real_pairs_load() -> None:
    dataset = load_dataset(DataConfig(root=str(SHARED / "ffhq_cmfd")), PAINTED)
    assert len(dataset) == 120
    assert len(dataset.report.paired) == 120
    (faces,) = batches(load_dataset(DataConfig(root=str(SHARED / "ffhq_cmfd"), limit=4), PAINTED), 4)
    assert faces.clean is not None
    difference = (faces.clean - faces.masked).abs().mean(1, keepdim=True)
    # as above; real pairs differ more
    assert (difference * faces.visible).sum() / faces.visible.sum() < 0.06
    assert (difference * faces.occlusion).sum() / faces.occlusion.sum() > 0.3
    share = faces.occlusion.mean((1, 2, 3))
    assert share.min() > 0.08
    assert share.max() < 0.22


@pytest.mark.skipif(not (SHARED / "ffhq_cmfd_1024").is_dir(), reason="no real pairs here (UNMASK_SHARED_DATA)")
def test_a_small_clean_picture_beside_a_large_masked_one() -> None:
    faces = load_dataset(DataConfig(root=str(SHARED / "ffhq_cmfd_1024")), PAINTED)[0]
    assert faces.clean is not None
    assert faces.clean.shape == faces.masked.shape == (1, 3, 256, 256)
