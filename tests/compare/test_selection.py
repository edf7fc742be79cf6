"""Only what is comparable is compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.made_runs import make_run
from unmask.compare.selection import (
    differences_in_data,
    ids_to_compare,
    largest_set,
    one_resolution,
    refuse_incomplete,
    refuse_other_pictures,
)
from unmask.errors import UnmaskError
from unmask.results.read import FinishedRun, read_run

NAMES = ("first", "second")


def two_runs(tmp_path: Path, first: list[str], second: list[str]) -> list[FinishedRun]:
    return [
        read_run(make_run(tmp_path / name, {"hole/psnr": [1.0] * len(ids)}, ids=ids))
        for name, ids in zip(NAMES, (first, second), strict=True)
    ]


def test_other_ids_are_refused_with_counts_and_the_first_few(tmp_path: Path) -> None:
    all_ids = [f"{index:05d}" for index in range(9)]
    runs = two_runs(tmp_path, all_ids, all_ids[:2])
    with pytest.raises(UnmaskError) as caught:
        ids_to_compare(runs, NAMES, common=False)
    message = str(caught.value)
    assert "second has 2 and lacks 7 (00002, 00003, 00004, 00005, 00006, …)" in message
    assert "first" not in message  # lacks nothing
    assert "Ids that all have: 2; to compare on those, add --common." in message
    assert ids_to_compare(runs, NAMES, common=True) == ("00000", "00001")


def test_runs_without_a_common_id_cannot_be_compared_at_all(tmp_path: Path) -> None:
    runs = two_runs(tmp_path, ["00001"], ["00002"])
    with pytest.raises(UnmaskError, match="No id is in all of them") as caught:
        ids_to_compare(runs, NAMES, common=True)
    assert "--common" not in str(caught.value)


def test_resolutions_are_never_mixed(tmp_path: Path) -> None:
    values = {"hole/psnr": [1.0]}
    runs = [read_run(make_run(tmp_path / str(size), values, resolution=size)) for size in (32, 64)]
    with pytest.raises(UnmaskError, match="first has 32, second has 64 pixels"):
        one_resolution(runs, NAMES)
    assert one_resolution(runs[1:], NAMES[1:]) == 64


def test_unfinished_runs_are_refused_by_name(tmp_path: Path) -> None:
    runs = [
        read_run(make_run(tmp_path / f"{complete}", {"hole/psnr": [1.0]}, complete=complete))
        for complete in (True, False)
    ]
    refuse_incomplete(runs[:1])
    with pytest.raises(UnmaskError, match=r"False \(pictures so far: 1\).*--incomplete") as caught:
        refuse_incomplete(runs)
    assert str(tmp_path / "True") not in str(caught.value)


def test_the_same_ids_in_other_data_are_noticed(tmp_path: Path) -> None:
    values = {"hole/psnr": [1.0]}
    runs = [
        read_run(make_run(tmp_path / name, values, config={"data": {"root": name}, "occlusion": {"dilate": 3}}))
        for name in NAMES
    ]
    assert differences_in_data(runs) == (), "their contents are known to be the same"
    for name in NAMES:
        make_run(tmp_path / name, values, config={"data": {"root": name}, "occlusion": {"dilate": 3}}, inputs=[""])
    runs = [read_run(tmp_path / name) for name in NAMES]
    assert differences_in_data(runs) == ("data.root",)
    assert differences_in_data(runs[:1]) == ()


def test_the_same_ids_of_other_pictures_are_refused(tmp_path: Path) -> None:
    values = {"hole/psnr": [1.0, 2.0]}
    runs = [
        read_run(make_run(tmp_path / name, values, inputs=inputs))
        for name, inputs in (("a", ["x", "y"]), ("b", ["x", ""]), ("c", ["x", "z"]))
    ]
    refuse_other_pictures(runs[:2], ("a", "b"), runs[0].ids)
    refuse_other_pictures(runs, ("a", "b", "c"), ("00000",))
    with pytest.raises(UnmaskError, match="00001 is not the same picture in a and in c"):
        refuse_other_pictures(runs, ("a", "b", "c"), runs[0].ids)


def test_the_largest_set_that_can_be_compared(tmp_path: Path) -> None:
    def one(name: str, count: int, **changes: Any) -> FinishedRun:
        return read_run(make_run(tmp_path / name, {"hole/psnr": [1.0] * count}, **changes))

    runs = [
        one("a", 2), one("b", 2), one("c", 3), one("d", 2, inputs=["p", "q"]), one("e", 2, inputs=["", ""]),
        one("f", 2, resolution=64),
    ]  # fmt: skip
    chosen, aside = largest_set(runs)
    assert [run.folder.name for run in chosen] == ["a", "b"]
    assert [(run.folder.name, why) for run, why in aside] == [
        ("c", "3 pictures, 2 of them with ids among the 2"),
        ("d", "the same ids, but other pictures"),
        ("e", "the same ids, but it is not known whether of the same pictures: another version"),
        ("f", "64 pixels, not 32"),
    ]
    assert [run.folder.name for run in largest_set(runs[2:])[0]] == ["c"], "more pictures, where sets are of one size"
    empty = [one(name, 1, ids=[]) for name in ("x", "y", "z")]
    chosen, aside = largest_set([*empty, *runs[:2]])
    assert [run.folder.name for run in chosen] == ["a", "b"], "runs without a picture are not compared"
    assert aside[0][1] == "0 pictures, 0 of them with ids among the 2"
