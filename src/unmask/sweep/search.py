"""A sweep whose sweeper chooses each job by what earlier ones returned: Optuna, Ax, Nevergrad and their like.

A job returns the mean of the metric `evaluation.objective`. Sweepers are told whether to make it small or large by an
option of their own, which is held against the metric here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from omegaconf import DictConfig, OmegaConf

from unmask.errors import UnmaskError
from unmask.results.catalogue import DIGITS, HIGHER_IS_BETTER, check_metric
from unmask.results.table import format_interval, format_number
from unmask.sweep.jobs import Job

MINIMISES = {"direction": "minimize", "ax_config.experiment.minimize": True, "optim.maximize": False}
"""Option of a sweeper, below hydra.sweeper -> the value with which it minimises: Optuna's, Ax's, Nevergrad's."""
MAXIMISES = {"direction": "maximize", "ax_config.experiment.minimize": False, "optim.maximize": True}
FEW = 30
"""Chosen on fewer pictures than this, the summary warns."""


@dataclass(frozen=True)
class Search:
    """What a sweep looks for.

    Attributes:
        objective: the metric.
    """

    objective: str

    def trials(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs that have a value, in the order in which they were started."""
        done = [job for job in jobs if self.objective in job.metrics]
        return sorted(done, key=lambda job: (job.number, job.name))

    def ranked(self, jobs: Sequence[Job]) -> list[Job]:
        """The same, the best first."""
        sign = -1.0 if HIGHER_IS_BETTER[self.objective] else 1.0
        return sorted(self.trials(jobs), key=lambda job: sign * job.metrics[self.objective].mean)

    def best(self, jobs: Sequence[Job]) -> Job | None:
        """The job with the best value, the first of several; None where none has one."""
        return next(iter(self.ranked(jobs)), None)

    def sentences(self, jobs: Sequence[Job]) -> list[str]:
        """What there is to say about the best trial."""
        best = self.best(jobs)
        if best is None:
            return [f"No trial has a value of {self.objective}."]
        metric, pictures = best.metrics[self.objective], int(best.report.get("n", 0))
        trials = self.trials(jobs)
        values = ", ".join(f"{key}={value}" for key, value in best.values.items())  # in full, to be typed again
        mean = format_number(metric.mean, DIGITS[self.objective])
        interval = format_interval(self.objective, metric.low, metric.high)
        said = [
            f"★: the best of {len(trials)} trials by {self.objective}, {mean} {interval} on {pictures} "
            f"picture{'' if pictures == 1 else 's'}: {values}."
        ]
        few = f" {pictures} are few: " if pictures < FEW else " "
        said.append(
            f"It was chosen on these pictures, so its value is better than on others.{few}evaluate it on pictures that "
            "had no part in the choice before you report it."
        )
        return said


def search_of(config: DictConfig) -> Search:
    """The search that a multirun's configuration asks for.

    Raises:
        UnmaskError: the objective is no metric, or the sweeper would look for the worst.
    """
    objective = str(config.evaluation.objective)
    check_metric(objective, "evaluation.objective")
    wanted = MAXIMISES if HIGHER_IS_BETTER[objective] else MINIMISES
    for key, value in wanted.items():
        given = OmegaConf.select(config.hydra.sweeper, key)
        plain = given.name if isinstance(given, Enum) else given
        if isinstance(plain, (str, bool)) and plain != value:
            better = "higher" if HIGHER_IS_BETTER[objective] else "lower"
            raise UnmaskError(
                f"hydra.sweeper.{key}={plain}: {better} is better for evaluation.objective={objective}; set "
                f"hydra.sweeper.{key}={str(value).lower()}."
            )
    return Search(objective)
