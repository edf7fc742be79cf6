"""The processes of a run: one, or several that share the work, started through Lightning Fabric.

Both halves of a run use them. A training computes every step together, on the Fabric that `Processes.fabric` gives; an
evaluation needs nobody else for a picture, so each process takes its share, and they meet once, at the end. Their
pictures take unlike times, so for an evaluation there is no collective in which a slow or dead process would make the
others wait: they leave plain JSON in a key-value store that lives in the first process.

An exception in one process ends all of them (`Processes.stop_if_another_failed`), and the first one tells it: whoever
watches exit codes, Fabric's launcher or torchrun, kills the rest when one is not 0, even while the first still writes.
"""

from __future__ import annotations

import json
import logging
import os
import time
import traceback
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, final

import torch

from unmask.errors import UnmaskError
from unmask.precision import resolve_precision

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch.distributed import Store

Item = TypeVar("Item")

PATIENCE_S = 30.0
"""How long a process whose work has failed waits for the others to take notice, in seconds."""
LOOK_S = 1.0
"""At most this often a process asks whether another has failed, in seconds."""
POLL_S = 0.02


class Processes(ABC):
    """This process among those of the run; a context manager around all they do together.

    Attributes:
        rank: 0 is the first, which alone writes what there is one of, and talks to the user.
        count: of processes.
        device: this process's own.
    """

    def __init__(self, rank: int, count: int, device: torch.device) -> None:
        self.rank = rank
        self.count = count
        self.device = device

    @property
    def first(self) -> bool:
        """Whether this process is the first."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> tuple[Item, ...]:
        """This process's part of `items`: every `count`-th, so that the parts differ by one at most."""
        return tuple(items[self.rank :: self.count])

    @abstractmethod
    def fabric(self) -> Fabric:
        """For computing together, with the precision that was named at the start."""

    @abstractmethod
    def broadcast(self, value: Any) -> Any:
        """The first process's `value`, something that JSON can hold, in all of them."""

    @abstractmethod
    def gather(self, value: Any, meanwhile: Callable[[], None] = lambda: None) -> list[Any]:
        """Every process's `value`, something that JSON can hold, by rank, at the first process; [] at the others.

        Args:
            meanwhile: called again and again while the first waits.
        """

    @property
    @abstractmethod
    def done(self) -> int:
        """How far all processes together have advanced, a second ago or so."""

    @abstractmethod
    def advance(self, by: int) -> None:
        """Count what this process has done."""

    @abstractmethod
    def stop_if_another_failed(self) -> None:
        """Call it often: it raises the exception that another process ended with (a fault as a RuntimeError)."""

    @abstractmethod
    def stop_others(self, error: BaseException) -> None:
        """Called by the first process when its part ends with `error`: the others stop too, and it waits for that,
        but not for ever. They have written what they had finished by then."""

    def __enter__(self) -> Processes:
        return self

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Without an exception the first process leaves first: everything is written then. An exception ends the
        others; only the first process lets it pass, they hand theirs to it, and let it pass only if it does not answer.
        """


@final
class SingleProcess(Processes):
    """A single process; nothing is started, and nothing imported."""

    def __init__(self, device: torch.device, precision: str = "32-true") -> None:
        super().__init__(0, 1, device)
        self._precision = precision
        self._done = 0

    def fabric(self) -> Fabric:
        return launch_fabric(1, 1, self.device, self._precision)

    def broadcast(self, value: Any) -> Any:
        return value

    def gather(self, value: Any, meanwhile: Callable[[], None] = lambda: None) -> list[Any]:
        return [value]

    @property
    def done(self) -> int:
        return self._done

    def advance(self, by: int) -> None:
        self._done += by

    def stop_if_another_failed(self) -> None:
        pass

    def stop_others(self, error: BaseException) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        return False


@final
class SeveralProcesses(Processes):
    """Several processes, each with a device of its own."""

    def __init__(self, fabric: Fabric) -> None:
        """`fabric`: launched; all processes must come here."""
        super().__init__(fabric.global_rank, fabric.world_size, fabric.device)
        self._fabric = fabric
        self._store = _common_store(fabric)
        self._meetings = 0
        self._done = 0
        self._looked = 0.0

    def fabric(self) -> Fabric:
        return self._fabric

    def broadcast(self, value: Any) -> Any:
        key = self._next_key()
        if self.first:
            self._store.set(key, json.dumps(value))
            return value
        self._wait_for([key])
        return json.loads(self._store.get(key))

    def gather(self, value: Any, meanwhile: Callable[[], None] = lambda: None) -> list[Any]:
        key = self._next_key()
        self._store.set(f"{key}/{self.rank}", json.dumps(value))
        if not self.first:
            return []
        keys = [f"{key}/{rank}" for rank in range(self.count)]
        self._wait_for(keys, meanwhile)
        return [json.loads(self._store.get(key)) for key in keys]

    @property
    def done(self) -> int:
        return self._done

    def advance(self, by: int) -> None:
        self._done = self._store.add("done", by)

    def stop_if_another_failed(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        try:
            self._done = self._store.add("done", 0)
            failure = self._store.get("failure") if self._store.check(["failure"]) else None
        except RuntimeError as error:  # torch's DistError among them
            raise UnmaskError("The first process has ended, so this one ends too.") from error
        if failure is not None:
            raise _exception_of(failure)

    def stop_others(self, error: BaseException) -> None:
        self._store.compare_set("failure", "", _description_of(error, self.rank))
        self._store.set("heard", "yes")
        self._wait_patiently([f"left/{rank}" for rank in range(1, self.count)])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self.first:
            if error is not None:
                self.stop_others(error)
            self._store.set("left/0", "yes")
            return False
        try:
            if error is not None:
                self._store.compare_set("failure", "", _description_of(error, self.rank))
            self._store.set(f"left/{self.rank}", "yes")
            if error is not None:
                return self._wait_patiently(["heard"])
            while not self._store.check(["left/0"]):  # it still writes what all of them have found
                time.sleep(POLL_S)
        except RuntimeError:
            pass  # the store, and the first process with it, has gone
        return False

    def _next_key(self) -> str:
        """The same in all processes, as they meet in the same order."""
        self._meetings += 1
        return f"meeting/{self._meetings}"

    def _wait_for(self, keys: list[str], meanwhile: Callable[[], None] = lambda: None) -> None:
        """Not in the store's own `wait`, which lets nobody see Ctrl-C."""
        while not self._store.check(keys):
            self.stop_if_another_failed()
            meanwhile()
            time.sleep(POLL_S)

    def _wait_patiently(self, keys: list[str]) -> bool:
        """Whether all keys appeared in time."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._store.check(keys):
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True


def start_processes(
    devices: int, num_nodes: int, device: torch.device, run_dir: Path, *, precision: str = "32-true"
) -> Processes:
    """`devices` processes on each of `num_nodes` machines: all of them come back from here, each for itself.

    On one machine Fabric starts the others by the same command. torchrun and srun have started them already, in one
    and the same `run_dir` on a disk that all machines share.

    Args:
        precision: of trainings, as in `training.precision`.
    Raises:
        UnmaskError: devices that do not exist or do not fit how the processes were started, or processes with
            directories of their own.
    """
    if devices < 1 or num_nodes < 1:
        raise UnmaskError(f"devices={devices} num_nodes={num_nodes}: both must be at least 1.")
    asked = f"devices={devices} num_nodes={num_nodes}"
    by_torchrun = torch.distributed.is_available() and torch.distributed.is_torchelastic_launched()
    if devices * num_nodes == 1:
        started = int(os.environ["WORLD_SIZE"]) if by_torchrun else 1
        if started > 1:
            raise UnmaskError(
                f"torchrun started {started} processes, but the run is to have one ({asked}). Set devices to "
                "--nproc_per_node and num_nodes to --nnodes."
            )
        return SingleProcess(device, precision)
    if device.index is not None:
        raise UnmaskError(
            f"device={device} is a single device, but the run is to have several processes ({asked}), each on a device "
            f"of its own. Use device={device.type}; CUDA_VISIBLE_DEVICES chooses among GPUs."
        )
    if not by_torchrun and _in_multirun():
        raise UnmaskError(
            f"{asked}: a job of a multirun cannot start processes of its own. Leave them at 1 (with "
            "hydra/launcher=unmask_slurm or unmask_joblib whole jobs run side by side), or start the multirun by "
            "torchrun."
        )
    fabric = launch_fabric(devices, num_nodes, device, precision)
    if fabric.broadcast(str(run_dir)) != str(run_dir):
        raise UnmaskError(
            f"Started by torchrun, each process would write to a directory of its own ({run_dir}); name one for all: "
            "hydra.run.dir=outputs/NAME."
        )
    return SeveralProcesses(fabric)


def launch_fabric(devices: int, num_nodes: int, device: torch.device, precision: str) -> Fabric:
    """Fabric on `device`, launched.

    Raises:
        UnmaskError: unknown precision, or devices that do not exist.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    many = devices * num_nodes > 1
    # Where Slurm is installed, Lightning advises to start everything with srun, whoever runs what.
    warnings.filterwarnings("ignore", message=".*srun.* command is available on your system")
    # Fabric tells the user about plugins and cluster environments; that is for its own debugging.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    try:
        fabric = Fabric(
            accelerator=device.type,
            devices=devices if device.type != "cuda" or device.index is None else [device.index],
            num_nodes=num_nodes,
            strategy="ddp" if many else "auto",
            precision=resolve_precision(precision, device, "training.precision"),  # type: ignore[arg-type]
        )
        fabric.launch()
    except (ValueError, RuntimeError, TypeError, MisconfigurationException) as error:
        raise UnmaskError(f"devices={devices} num_nodes={num_nodes} on {device.type}: {error}") from error
    return fabric


def _in_multirun() -> bool:
    """Whether this is a job of a multirun: Fabric would start the other processes with the multirun's command."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def _common_store(fabric: Fabric) -> Store:
    """A store of this run alone, served by the first process, so that it ends with it."""
    from torch.distributed import TCPStore

    host = os.environ["MASTER_ADDR"]  # Fabric sets it, whoever started the processes
    served = TCPStore(host, 0, is_master=True, wait_for_workers=False) if fabric.is_global_zero else None
    port = fabric.broadcast(0 if served is None else served.port)
    return served or TCPStore(host, port, is_master=False, wait_for_workers=False)


def _description_of(error: BaseException, rank: int) -> str:
    """As JSON, for the store."""
    if isinstance(error, KeyboardInterrupt):
        return json.dumps({"kind": "interrupt"})
    if isinstance(error, UnmaskError):
        return json.dumps({"kind": "mistake", "text": str(error)})
    text = "".join(traceback.format_exception(error))
    return json.dumps({"kind": "fault", "text": f"in process {rank}:\n{text}"})


def _exception_of(description: bytes) -> BaseException:
    told = json.loads(description)
    if told["kind"] == "interrupt":
        return KeyboardInterrupt()
    return UnmaskError(told["text"]) if told["kind"] == "mistake" else RuntimeError(told["text"])
