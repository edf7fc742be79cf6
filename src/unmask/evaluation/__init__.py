"""Measuring every method in the same way; knows no method."""

from unmask.evaluation.emerging import FOLLOWED, EmergingPictures, Frames, percent
from unmask.evaluation.evaluate import evaluate
from unmask.evaluation.outputs import finished_ids
from unmask.evaluation.report import markdown_table, terminal_table
from unmask.evaluation.summary import EvaluationResult, MetricSummary, RunInfo
from unmask.evaluation.validate import check_metric, validate
from unmask.evaluation.watch import log_mean_curves

__all__ = [
    "FOLLOWED",
    "EmergingPictures",
    "EvaluationResult",
    "Frames",
    "MetricSummary",
    "RunInfo",
    "check_metric",
    "evaluate",
    "finished_ids",
    "log_mean_curves",
    "markdown_table",
    "percent",
    "terminal_table",
    "validate",
]
