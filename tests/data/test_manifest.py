"""A data set of any layout, by a table of its files."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from helpers.trees import write_masked, write_occlusion, write_picture, write_tree
from unmask.config import DataConfig, OcclusionConfig, OcclusionSource, Split, TrainingConfig
from unmask.data import batches, find_pairs, load_dataset, training_source
from unmask.errors import UnmaskError

PAINTED = OcclusionConfig(source=OcclusionSource.painted)
DIFFERENCE = OcclusionConfig(source=OcclusionSource.difference)
AUTO = OcclusionConfig(source=OcclusionSource.auto)
IDS = ["00002", "00011", "01003", "12345"]


def write_manifest(path: Path, text: str) -> DataConfig:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return DataConfig(manifest=str(path), resolution=64)


def manifest_of(folders: DataConfig, path: Path) -> DataConfig:
    """The same data set as `folders`, listed in reverse order."""
    pairs, _ = find_pairs(folders, PAINTED)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("occlusion", "id", "clean", "masked"))
        for pair in reversed(pairs):
            files = (pair.occlusion, pair.clean, pair.masked)
            occlusion, clean, masked = (str(each.relative_to(path.parent)) for each in files if each is not None)
            rows.writerow((occlusion, pair.id, clean, masked))
    return replace(folders, root=None, manifest=str(path))


@pytest.mark.parametrize("occlusion", [PAINTED, DIFFERENCE, AUTO], ids=lambda one: one.source.name)
def test_the_same_files_by_folder_and_by_manifest_are_the_same_data_set(
    tmp_path: Path, occlusion: OcclusionConfig
) -> None:
    write_tree(tmp_path / "tree", IDS)
    by_folder = DataConfig(root=str(tmp_path / "tree"), resolution=64)
    by_manifest = manifest_of(by_folder, tmp_path / "people.csv")
    assert find_pairs(by_manifest, occlusion)[0] == find_pairs(by_folder, occlusion)[0]
    expected, found = (next(iter(batches(load_dataset(data, occlusion), 4))) for data in (by_folder, by_manifest))
    assert found.ids == expected.ids == tuple(IDS)
    assert found.contents == expected.contents
    assert found.clean is not None and expected.clean is not None
    for one, other in (
        (found.masked, expected.masked),
        (found.clean, expected.clean),
        (found.occlusion, expected.occlusion),
        (found.hole, expected.hole),
    ):
        assert torch.equal(one, other)


def test_ids_split_and_limit_choose_as_among_folders(tmp_path: Path) -> None:
    write_tree(tmp_path, [f"{i:05d}" for i in range(12)], size=8)
    by_folder = DataConfig(root=str(tmp_path))
    by_manifest = manifest_of(by_folder, tmp_path / "people.csv")
    for choice in (
        {"limit": 3},
        {"ids": ["7", "00002"]},
        {"split": Split.train, "test_fraction": 0.4},
        {"split": Split.test, "test_fraction": 0.4, "limit": 1},
    ):
        ids, expected = (
            [pair.id for pair in find_pairs(replace(data, **choice), PAINTED)[0]]  # type: ignore[arg-type]
            for data in (by_manifest, by_folder)
        )
        assert ids == expected
    sources = [
        training_source(data, PAINTED, TrainingConfig(), exclude=frozenset()) for data in (by_manifest, by_folder)
    ]
    assert sources[0].ids == sources[1].ids


def test_clean_and_occlusion_may_be_absent(tmp_path: Path) -> None:
    write_masked(tmp_path / "a.png")
    (pair,), report = find_pairs(write_manifest(tmp_path / "people.csv", "id,masked\nanna,a.png\n"), AUTO)
    assert (pair.id, pair.masked, pair.clean, pair.occlusion) == ("anna", tmp_path / "a.png", None, None)
    assert report.clean_dir is None
    assert report.automatic == ("anna",)
    assert f"1 pictures used of 1 usable (masked: {tmp_path / 'people.csv'}, no clean pictures)" in report.summary()


def test_what_a_row_lacks_that_others_have_is_reported(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_masked(tmp_path / f"{name}.png")
    write_picture(tmp_path / "clean.png")
    write_occlusion(tmp_path / "map.png")
    data = write_manifest(
        tmp_path / "people.csv",
        "id,masked,clean,occlusion\nanna,a.png,clean.png,map.png\nben,b.png,,map.png\ncleo,c.png,clean.png,\n",
    )
    pairs, report = find_pairs(data, PAINTED)
    assert [pair.id for pair in pairs] == ["anna"]
    assert (report.missing_clean, report.missing_occlusion) == (("ben",), ("cleo",))
    assert [pair.id for pair in find_pairs(data, DIFFERENCE)[0]] == ["anna", "cleo"]
    with pytest.raises(UnmaskError, match=r"b\.png: has no clean picture \(column clean\), and data\.strict=true"):
        find_pairs(replace(data, strict=True), PAINTED)


def test_paths_may_be_absolute_and_the_table_may_come_from_a_spreadsheet(tmp_path: Path) -> None:
    masked = write_masked(tmp_path / "else where" / "a.png")
    text = f'\ufeffid,masked\r\n\r\n anna ,"{masked}"\r\n'
    (pair,), _ = find_pairs(write_manifest(tmp_path / "sheet" / "people.csv", text), AUTO)
    assert (pair.id, pair.masked) == ("anna", masked)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "{csv}: is empty; its first line must name the columns"),
        ("id,masked\n", "{csv}: has a first line and no rows"),
        ("masked,clean\na.png,\n", "{csv}: line 1: no column id, only masked, clean"),
        ("id;masked\nx;a.png\n", "{csv}: line 1: no column id, only id;masked; commas separate columns"),
        ("id,clean\nx,a.png\n", "{csv}: line 1: no column masked"),
        ("id,mask\nx,a.png\n", "{csv}: line 1, column mask: unknown; the columns are id, masked, clean, occlusion"),
        ("id,masked,masked\nx,a.png,a.png\n", "{csv}: line 1, column masked: stands there twice"),
        ("id,masked\nx,a.png,b.png\n", "{csv}: line 2: has 3 cells, and the first line 2"),
        ("id,masked\n,a.png\n", "{csv}: line 2, column id: is empty"),
        ("id,masked\nx,\n", "{csv}: line 2, column masked: is empty"),
        ("id,masked\nx,a.png\ny,a.png\nx,a.png\n", "{csv}: line 4, column id: x stands in line 2 already"),
        ("id,masked\nx,no.png\n", "{csv}: line 2, column masked: no file {folder}/no.png"),
        ("id,masked,clean\nx,a.png,.\n", "{csv}: line 2, column clean: no file {folder}"),
        ('id,masked\nx,"a.png\n', "{csv}: line 2: unexpected end of data"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    write_masked(tmp_path / "a.png")
    data = write_manifest(tmp_path / "people.csv", text)
    with pytest.raises(UnmaskError) as caught:
        find_pairs(data, AUTO)
    message = message.format(csv=tmp_path / "people.csv", folder=tmp_path)
    assert str(caught.value) == f"{message} (data.manifest)."


@pytest.mark.parametrize("id", ["a/b", "a\\b", "..", ".hidden", "a\tb", "x" * 201])
def test_an_id_must_do_as_a_file_name(tmp_path: Path, id: str) -> None:
    write_masked(tmp_path / "a.png")
    with pytest.raises(UnmaskError, match=r"people\.csv: line 2, column id: .* cannot be the name of a file"):
        find_pairs(write_manifest(tmp_path / "people.csv", f"id,masked\n{id},a.png\n"), AUTO)


def test_a_manifest_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UnmaskError, match=r"no\.csv: no such file \(data\.manifest\)"):
        find_pairs(DataConfig(manifest=str(tmp_path / "no.csv")), AUTO)
    (tmp_path / "latin.csv").write_bytes("id,masked\nJosé,a.png\n".encode("latin-1"))
    with pytest.raises(UnmaskError, match=r"latin\.csv: is not UTF-8 \(data\.manifest\)"):
        find_pairs(DataConfig(manifest=str(tmp_path / "latin.csv")), AUTO)


def test_folders_and_a_manifest_contradict_each_other(tmp_path: Path) -> None:
    write_tree(tmp_path, IDS[:1])
    data = manifest_of(DataConfig(root=str(tmp_path)), tmp_path / "people.csv")
    for key, options in (
        ("data.root", replace(data, root=str(tmp_path))),
        ("data.clean_dir", replace(data, clean_dir="ffhq")),
        ("data.masked_dir", replace(data, masked_dir="cmfd")),
    ):
        with pytest.raises(UnmaskError, match=rf"{key}=.* and data\.manifest=.*people\.csv"):
            find_pairs(options, PAINTED)
    with pytest.raises(UnmaskError, match=r"occlusion\.painted_dir=drawn and data\.manifest="):
        find_pairs(data, replace(PAINTED, painted_dir="drawn"))
    with pytest.raises(UnmaskError, match=r"data\.root=null: .*data\.manifest"):
        find_pairs(DataConfig(), PAINTED)


def test_where_no_occlusion_is_possible_the_column_is_named(tmp_path: Path) -> None:
    write_masked(tmp_path / "a.png")
    data = write_manifest(tmp_path / "people.csv", "id,masked\nanna,a.png\n")
    with pytest.raises(UnmaskError, match=r"people\.csv: no occlusions \(column occlusion\) for occlusion=painted"):
        find_pairs(data, PAINTED)
    with pytest.raises(UnmaskError, match=r"people\.csv: no clean pictures \(column clean\) for occlusion=difference"):
        find_pairs(data, DIFFERENCE)
