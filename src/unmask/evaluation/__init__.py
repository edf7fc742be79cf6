"""Measuring every method in the same way; knows no method."""

from unmask.evaluation.evaluate import evaluate
from unmask.evaluation.outputs import finished_ids
from unmask.evaluation.report import markdown_table, terminal_table
from unmask.evaluation.summary import EvaluationResult, MetricSummary, RunInfo
from unmask.evaluation.validate import check_monitor, validate

__all__ = [
    "EvaluationResult",
    "MetricSummary",
    "RunInfo",
    "check_monitor",
    "evaluate",
    "finished_ids",
    "markdown_table",
    "terminal_table",
    "validate",
]
