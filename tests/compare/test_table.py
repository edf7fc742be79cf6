"""What a reader of the table sees."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from helpers.made_runs import make_run
from unmask.compare.comparison import Comparison, compare
from unmask.compare.long_csv import COLUMNS, write_long_csv
from unmask.compare.table import markdown, terminal_table
from unmask.results.catalogue import ALL_NAMES, NAMES, SAMPLE_NAMES
from unmask.results.read import read_run


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


def shown(found: Comparison, width: int) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(terminal_table(found, width))
    return console.export_text()


def test_a_terminal_of_80_characters_shows_four_metrics_with_every_number_whole(found: Comparison) -> None:
    text = shown(found, 80)
    assert max(map(len, text.splitlines())) <= 80
    intervals = [row.entries["hole/psnr"].summary.ci95 for row in found.rows]
    numbers = [f"[{one[0]:.2f}, {one[1]:.2f}]" for one in intervals if one is not None]
    assert len(numbers) == 3
    assert all(part in text for part in ("best", "ne|ar", "far", "25.38≈", "14.33*", "mouth_open ↓", *numbers))
    assert "…" not in text and "whole/" not in text
    assert "against copy" in text


def test_the_metric_sorted_by_is_shown(found: Comparison) -> None:
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(terminal_table(found, 80, "visible/max_abs_change"))
    text = console.export_text()
    assert "max_abs_change ↓" in text and "psnr ↑" in text and "mouth_open" not in text.split("Mean")[0]


def test_a_wider_terminal_shows_more(found: Comparison) -> None:
    text = shown(found, 320)
    assert all(name.partition("/")[2] in text for name in NAMES)
    assert not any(name.partition("/")[2] in text for name in SAMPLE_NAMES if "hole" not in name and "arc" not in name)


def test_a_floor_is_never_the_best(tmp_path: Path) -> None:
    """It stands beside the others, with its number, but nothing is measured against it."""
    values = {"copy": [0.9, 0.8], "proj": [0.5, 0.6], "other": [0.1, 0.2]}
    runs = [
        read_run(make_run(tmp_path / name, {"identity/arcface": list(numbers)}, method=name))
        for name, numbers in values.items()
    ]
    found = compare(runs, list(values), runs[0].ids, resolution=32, sort="identity/arcface")
    entries = {row.name: row.entries["identity/arcface"] for row in found.rows}
    assert (entries["copy"].best, entries["copy"].indistinguishable) == (False, False)
    assert entries["proj"].best and entries["other"].difference is not None
    assert entries["other"].difference.mean == pytest.approx(-0.4), "to the best that is no floor"
    text = markdown(found, [], "compare.png")
    assert "| copy (floor) |" in text and "Floors (copy)" in text and "**0.550**" in text and "**0.850**" not in text
    assert "(against copy)" in text
    only = compare(runs[:1], ["copy"], runs[0].ids, resolution=32, sort="identity/arcface")
    assert not only.rows[0].entries["identity/arcface"].best


def test_footnotes_stand_below_the_table(found: Comparison) -> None:
    noted = replace(found, footnotes=("lr=1, steps=2",))
    assert "[1] lr=1, steps=2." in markdown(noted, [], "compare.png")
    assert "[1] lr=1, steps=2." in " ".join(shown(noted, 80).split())


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
    assert terminal_table(found).row_count == 2


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
    assert (far["method"], far["directory"]) == ("grey", str(tmp_path / "far"))
