"""The training loop of methods: Lightning Fabric for devices, precision, processes; knows no method and no metric."""

from __future__ import annotations

from unmask.training.loop import Emergence, Onlookers, TrainingPlace, TrainingPlan, TrainingReport, fit

__all__ = ["Emergence", "Onlookers", "TrainingPlace", "TrainingPlan", "TrainingReport", "fit"]
