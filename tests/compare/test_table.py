"""What a reader of the table sees."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from made_runs import make_run
from rich.console import Console

from unmask.compare.comparison import Comparison, compare
from unmask.compare.long_csv import COLUMNS, write_long_csv
from unmask.compare.runs import read_run
from unmask.compare.table import markdown, terminal_table
from unmask.evaluation.metrics import ALL_NAMES, NAMES, SAMPLE_NAMES


@pytest.fixture
def found(tmp_path: Path) -> Comparison:
    """Three runs: in hole/psnr `best` is ahead of `near` by chance and of `far` in every picture."""
    values: dict[str, list[float | None]] = {
        "best": [10.0, 21.0, 30.0, 41.0],
        "near": [12.0, 19.0, 31.0, 39.5],
        "far": [1.0, 11.0, None, 31.0],
    }
    runs = [
        read_run(make_run(tmp_path / name, {"hole/psnr": numbers, "visible/max_abs_change": [0.0] * 4}))
        for name, numbers in values.items()
    ]
    return compare(runs, ["best", "ne|ar", "far"], runs[0].ids, resolution=32, sort="hole/psnr")


def test_markdown_has_a_row_per_run_with_bold_and_signs(found: Comparison) -> None:
    text = markdown(found, ["Mind the gap."], "compare.png")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1
    column = table[0].split(" | ").index("hole/psnr ↑")
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in table[2:]}
    assert list(rows) == ["best", "ne\\|ar", "far"]
    assert rows["best"][column].startswith("**25.50** [")
    assert rows["ne\\|ar"][column].startswith("25.38≈ [")
    assert rows["far"][column].startswith("14.33* [")
    assert rows["best"][table[0].split(" | ").index("identity/arcface ↑")] == "–"
    assert rows["best"][table[0].split(" | ").index("visible/max_abs_change ↓")] == "0.0 [0.0, 0.0]"
    assert [cell.strip("| ") for cell in rows["far"][-2:]] == ["0.50", "123"]
    for explained in ("Bold: ", "≈: ", "*: ", "–: ", "4 pictures at 32 pixels", "- Mind the gap.", "(compare.png)"):
        assert explained in text


def test_the_terminal_shows_every_run_and_metric(found: Comparison) -> None:
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(terminal_table(found))
    text = console.export_text()
    assert all(name in text for name in (*NAMES, "best", "ne|ar", "far", "25.38≈", "14.33*"))
    assert not any(name in text for name in SAMPLE_NAMES)


def test_metrics_of_several_answers_are_shown_where_a_run_has_them(tmp_path: Path) -> None:
    values: dict[str, dict[str, list[float | None]]] = {
        "one": {"hole/lpips": [0.2, 0.3]},
        "six": {"hole/lpips": [0.2, 0.3], "best_of_k/hole/lpips": [0.1, 0.2], "samples/deviation_hole": [9.0, 11.0]},
    }
    runs = [read_run(make_run(tmp_path / name, one)) for name, one in values.items()]
    sort = "best_of_k/hole/lpips"
    found = compare(runs, list(values), runs[0].ids, resolution=32, sort=sort)
    assert [row.name for row in found.rows] == ["six", "one"]
    text = markdown(found, [], "compare.png")
    head, _, six, one = [line.split(" | ") for line in text.splitlines() if line.startswith("|")]
    column = head.index("best_of_k/hole/lpips ↓")
    assert six[column].startswith("0.150 [")
    assert one[column] == "–"
    assert head[column + 1] == "samples/deviation_hole ↑"
    assert "mean_of_k" not in text
    assert terminal_table(found).row_count == len(NAMES) + 2 + 2


def test_csv_is_long_and_complete(found: Comparison, tmp_path: Path) -> None:
    path = tmp_path / "compare.csv"
    write_long_csv(found, path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 3 * len(ALL_NAMES)
    by_key = {(row["run"], row["metric"]): row for row in rows}
    best, near, far = (by_key[name, "hole/psnr"] for name in ("best", "ne|ar", "far"))
    assert (best["best"], best["indistinguishable"], best["difference"]) == ("true", "false", "0.0")
    assert (near["best"], near["indistinguishable"], near["difference"]) == ("false", "true", "-0.125")
    assert float(near["difference_lo"]) < 0 < float(near["difference_hi"])
    assert (far["indistinguishable"], far["n"], float(far["difference"])) == ("false", "3", pytest.approx(-29 / 3))
    assert float(far["mean"]) == pytest.approx(43 / 3)
    assert float(far["lo"]) < float(far["mean"]) < float(far["hi"])
    none = by_key["best", "identity/arcface"]
    assert [none[key] for key in ("mean", "lo", "hi", "n", "best", "difference")] == ["", "", "", "0", "false", ""]
    assert (far["method"], far["directory"]) == ("copy", str(tmp_path / "far"))
