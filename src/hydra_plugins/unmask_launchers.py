"""Launchers that run the jobs of a sweep in other processes or on other machines; configs/hydra/launcher names them.

Hydra takes launchers from the namespace package ``hydra_plugins`` only, and imports all of it in every program that
uses Hydra: nothing heavy is imported here. Jobs are sent and run by Hydra's own plugins for submitit and joblib. What
is added: a job whose process dies does not end the multirun. It gets a note in its directory, the other jobs go on,
and the summary tells.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast, final

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

if TYPE_CHECKING:
    from submitit import Job

log = logging.getLogger(__name__)


class JobProcesses(Launcher, ABC):
    """What the launchers share: one of Hydra's plugins underneath, and what becomes of jobs that die.

    Hydra calls `setup`, then `launch`.
    """

    INTERRUPTED: ClassVar[str] = "Interrupted, and the jobs with it. The same command runs those that did not finish."
    EXTRA: ClassVar[str]
    """The extra of this package that installs the plugin."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    @abstractmethod
    def plugin_class(self) -> type[Launcher]:
        """Import the launcher underneath.

        Raises:
            ImportError: it is not installed.
        """

    @abstractmethod
    def run_jobs(self, job_overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        """Run one job per element, numbered from `first`, and wait for them; see `launch`."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra with the multirun's configuration.

        Raises:
            SystemExit: 2, the plugin is not installed.
        """
        from unmask.terminal import leave

        try:
            plugin_class = self.plugin_class()
        except ImportError as error:
            choice = config.hydra.runtime.choices["hydra/launcher"]
            leave(2, f"hydra/launcher={choice}: {error}. Install it with `pip install 'unmask[{self.EXTRA}]'`.")
        self.plugin = plugin_class(**self.options)
        self.plugin.setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.config_loader = hydra_context.config_loader
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Called by Hydra; a result per job, in order, even for jobs that died.

        Raises:
            SystemExit: 130, interrupted; 2, the jobs were not accepted.
        """
        from unmask.terminal import leave

        try:
            return self.run_jobs(job_overrides, initial_job_idx)
        except KeyboardInterrupt:
            leave(130, self.INTERRUPTED)

    def died(self, overrides: Sequence[str], number: int, reason: str) -> JobReturn:
        """The result of a job that has none; the reason goes into its directory, for the summary."""
        from unmask.sweep.jobs import record_death

        config = self.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            config.hydra.job.num = number
        run_dir = Path(config.hydra.sweep.dir) / config.hydra.sweep.subdir
        asked = [str(override) for override in config.hydra.overrides.task]
        record_death(run_dir, asked, reason)
        # As for a job that recorded its failure itself: any other status, and Hydra ends the multirun.
        return JobReturn(overrides=asked, status=JobStatus.COMPLETED)


class SubmititLauncher(JobProcesses, ABC):
    """A submitit job per job of the sweep, its log in `.submitit` beside the jobs' directories."""

    EXTRA = "slurm"
    CLUSTER: ClassVar[str]
    COMMON = ("name", "timeout_min", "mem_gb", "gpus_per_node", "cpus_per_task")
    """Options that submitit has for every cluster; it wants the others with the cluster's name in front."""

    def run_jobs(self, job_overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        jobs = self.submit(job_overrides, first)
        log.info("%d jobs started; their logs are in %s", len(jobs), jobs[0].paths.folder.parent)
        try:
            return [
                self.outcome(job, overrides, first + index)
                for index, (job, overrides) in enumerate(zip(jobs, job_overrides, strict=True))
            ]
        except KeyboardInterrupt:
            self.interrupted(jobs)
            raise

    def interrupted(self, jobs: Sequence[Job[JobReturn]]) -> None:
        """What Ctrl-C does to the jobs: here it ends them."""
        for job in jobs:
            job.cancel(check=False)

    def submit(self, job_overrides: Sequence[Sequence[str]], first: int) -> list[Job[JobReturn]]:
        """Hand the jobs to submitit, on Slurm as one array.

        Raises:
            SystemExit: 2, there is no such cluster here, or it refuses.
        """
        import submitit

        from unmask.terminal import leave

        options: dict[str, Any] = {
            key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for key, value in self.options.items()
        }
        folder, timeouts = options.pop("submitit_folder"), options.pop("max_num_timeout")
        options = {key if key in self.COMMON else f"{self.CLUSTER}_{key}": value for key, value in options.items()}
        # The plugin's job takes its overrides, the key of the sweep's directory, its number and id, and Hydra's
        # singletons: ConfigStore with every schema, and OmegaConf's resolvers, ours too.
        state = Singleton.get_state()
        calls = [
            (list(overrides), "hydra.sweep.dir", number, f"job_id_for_{number}", state)
            for number, overrides in enumerate(job_overrides, first)
        ]
        try:
            executor = submitit.AutoExecutor(
                folder=folder, cluster=self.CLUSTER, **{f"{self.CLUSTER}_max_num_timeout": timeouts}
            )
            executor.update_parameters(**options)
            return executor.map_array(cast("Callable[..., JobReturn]", self.plugin), *zip(*calls, strict=True))
        except RuntimeError as error:  # submitit's own for a missing sbatch and for one that refuses
            leave(2, f"The jobs cannot be submitted: {error}")

    def outcome(self, job: Job[JobReturn], overrides: Sequence[str], number: int) -> JobReturn:
        """Wait for a job."""
        from submitit.core.utils import UncompletedJobError

        try:
            return job.result()
        except UncompletedJobError:
            return self.died(
                overrides, number, f"its process ended without a result (submitit: {job.state}); see {job.paths.folder}"
            )


@final
class SlurmLauncher(SubmititLauncher):
    """An array of Slurm jobs."""

    CLUSTER = "slurm"

    def submit(self, job_overrides: Sequence[Sequence[str]], first: int) -> list[Job[JobReturn]]:
        from unmask.sweep.slurm_states import watch_quietly

        watch_quietly()
        return super().submit(job_overrides, first)

    def interrupted(self, jobs: Sequence[Job[JobReturn]]) -> None:
        """The cluster does not need the sweep: its jobs go on.

        Raises:
            SystemExit: 130, always; the message says which they are, and how to look and to stop them.
        """
        from unmask.terminal import leave

        left = [job.job_id for job in jobs if not job.done()]
        array = ",".join(sorted({job_id.split("_")[0] for job_id in left}))
        if not left:
            leave(130, "Interrupted; all jobs have ended. The same command writes the summary.")
        look, end = f"`squeue -j {array}`", f"`scancel {array}`"
        leave(
            130,
            f"Interrupted; {len(left)} jobs keep running ({', '.join(left)}): {look} shows them, {end} ends them. "
            "Once they have ended, the same command writes the summary and runs those that did not finish.",
        )

    def plugin_class(self) -> type[Launcher]:
        from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher

        return SlurmLauncher


@final
class LocalLauncher(SubmititLauncher):
    """Processes on this machine, all at once; for trying out what will be sent to Slurm."""

    CLUSTER = "local"

    def plugin_class(self) -> type[Launcher]:
        from hydra_plugins.hydra_submitit_launcher.submitit_launcher import LocalLauncher

        return LocalLauncher


@final
class SerialLauncher(JobProcesses):
    """One job after the other, in this process."""

    EXTRA = ""

    def plugin_class(self) -> type[Launcher]:
        from hydra._internal.core_plugins.basic_launcher import BasicLauncher

        return BasicLauncher

    def run_jobs(self, job_overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        return [self.run_job(overrides, number) for number, overrides in enumerate(job_overrides, first)]

    def run_job(self, overrides: Sequence[str], number: int) -> JobReturn:
        """Run a job; where Hydra itself cannot write what it keeps of one, the others go on."""
        from unmask.mistakes import explain

        try:
            (result,) = self.plugin.launch([overrides], number)
        except OSError as error:
            reason = explain(error, Path(self.config.hydra.sweep.dir))
            if reason is None:
                raise
            log.error("%s", reason)
            return self.died(overrides, number, reason)
        return result


@final
class JoblibLauncher(JobProcesses):
    """A pool of processes on this machine."""

    EXTRA = "joblib"

    def plugin_class(self) -> type[Launcher]:
        from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher

        return JoblibLauncher

    def run_jobs(self, job_overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        try:
            return list(self.plugin.launch(job_overrides, first))
        except BrokenExecutor:
            # One dead process takes the pool along, without a word on whose it was. Alone, a job that dies is known,
            # and one that only lacked memory beside the others has it. Jobs that are complete say so and end.
            log.warning("A process was killed or crashed: the other jobs run one at a time.")
        return [self.run_alone(overrides, number) for number, overrides in enumerate(job_overrides, first)]

    def run_alone(self, overrides: Sequence[str], number: int) -> JobReturn:
        """Run a single job."""
        try:
            (result,) = self.plugin.launch([overrides], number)
        except BrokenExecutor:
            return self.died(overrides, number, "its process was killed or crashed; most often memory runs out")
        return result
