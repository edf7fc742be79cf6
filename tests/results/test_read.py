"""Run directories are found wherever they are, and damage is named."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from helpers.made_runs import make_run
from unmask.compare.comparison import compare
from unmask.errors import UnmaskError
from unmask.results.catalogue import ADDED_LATER, EXPRESSION_NAMES
from unmask.results.read import find_runs, read_run

VALUES = {"hole/psnr": [1.0, 2.0]}


def test_runs_are_found_by_directory_by_pattern_and_below_folders_once_each(tmp_path: Path) -> None:
    single = make_run(tmp_path / "2030-01-01" / "a_copy", VALUES)
    jobs = [make_run(tmp_path / "multirun" / "sweep" / f"method.radius={value}", VALUES) for value in (1, 2)]
    make_run(single / "validation", VALUES)  # inside a run is no run
    assert find_runs([str(tmp_path)]) == (single, *jobs)
    pattern = tmp_path / "multirun" / "*" / "*"
    assert find_runs([str(jobs[1]), str(pattern), str(tmp_path)]) == (jobs[1], jobs[0], single)


def test_a_directory_may_look_like_a_pattern(tmp_path: Path) -> None:
    run = make_run(tmp_path / "data.ids=[1]", VALUES)
    assert find_runs([str(run)]) == (run,)


@pytest.mark.parametrize("name", ["nowhere", "no*", "empty"])
def test_what_leads_to_no_run_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnmaskError, match=r"no run there .*metrics\.json") as caught:
        find_runs([str(tmp_path / name)])
    assert str(tmp_path / name) in str(caught.value)


def test_a_run_comes_back_with_its_pictures_ascending(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run", VALUES, ids=["00007", "00003"], method="inpaint"))
    assert run.ids == ("00003", "00007")
    assert run.records[0].measurements["hole/psnr"].value == 2.0
    assert run.result.run.method == run.config.method.name == "inpaint"


def forget_expression(run: Path) -> None:
    """Make the run one of the version before the metrics `EXPRESSION_NAMES`."""
    summary = json.loads((run / "metrics.json").read_text())
    summary["metrics"] = {name: one for name, one in summary["metrics"].items() if name not in EXPRESSION_NAMES}
    (run / "metrics.json").write_text(json.dumps(summary))
    with (run / "metrics.csv").open(newline="") as file:
        rows = [
            {name: cell for name, cell in row.items() if name not in EXPRESSION_NAMES} for row in csv.DictReader(file)
        ]
    for row in rows:
        reasons = {name: why for name, why in json.loads(row["reasons"]).items() if name in row}
        row["reasons"] = json.dumps(reasons) if reasons else ""
    with (run / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_a_run_of_a_version_with_fewer_metrics_compares_in_those_it_has(tmp_path: Path) -> None:
    values = {"hole/psnr": [1.0, 2.0], "expression/smile": [0.1, 0.2]}
    old, new = (make_run(tmp_path / name, values) for name in ("old", "new"))
    forget_expression(old)
    runs = [read_run(old), read_run(new)]
    assert runs[0].ids == runs[1].ids
    assert runs[0].records[0].measurements["hole/psnr"].value == 1.0
    assert {runs[0].records[1].measurements[name].reason for name in EXPRESSION_NAMES} == {ADDED_LATER}
    found = compare(runs, ["old", "new"], runs[0].ids, resolution=32, sort="expression/smile")
    assert [row.name for row in found.rows] == ["new", "old"]
    assert found.rows[1].entries["expression/smile"].summary.reason == ADDED_LATER
    assert found.rows[1].entries["hole/psnr"].summary.mean == 1.5


def half(path: Path) -> None:
    path.write_text(path.read_text()[: path.stat().st_size // 2])


def last_row_lost(path: Path) -> None:
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")


def no_number(path: Path) -> None:
    path.write_text(path.read_text().replace("0.5", "half"))


def not_finite(path: Path) -> None:
    path.write_text(path.read_text().replace("2.0", "nan", 1))


def text_for_memory(path: Path) -> None:
    path.write_text(path.read_text().replace("123.4", '"much"'))


def text_for_a_group(path: Path) -> None:
    path.write_text("method: {name: grey}\ndata: text\n")


def refers_to_nothing(path: Path) -> None:
    path.write_text(path.read_text().replace("nowhere", "${not.there}"))


def other_type(path: Path) -> None:
    path.write_text("[]")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("metrics.json", half),
        ("metrics.json", other_type),
        ("metrics.csv", last_row_lost),
        ("metrics.csv", no_number),
        ("metrics.csv", not_finite),
        ("metrics.json", text_for_memory),
        ("config.yaml", text_for_a_group),
        ("config.yaml", refers_to_nothing),
        ("metrics.csv", Path.unlink),
        ("config.yaml", other_type),
        ("config.yaml", Path.unlink),
    ],
)
def test_a_damaged_file_is_named(name: str, damage, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run = make_run(tmp_path / "run", VALUES)
    damage(run / name)
    with pytest.raises(UnmaskError, match=r"damaged|missing") as caught:
        read_run(run)
    assert str(run / name) in str(caught.value)
    assert "\n" not in str(caught.value)
