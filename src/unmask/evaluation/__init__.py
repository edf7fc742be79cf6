"""Measuring every method in the same way; knows no method."""

from unmask.evaluation.evaluate import evaluate
from unmask.evaluation.validate import validate

__all__ = ["evaluate", "validate"]
