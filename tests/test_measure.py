"""Runs that are measured again, and pictures of other programs."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from helpers.command import Cli, write_pair_tree
from helpers.trees import write_picture
from unmask import measure
from unmask.images import load_image, save_image
from unmask.results.catalogue import NAMES, NOT_MEASURED
from unmask.results.layout import finished_records

QUICK = ("data.root=pairs", "data.resolution=64", "evaluation.identity=false", "progress=false")


@pytest.fixture
def run(unmask_cli: Cli, tmp_path: Path) -> Path:
    """Three pictures inpainted and measured."""
    write_pair_tree(tmp_path / "pairs", 3, size=64)
    answer = unmask_cli("method=inpaint", *QUICK, "hydra.run.dir=run")
    assert answer.code == 0, answer.err
    return tmp_path / "run"


def numbers(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return {row["id"]: {k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)}


@pytest.mark.weights
def test_what_is_missing_is_measured_to_the_same_bits(run: Path) -> None:
    before, summary = numbers(run), json.loads((run / "metrics.json").read_text())
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[1:]:  # as an interruption between making and measuring leaves them
        row |= dict.fromkeys(NAMES, "")
        row["reasons"] = json.dumps(dict.fromkeys(NAMES, NOT_MEASURED))
    with (run / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert [record.measured for record in finished_records(run)] == [True, False, False]

    assert measure.main([str(run), "--workers", "2", "--no-progress"]) == 0
    assert numbers(run) == before
    assert json.loads((run / "metrics.json").read_text()) == summary
    shutil.rmtree(run / "occlusion")  # of a version that kept none
    assert measure.main([str(run), "--again", "--no-progress"]) == 0
    assert numbers(run) == before


@pytest.mark.weights
def test_metrics_that_were_added_later_are_measured_at_once(run: Path) -> None:
    before, summary = numbers(run), json.loads((run / "metrics.json").read_text())
    with (run / "metrics.csv").open(newline="") as file:
        rows = [{k: v for k, v in row.items() if k not in ("hole/lpips", "input")} for row in csv.DictReader(file)]
    with (run / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert measure.main([str(run), "--no-progress"]) == 0
    assert {id: row | {"input": ""} for id, row in before.items()} == numbers(run)
    assert json.loads((run / "metrics.json").read_text()) == summary


@pytest.mark.weights
def test_calibration_wants_several_answers(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert measure.main([str(run), "--no-progress", "--calibration"]) == 2
    assert "number of answers to" in capfd.readouterr().err
    for id in ("00000", "00001", "00002"):  # the truth, and what is far from it on either side
        clean = load_image(next((run.parent / "pairs" / "ffhq").rglob(f"{id}.png")))
        for index, shift in enumerate((-0.5, 0.5, -0.6)):
            save_image(clean + shift, run / "samples" / id / f"{index}.png")
    assert measure.main([str(run), "--no-progress", "--calibration"]) == 0
    (table,) = json.loads((run / "calibration.json").read_text()).values()
    assert (table["answers"], table["people"], table["nominal"]) == (3, 3, [0.5])
    assert table["observed"][0] > 0.9 and (run / "calibration.png").is_file()


@pytest.mark.weights
def test_data_that_moved_or_changed(run: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before = numbers(run)
    (tmp_path / "pairs").rename(tmp_path / "elsewhere")
    assert measure.main([str(run), "--again", "--no-progress"]) == 2
    assert "pairs" in capfd.readouterr().err
    assert measure.main([str(run), "--again", "--no-progress", "--root", str(tmp_path / "elsewhere")]) == 0
    assert numbers(run) == before
    write_picture(next((tmp_path / "elsewhere").rglob("00001*.png")), 64, seed=77)
    assert measure.main([str(run), "--again", "--no-progress", "--root", str(tmp_path / "elsewhere")]) == 2
    assert "00001 was made from other files" in capfd.readouterr().err
    assert numbers(run) == before


@pytest.mark.weights
def test_a_manifest_that_moved(unmask_cli: Cli, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_pair_tree(tmp_path / "pairs", 1, size=64)
    table = tmp_path / "pairs" / "people.csv"
    places = [next((table.parent / folder).rglob("*.*")).relative_to(table.parent) for folder in ("cmfd", "ffhq")]
    table.write_text("id,masked,clean,occlusion\nanna," + ",".join(map(str, places)) + ",occlusion/00000/00000.png\n")
    answer = unmask_cli("method=copy", "data=manifest", f"data.manifest={table}", *QUICK[1:], "hydra.run.dir=run")
    assert answer.code == 0, answer.err
    before = numbers(tmp_path / "run")
    again = [str(tmp_path / "run"), "--again", "--no-progress"]
    for number, name in enumerate(("people.csv", "renamed.csv")):
        folder = (tmp_path / "pairs").rename(tmp_path / f"elsewhere{number}")
        (folder / "people.csv").rename(folder / name)
        assert measure.main(again) == 2
        assert "people.csv" in capfd.readouterr().err
        assert measure.main([*again, "--root", str(folder if number == 0 else folder / name)]) == 0
        assert numbers(tmp_path / "run") == before
        folder.rename(tmp_path / "pairs")


@pytest.mark.weights
def test_a_runs_own_composites_score_the_same_to_the_bit(run: Path, unmask_cli: Cli, tmp_path: Path) -> None:
    for whole in ("true", "false"):
        answer = unmask_cli(
            "method=pictures", "method.root=run/composite", f"method.whole={whole}", "occlusion.feather=0",
            "occlusion.blend=feather", *QUICK, f"hydra.run.dir=again_{whole}",
        )  # fmt: skip
        assert answer.code == 0, answer.err
        mine, theirs = numbers(tmp_path / f"again_{whole}"), numbers(run)
        for id, row in theirs.items():
            compared = {name for name in row if "/" in name and name != "raw_visible/psnr"}
            assert {name: mine[id][name] for name in compared} == {name: row[name] for name in compared}


@pytest.mark.weights
def test_missing_ids_and_wrong_sizes_are_named(unmask_cli: Cli, tmp_path: Path) -> None:
    write_pair_tree(tmp_path / "pairs", 3, size=64)
    theirs = tmp_path / "theirs"
    write_picture(theirs / "a" / "00000_fake.webp", 64)
    write_picture(theirs / "00001_fake.png", 32)
    answer = unmask_cli(
        "method=pictures", "method.root=theirs", "method.pattern='{id}_fake'", *QUICK, "hydra.run.dir=foreign"
    )
    assert answer.code == 0, answer.err
    failures = json.loads((tmp_path / "foreign" / "metrics.json").read_text())["failures"]
    assert [one["id"] for one in failures] == ["00001", "00002"]
    assert "32x32 pixels, but the pictures of the run are 64x64" in failures[0]["reason"]
    assert "no picture 00002_fake.*" in failures[1]["reason"]
    for index, (arguments, told) in enumerate(
        (
            (("method.root=nowhere",), "no such folder"),
            ((), "method.root=DIR"),
            (("method.root=theirs", "method.pattern=fake"), "has no {id}"),
        )
    ):
        answer = unmask_cli("method=pictures", *arguments, *QUICK, f"hydra.run.dir=none{index}")
        assert answer.code == 2 and told in answer.err
