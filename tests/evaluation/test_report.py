"""Means, reasons and tables."""

from __future__ import annotations

from unmask.evaluation.metrics import ADDED_LATER, EXPRESSION_NAMES, IDENTICAL, NAMES, Measurement
from unmask.evaluation.ranking import best_mean
from unmask.evaluation.records import PictureRecord, append_record, read_records, write_records
from unmask.evaluation.report import markdown_table, terminal_table
from unmask.evaluation.summary import EvaluationResult, RunInfo, summarise

RUN = RunInfo("copy", 0, "h", 256, {})


def record(id: str, value: float | None) -> PictureRecord:
    one = Measurement(None, IDENTICAL) if value is None else Measurement(value)
    return PictureRecord(id, 0.125, dict.fromkeys(NAMES, one))


def summary_of(*values: float | None):  # type: ignore[no-untyped-def]
    records = [record(str(index), value) for index, value in enumerate(values)]
    result = summarise(RUN, records, (), complete=True, bootstrap_samples=50, peak_memory_mb=None)
    return result


def test_mean_is_over_the_pictures_with_a_value_and_the_others_are_counted() -> None:
    summary = summary_of(10.0, None, 20.0).metrics["hole/psnr"]
    assert (summary.mean, summary.n) == (15.0, 2)
    assert summary.reason == f"1 of 3 pictures: {IDENTICAL}"
    assert summary_of(None, None).metrics["hole/psnr"].reason == IDENTICAL


def test_records_survive_the_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "metrics.csv"
    records = (record("00001", 1 / 3), record("00002", None))
    for one in records:
        append_record(path, one)
    assert read_records(path) == records
    write_records(path, records)
    assert read_records(path) == records
    assert len(path.read_text().splitlines()) == 3


def test_metrics_json_of_a_version_with_fewer_metrics_can_be_shown() -> None:
    plain = summary_of(10.0, 20.0).to_json()
    for name in EXPRESSION_NAMES:
        del plain["metrics"][name]
    result = EvaluationResult.from_json(plain)
    assert tuple(result.metrics) == NAMES
    assert result.metrics["hole/psnr"].mean == 15.0
    assert {result.metrics[name].reason for name in EXPRESSION_NAMES} == {ADDED_LATER}
    assert "–" in markdown_table([result], EXPRESSION_NAMES)
    assert terminal_table([result]).row_count == len(NAMES) + 2


def test_tables_show_every_result_and_mark_what_is_missing() -> None:
    results = [summary_of(10.0, None, 20.0), summary_of(None)]
    lines = markdown_table(results, ("hole/psnr",)).splitlines()
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1
    assert "15.00* [" in lines[2]
    assert lines[3].split("|")[3].strip() == "–"
    assert terminal_table(results).row_count == len(NAMES) + 2


def test_the_best_is_the_largest_or_the_smallest_and_only_where_they_differ() -> None:
    assert best_mean("hole/psnr", [1.0, 3.0, 2.0]) == 3.0
    assert best_mean("hole/lpips", [1.0, 3.0, 2.0]) == 1.0
    assert best_mean("hole/lpips", [1.0, 1.0]) is None
    assert best_mean("hole/lpips", [1.0]) is best_mean("hole/lpips", []) is None
