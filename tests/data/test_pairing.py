from __future__ import annotations

from pathlib import Path

import pytest

from helpers.trees import write_masked, write_occlusion, write_picture, write_tree
from unmask.config import DataConfig, OcclusionConfig, OcclusionSource, Split
from unmask.data import find_pairs
from unmask.errors import UnmaskError

PAINTED = OcclusionConfig(source=OcclusionSource.painted)
DIFFERENCE = OcclusionConfig(source=OcclusionSource.difference)
IDS = ["00002", "00011", "01003", "12345"]


def test_folders_of_a_thousand_are_paired_by_id(tmp_path: Path) -> None:
    write_tree(tmp_path, IDS)
    pairs, report = find_pairs(DataConfig(root=str(tmp_path)), PAINTED)
    assert [pair.id for pair in pairs] == IDS
    assert pairs[2].clean == tmp_path / "ffhq/01000/01003.png"
    assert pairs[2].masked == tmp_path / "cmfd/01000/01003_Mask.jpg"
    assert pairs[2].occlusion == tmp_path / "occlusion/01000/01003.png"
    assert report.paired == tuple(IDS)
    assert report.found == 4
    assert (report.missing_clean, report.missing_masked, report.missing_occlusion) == ((), (), ())
    assert report.duplicates == ()
    assert report.summary().startswith("4 pictures used of 4")


@pytest.mark.parametrize("clean_folder", ["images1024x1024", "thumbnails128x128", "FFHQ", "clean"])
@pytest.mark.parametrize("masked_name", ["CMFD/00002_Mask.JPG", "masked/00002_mask.png", "cmfd/x/00002_Mask.jpeg"])
def test_names_people_use(tmp_path: Path, clean_folder: str, masked_name: str) -> None:
    write_picture(tmp_path / clean_folder / "00002.JPG")
    write_masked(tmp_path / masked_name)
    (tmp_path / clean_folder / "LICENSE.txt").write_text("text")
    (tmp_path / clean_folder / ".DS_Store.jpg").write_text("hidden")
    pairs, _ = find_pairs(DataConfig(root=str(tmp_path)), DIFFERENCE)
    assert [(pair.id, pair.masked) for pair in pairs] == [("00002", tmp_path / masked_name)]
    assert pairs[0].occlusion is None


@pytest.mark.parametrize("suffix", ["Mask_Mouth_Chin", "Mask_Nose_Mouth", "Mask_Chin"])
def test_incorrectly_worn_masks_are_recognised(tmp_path: Path, suffix: str) -> None:
    write_picture(tmp_path / "ffhq/00002.png")
    write_masked(tmp_path / "imfd" / f"00002_{suffix}.jpg")
    pairs, _ = find_pairs(DataConfig(root=str(tmp_path)), DIFFERENCE)
    assert [pair.id for pair in pairs] == ["00002"]


def test_what_is_missing_on_either_side_is_reported(tmp_path: Path) -> None:
    write_tree(tmp_path, IDS)
    (tmp_path / "ffhq/00000/00002.png").unlink()
    (tmp_path / "cmfd/00000/00011_Mask.jpg").unlink()
    (tmp_path / "occlusion/01000/01003.png").unlink()
    pairs, report = find_pairs(DataConfig(root=str(tmp_path)), PAINTED)
    assert [pair.id for pair in pairs] == ["12345"]
    assert report.missing_clean == ("00002",)
    assert report.missing_masked == ("00011",)
    assert report.missing_occlusion == ("01003",)
    summary = report.summary()
    for line in (
        "1 masked without clean: 00002",
        "1 clean without masked: 00011",
        "1 without occlusion: 01003",
    ):
        assert line in summary
    with pytest.raises(UnmaskError, match=r"00002_Mask\.jpg: has no clean picture.*data\.strict=true"):
        find_pairs(DataConfig(root=str(tmp_path), strict=True), PAINTED)


def test_without_any_clean_folder_there_are_no_clean_pictures(tmp_path: Path) -> None:
    write_masked(tmp_path / "cmfd/00002_Mask.jpg")
    write_occlusion(tmp_path / "occlusion/00002.png")
    pairs, report = find_pairs(DataConfig(root=str(tmp_path)), PAINTED)
    assert pairs[0].clean is None
    assert report.clean_dir is None
    assert report.missing_clean == ()
    assert "no clean pictures" in report.summary()


def test_root_itself_may_hold_the_masked_pictures(tmp_path: Path) -> None:
    write_masked(tmp_path / "00002_Mask.jpg")
    write_picture(tmp_path / "ffhq/00002.png")
    write_occlusion(tmp_path / "occlusion/00002.png")
    pairs, _ = find_pairs(DataConfig(root=str(tmp_path)), PAINTED)
    assert [(pair.id, pair.masked.parent) for pair in pairs] == [("00002", tmp_path)]


def test_named_folders_may_lie_anywhere_and_hold_any_name(tmp_path: Path) -> None:
    write_masked(tmp_path / "elsewhere/holiday.png")
    write_occlusion(tmp_path / "root/drawn/holiday.png")
    data = DataConfig(root=str(tmp_path / "root"), masked_dir=str(tmp_path / "elsewhere"))
    occlusion = OcclusionConfig(source=OcclusionSource.painted, painted_dir="drawn")
    assert [pair.id for pair in find_pairs(data, occlusion)[0]] == ["holiday"]


def test_a_second_file_of_an_id_is_reported_and_the_first_used(tmp_path: Path) -> None:
    write_picture(tmp_path / "ffhq/images1024x1024/00002.png")
    write_picture(tmp_path / "ffhq/thumbnails128x128/00002.png")
    write_masked(tmp_path / "cmfd/00002_Mask.jpg")
    pairs, report = find_pairs(DataConfig(root=str(tmp_path)), DIFFERENCE)
    assert pairs[0].clean == tmp_path / "ffhq/images1024x1024/00002.png"
    assert report.duplicates == (tmp_path / "ffhq/thumbnails128x128/00002.png",)


def test_ids_split_and_limit_choose(tmp_path: Path) -> None:
    ids = [f"{i:05d}" for i in range(40)]
    for id in ids:
        (tmp_path / "cmfd").mkdir(exist_ok=True)
        (tmp_path / "ffhq").mkdir(exist_ok=True)
        (tmp_path / f"cmfd/{id}_Mask.jpg").touch()
        (tmp_path / f"ffhq/{id}.png").touch()

    def chosen(**options: object) -> list[str]:
        return [pair.id for pair in find_pairs(DataConfig(root=str(tmp_path), **options), DIFFERENCE)[0]]  # type: ignore[arg-type]

    assert chosen(limit=3) == ids[:3]
    assert chosen(ids=["00007", "2"]) == ["00002", "00007"]
    test = chosen(split=Split.test, test_fraction=0.3)
    assert 0 < len(test) < 40
    assert chosen(split=Split.test, test_fraction=0.3, limit=2) == test[:2]
    with pytest.raises(UnmaskError, match=r"data\.ids: 00099"):
        chosen(ids=["00099"])
    with pytest.raises(UnmaskError, match=r"data\.limit=0"):
        chosen(limit=0)
    with pytest.raises(UnmaskError, match=r"data\.split=val is empty"):
        chosen(split=Split.val, val_fraction=0.0)


def refused(data: DataConfig, occlusion: OcclusionConfig) -> str:
    with pytest.raises(UnmaskError) as caught:
        find_pairs(data, occlusion)
    return str(caught.value)


def test_missing_folders_name_the_key_and_the_way_out(tmp_path: Path) -> None:
    assert "data.root=" in refused(DataConfig(root=str(tmp_path / "no")), PAINTED)
    write_tree(tmp_path, IDS[:1])
    assert "data.clean_dir=no" in refused(DataConfig(root=str(tmp_path), clean_dir="no"), PAINTED)
    assert "data.masked_dir=no" in refused(DataConfig(root=str(tmp_path), masked_dir="no"), PAINTED)
    painted = OcclusionConfig(source=OcclusionSource.painted, painted_dir="no")
    assert "occlusion.painted_dir=no" in refused(DataConfig(root=str(tmp_path)), painted)


def test_where_no_occlusion_is_possible_the_error_says_what_to_supply(tmp_path: Path) -> None:
    write_masked(tmp_path / "cmfd/00002_Mask.jpg")
    for occlusion in (PAINTED, DIFFERENCE):
        message = refused(DataConfig(root=str(tmp_path)), occlusion)
        assert "occlusion=painted occlusion.painted_dir=" in message
        assert "occlusion=difference data.clean_dir=" in message
        assert "occlusion=auto" in message


def test_auto_leaves_nobody_out_for_want_of_paint(tmp_path: Path) -> None:
    write_tree(tmp_path, IDS)
    (tmp_path / "occlusion/00000/00002.png").unlink()
    auto = OcclusionConfig(source=OcclusionSource.auto)
    pairs, report = find_pairs(DataConfig(root=str(tmp_path), strict=True), auto)
    assert tuple(pair.id for pair in pairs) == report.paired == tuple(IDS)
    assert report.automatic == ("00002",)
    unpainted = OcclusionConfig(source=OcclusionSource.auto, prefer_painted=False)
    pairs, report = find_pairs(DataConfig(root=str(tmp_path)), unpainted)
    assert report.automatic == tuple(IDS)
    assert all(pair.occlusion is None for pair in pairs)
    assert "occlusion.painted_dir=no" in refused(
        DataConfig(root=str(tmp_path)), OcclusionConfig(source=OcclusionSource.auto, painted_dir="no")
    )


def test_empty_and_unrelated_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cmfd").mkdir()
    (tmp_path / "ffhq").mkdir()
    assert "NNNNN_Mask.jpg" in refused(DataConfig(root=str(tmp_path)), DIFFERENCE)
    write_masked(tmp_path / "cmfd/00002_Mask.jpg")
    write_picture(tmp_path / "ffhq/00003.png")
    message = refused(DataConfig(root=str(tmp_path)), DIFFERENCE)
    assert "No pictures could be paired" in message
    assert "first 00002" in message
    assert "first 00003" in message
