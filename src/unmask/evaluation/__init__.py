"""Measuring every method in the same way; knows no method."""

from unmask.evaluation.emerging import FOLLOWED, EmergingPictures, Frames, percent
from unmask.evaluation.evaluate import evaluate
from unmask.evaluation.validate import validate
from unmask.evaluation.watch import log_mean_curves

__all__ = [
    "FOLLOWED",
    "EmergingPictures",
    "Frames",
    "evaluate",
    "log_mean_curves",
    "percent",
    "validate",
]
