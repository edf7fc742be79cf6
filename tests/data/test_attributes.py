"""What is known of the people in a data set, and the groups that numbers are told apart by."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helpers.trees import write_tree
from unmask.config import DataConfig, OcclusionConfig, OcclusionSource
from unmask.data import Attributes, Group, Numbers, Texts, attributes_of, groups, load_dataset, read_attributes
from unmask.errors import UnmaskError

SHARED = Path(os.environ.get("UNMASK_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))


def written(folder: Path, text: str) -> Path:
    (folder / "attributes.csv").write_text(text, encoding="utf-8")
    return folder / "attributes.csv"


def numbers(column: str, *values: float | None) -> tuple[Attributes, list[str]]:
    ids = [f"{i}" for i in range(len(values))]
    return Attributes(Path("made.csv"), tuple(ids), {column: Numbers(values)}), ids


def named(found: tuple[Group, ...]) -> dict[str, str]:
    """Name -> ids in one word."""
    return {group.name: "".join(group.ids) for group in found}


def test_columns_are_numbers_where_every_filled_cell_is_one(tmp_path: Path) -> None:
    found = read_attributes(written(tmp_path, "id,age,gender,code\n00002,31.5,female,7\n00011,,male,7b\n"))
    assert found.ids == ("00002", "00011")
    assert found.columns == {
        "age": Numbers((31.5, None)),
        "gender": Texts(("female", "male")),
        "code": Texts(("7", "7b")),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\nx\n", "line 1: no column beside id"),
        ("id,age\nx,3\nx,4\n", "line 3, column id: x stands in line 2 already"),
        ("id,age\nx,\n", "line 1, column age: holds nothing"),
        ("id,age\nx,nan\n", "line 2, column age: nan is no number to group by; leave unknown ones empty"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UnmaskError) as caught:
        read_attributes(path)
    assert str(caught.value) == f"{path}: {message} (data.attributes)."


def test_ages_at_the_limits() -> None:
    attributes, ids = numbers("Age", 0, 17.9, 18, 39.9, 40, 60, 60.1)
    assert named(groups(attributes, "Age", ids)) == {"<18": "01", "18-40": "23", "40-60": "45", ">60": "6"}


@pytest.mark.parametrize(("column", "limit"), [("smile", 0.5), ("beard", 0.4)])
def test_probabilities_are_parted_in_two(column: str, limit: float) -> None:
    attributes, ids = numbers(column, limit, 0, limit - 0.01, 1)
    assert named(groups(attributes, column, ids)) == {f"<{limit}": "12", f">={limit}": "03"}


def test_angles_are_grouped_by_how_far_the_head_is_turned_to_either_side() -> None:
    attributes, ids = numbers("yaw", -30, 9.9, 10, -19, 20, 0)
    assert named(groups(attributes, "yaw", ids)) == {"<10 deg": "15", "10 to 20 deg": "23", ">=20 deg": "04"}


def test_other_numbers_are_parted_in_thirds_of_the_pictures_asked_for() -> None:
    attributes, ids = numbers("weight", *range(60, 69), 1000)
    assert named(groups(attributes, "weight", ids[:9])) == {"<63": "012", "63 to 66": "345", ">=66": "678"}
    same, ids = numbers("weight", 70, 70, 70)
    assert named(groups(same, "weight", ids)) == {"70": "012"}


def test_texts_are_grouped_by_value_and_what_is_unknown_stands_apart() -> None:
    attributes = Attributes(Path("made.csv"), ("a", "b", "c"), {"glasses": Texts(("sun", None, "none"))})
    found = groups(attributes, "glasses", ["c", "new", "b", "a"])
    assert found == (Group("none", ("c",)), Group("sun", ("a",)), Group("unknown", ("new", "b")))
    assert groups(attributes, "glasses", ["c"]) == (Group("none", ("c",)),)
    said = Attributes(Path("made.csv"), ("a", "b"), {"glasses": Texts(("unknown", None))})
    assert groups(said, "glasses", ["a", "b"]) == (Group("unknown", ("a", "b")),)


def test_what_cannot_be_grouped_is_refused() -> None:
    attributes = Attributes(Path("made.csv"), ("2", "3"), {"name": Texts(("Ann", "Bo"))})
    with pytest.raises(UnmaskError, match=r"made\.csv: no column height, only name \(data\.attributes\)"):
        groups(attributes, "height", ["2"])
    with pytest.raises(UnmaskError, match=r"made\.csv: none of the 1 pictures is in it; .* 00002, .* 2 \(data\.attrib"):
        groups(attributes, "name", ["00002"])
    ids = tuple(f"{i}" for i in range(30))
    with pytest.raises(UnmaskError, match=r"column name: 30 different texts are no groups"):
        groups(Attributes(Path("made.csv"), ids, {"name": Texts(ids)}), "name", ids)


def test_the_option_is_read_before_any_work(tmp_path: Path) -> None:
    write_tree(tmp_path, ["00002"])
    data = DataConfig(root=str(tmp_path), attributes=str(tmp_path / "no.csv"))
    with pytest.raises(UnmaskError, match=r"no\.csv: no such file \(data\.attributes\)"):
        load_dataset(data, OcclusionConfig(source=OcclusionSource.painted))
    assert attributes_of(DataConfig(root=str(tmp_path))) is None
    data.attributes = str(written(tmp_path, "id,age\n00002,3\n"))
    found = attributes_of(data)
    assert found is not None and found.columns == {"age": Numbers((3.0,))}


@pytest.mark.skipif(not (SHARED / "ffhq_attributes.csv").is_file(), reason="no attributes here (UNMASK_SHARED_DATA)")
def test_every_column_of_ffhq_falls_into_groups() -> None:
    attributes = read_attributes(SHARED / "ffhq_attributes.csv")
    assert len(attributes.ids) > 4000
    for column in attributes.columns:
        found = groups(attributes, column, attributes.ids)
        assert 2 <= len(found) <= 9, column
        assert sorted(id for group in found for id in group.ids) == sorted(attributes.ids)
