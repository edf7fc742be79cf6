"""Means, reasons and tables."""

from __future__ import annotations

import torch

from unmask.evaluation.metrics import IDENTICAL
from unmask.results.catalogue import (
    ADDED_LATER,
    ALL_NAMES,
    EXPRESSION_NAMES,
    NAMES,
    ONE_ANSWER,
    SAMPLE_NAMES,
    Measurement,
    best_mean,
)
from unmask.results.grid import GridRow, grid_titles
from unmask.results.records import PictureRecord, append_record, read_records, write_records
from unmask.results.summary import EvaluationResult, RunInfo, summarise
from unmask.results.table import metric_label, terminal_table

RUN = RunInfo("copy", 0, "h", 256, {})


def record(id: str, value: float | None, *, several: bool = False) -> PictureRecord:
    one = Measurement(None, IDENTICAL) if value is None else Measurement(value)
    of_all = one if several else Measurement(None, ONE_ANSWER)
    return PictureRecord(id, 0.125, dict.fromkeys(NAMES, one) | dict.fromkeys(SAMPLE_NAMES, of_all))


def summary_of(*values: float | None, several: bool = False):  # type: ignore[no-untyped-def]
    records = [record(str(index), value, several=several) for index, value in enumerate(values)]
    result = summarise(RUN, records, (), complete=True, bootstrap_samples=50, peak_memory_mb=None)
    return result


def test_mean_is_over_the_pictures_with_a_value_and_the_others_are_counted() -> None:
    summary = summary_of(10.0, None, 20.0).metrics["hole/psnr"]
    assert (summary.mean, summary.n) == (15.0, 2)
    assert summary.reason == f"1 of 3 pictures: {IDENTICAL}"
    assert summary_of(None, None).metrics["hole/psnr"].reason == IDENTICAL


def test_records_survive_the_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "metrics.csv"
    records = (record("00001", 1 / 3), record("00002", None), record("00003", 7.0, several=True))
    for one in records:
        append_record(path, one)
    assert read_records(path) == records
    write_records(path, records)
    assert read_records(path) == records
    assert len(path.read_text().splitlines()) == 4
    assert [one.several for one in records] == [False, False, True]


def cells(results: list[EvaluationResult]) -> dict[str, list[str]]:
    """Label -> a cell for each result, of the table on the terminal."""
    labels, *columns = (list(column.cells) for column in terminal_table(results).columns)
    return {str(label): [str(cell) for cell in row] for label, *row in zip(labels, *columns, strict=True)}


def test_metrics_json_of_a_version_with_fewer_metrics_can_be_shown() -> None:
    plain = summary_of(10.0, 20.0).to_json()
    for name in EXPRESSION_NAMES:
        del plain["metrics"][name]
    result = EvaluationResult.from_json(plain)
    assert tuple(result.metrics) == ALL_NAMES
    assert result.metrics["hole/psnr"].mean == 15.0
    assert {result.metrics[name].reason for name in EXPRESSION_NAMES} == {ADDED_LATER}
    shown = cells([result])
    assert all(shown[metric_label(name)] == ["–"] for name in EXPRESSION_NAMES)
    assert len(shown) == len(NAMES) + 2


def test_tables_show_every_result_and_mark_what_is_missing() -> None:
    results = [summary_of(10.0, None, 20.0), summary_of(None)]
    shown = cells(results)
    assert shown["hole/psnr ↑"][0].startswith("15.00* [")
    assert shown["hole/psnr ↑"][1] == "–"
    assert len(shown) == len(NAMES) + 2


def test_the_best_is_the_largest_or_the_smallest_and_only_where_they_differ() -> None:
    assert best_mean("hole/psnr", [1.0, 3.0, 2.0]) == 3.0
    assert best_mean("hole/lpips", [1.0, 3.0, 2.0]) == 1.0
    assert best_mean("hole/lpips", [1.0, 1.0]) is None
    assert best_mean("hole/lpips", [1.0]) is best_mean("hole/lpips", []) is None


def test_metrics_of_several_answers_are_in_tables_only_where_a_result_has_them() -> None:
    one, several = summary_of(1.0, 2.0), summary_of(3.0, 4.0, several=True)
    assert one.metrics["best_of_k/hole/psnr"].reason == ONE_ANSWER
    assert not any("of_k" in label for label in cells([one]))
    assert len(cells([one])) == len(NAMES) + 2
    assert len(cells([one, several])) == len(ALL_NAMES) + 2
    assert cells([one, several])["best_of_k/hole/lpips ↓"][0] == "–"
    assert cells([several])["best_of_k/hole/lpips ↓"][0] != "–"


def test_metrics_json_of_a_version_that_knew_only_one_answer_can_be_shown() -> None:
    plain = summary_of(10.0, 20.0).to_json()
    for name in SAMPLE_NAMES:
        del plain["metrics"][name]
    result = EvaluationResult.from_json(plain)
    assert {result.metrics[name].reason for name in SAMPLE_NAMES} == {ADDED_LATER}
    assert terminal_table([result]).row_count == len(NAMES) + 2


def test_grid_columns_of_several_answers() -> None:
    assert grid_titles(0) == grid_titles(1) == ("input", "raw", "composite", "clean")
    assert grid_titles(2) == ("input", "raw", "composite", "sample 1", "deviation", "clean")
    assert grid_titles(9) == (
        "input", "raw", "composite", "sample 1", "sample 2", "sample 3", "sample 4", "deviation", "clean",
    )  # fmt: skip


def test_grid_cells_are_under_their_titles_and_a_lost_file_is_an_empty_one() -> None:
    greys = [torch.full((3, 8, 8), level / 127.5 - 1) for level in range(9)]
    masked, raw, clean, deviation, *samples = greys
    shown = {"masked": masked, "raw": raw, "composite": samples[0], "clean": clean, "deviation": deviation}
    for answers, given, expected in (
        (3, samples[:3], [0, 1, 4, 5, 6, 3, 2]),
        (3, samples[:2], [0, 1, 4, 5, None, 3, 2]),
        (2, [], [0, 1, 4, None, 3, 2]),
        (7, [*samples, *samples[:2]], [0, 1, 4, 5, 6, 7, 8, 3, 2]),
        (1, [], [0, 1, 4, 2]),
    ):
        row = GridRow.from_tensors("00000", **shown, samples=given, answers=answers)
        assert len(row.pictures) == len(grid_titles(answers))
        assert [None if one is None else int(one[0, 0, 0]) for one in row.pictures] == expected
