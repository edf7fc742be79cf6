"""The training loop: exact resumption, averages, best and last, divergence, Ctrl-C; with the real methods, tiny."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from unmask.config import CycleGANConfig, Pix2PixConfig, TrainingConfig
from unmask.errors import UnmaskError
from unmask.faces import Pairing, TrainingBatch
from unmask.methods.cyclegan import CycleGAN
from unmask.methods.pix2pix import Pix2Pix
from unmask.methods.trained import TrainedMethod
from unmask.processes import launch_fabric
from unmask.runlog import NullRunLog
from unmask.training import Emergence, Onlookers, TrainingPlace, TrainingPlan, TrainingReport, fit
from unmask.training.schedule import TrainingSchedule

SIZE = 64
STEPS = 9
CONFIG = TrainingConfig(
    precision="32-true", max_steps=STEPS, epochs=2, decay_epochs=2, checkpoint_every=4, log_every=2, validate_every=3
)
METHODS: dict[str, Callable[[], TrainedMethod]] = {
    # dropout draws random numbers in every step
    "pix2pix": lambda: Pix2Pix(Pix2PixConfig(name="pix2pix", ngf=2, ndf=2, depth=6, dropout=True)),
    # a pool that is full after two steps, so that resuming without it would show
    "cyclegan": lambda: CycleGAN(CycleGANConfig(name="cyclegan", ngf=2, ndf=2, blocks=1, pool_size=2)),
}


class Killed(Exception):
    """As if the process ended here."""


def batch_at(step: int, pairing: Pairing, size: int = 1) -> TrainingBatch:
    generator = torch.Generator().manual_seed(step)
    masked, clean = (torch.rand(size, 3, SIZE, SIZE, generator=generator) * 2 - 1 for _ in range(2))
    hole = torch.zeros(size, 1, SIZE, SIZE)
    hole[..., SIZE // 2 :, :] = 1
    ids = tuple(f"{step}-{index}" for index in range(size))
    others = ids if pairing is Pairing.paired else tuple(f"other {id}" for id in ids)
    return TrainingBatch(ids, others, masked, hole, clean)


def stream(pairing: Pairing, killed_at: int | None = None) -> Callable[[int], Generator[TrainingBatch, None, None]]:
    def batches(start: int) -> Generator[TrainingBatch, None, None]:
        step = start
        while True:
            if step == killed_at:
                raise Killed
            yield batch_at(step, pairing)
            step += 1

    return batches


def train(method: TrainedMethod, folder: Path, config: TrainingConfig = CONFIG, **changes: Any) -> TrainingReport:
    def changed(made: Any) -> Any:
        """With those of the changes that are its fields."""
        return replace(made, **{each.name: changes.pop(each.name) for each in fields(made) if each.name in changes})

    batches = changes.pop("batches", stream(method.pairing))
    fabric = launch_fabric(1, 1, torch.device("cpu"), config.precision)
    report = fit(
        method,
        batches,
        changed(TrainingPlan(TrainingSchedule(config, steps_per_epoch=3), "tiny", seed=5, facts={})),
        changed(TrainingPlace(fabric, folder, NullRunLog(), progress=False)),
        changed(Onlookers(None, Emergence(lambda taken, total: False, lambda taken: None))),
    )
    assert not changes
    return report


def same(one: Any, other: Any) -> bool:
    """To the bit, whatever is nested in what."""
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def state_of(folder: Path) -> dict[str, Any]:
    content = torch.load(folder / "checkpoints" / "training.pt", weights_only=True)
    content["progress"].pop("seconds")
    return content


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kills", [(1,), (4,), (7,), (2, 6, 8)], ids=str)
def test_killed_at_any_step_it_ends_with_the_same_bits(name: str, kills: tuple[int, ...], tmp_path: Path) -> None:
    config = replace(CONFIG, ema_decay=0.5)
    train(METHODS[name](), tmp_path / "whole", config)
    for step in kills:
        method = METHODS[name]()
        with pytest.raises(Killed):
            train(method, tmp_path / "killed", config, batches=stream(method.pairing, step))
        torch.rand(step)  # a new process would have another state of the global generator
    report = train(METHODS[name](), tmp_path / "killed", config)
    assert report.steps == STEPS
    assert same(state_of(tmp_path / "killed"), state_of(tmp_path / "whole"))
    for kind in ("best", "last"):
        file = Path("checkpoints") / f"{kind}.safetensors"
        assert (tmp_path / "killed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_the_random_numbers_matter(tmp_path: Path) -> None:
    """Else the test above would prove nothing of dropout."""
    train(METHODS["pix2pix"](), tmp_path / "one")
    train(METHODS["pix2pix"](), tmp_path / "other", seed=6)
    assert not same(state_of(tmp_path / "one"), state_of(tmp_path / "other"))


def test_validation_and_pictures_on_the_way_leave_no_trace(tmp_path: Path) -> None:
    def noisy(step: int) -> float:
        torch.rand(step)
        return float(step)

    def show(taken: int) -> None:
        shown.append(taken)
        assert not method.training

    shown: list[int] = []
    method = METHODS["pix2pix"]()
    config = replace(CONFIG, ema_decay=0.5)
    train(METHODS["pix2pix"](), tmp_path / "without", config)
    emergence = Emergence(lambda taken, total: taken % 4 == 0, show)
    train(method, tmp_path / "with", config, validate=noisy, emergence=emergence)
    assert shown == list(range(0, STEPS + 1, 4))
    one, other = state_of(tmp_path / "without"), state_of(tmp_path / "with")
    assert (one.pop("progress")["step"], other.pop("progress")["step"]) == (STEPS, STEPS)
    assert same(one, other)


def test_the_best_is_kept_beside_the_last(tmp_path: Path) -> None:
    scores = {3: 0.2, 6: 0.9, 9: 0.4}
    method = METHODS["pix2pix"]()
    weights: dict[int, Tensor] = {}

    def validate(step: int) -> float:
        assert not method.training
        weights[step] = next(method.generator.parameters()).detach().clone()
        return scores[step]

    report = train(method, tmp_path, validate=validate)
    assert (report.best_step, report.best_score) == (6, 0.9)
    first = next(name for name, _ in method.generator.named_parameters())
    assert torch.equal(load_file(tmp_path / "checkpoints" / "best.safetensors")[first], weights[6])
    assert torch.equal(load_file(tmp_path / "checkpoints" / "last.safetensors")[first], weights[9])
    # The best is remembered over a restart that has nothing left to do.
    again = train(METHODS["pix2pix"](), tmp_path, validate=validate)
    assert (again.steps, again.best_step, again.pictures_per_second) == (STEPS, 6, None)


def test_the_average_is_kept_and_its_network_goes_on_untouched(tmp_path: Path) -> None:
    method, seen = METHODS["cyclegan"](), []

    class Spy(NullRunLog):
        def scalar(self, tag: str, value: float, step: int) -> None:
            if tag == "training/learning_rate":
                seen.append(next(method.generator.parameters()).detach().clone())

    config = replace(CONFIG, checkpoint_every=1, log_every=1, max_steps=3)
    train(method, tmp_path / "averaged", replace(config, ema_decay=0.2), run_log=Spy())
    expected = seen[0]  # torch's averages start from the weights after the first step
    for decay, weights in zip((2 / 11, 0.2), seen[1:], strict=True):  # (1 + n) / (10 + n), but at most 0.2
        expected = decay * expected + (1 - decay) * weights
    name = next(name for name, _ in method.generator.named_parameters())
    kept = load_file(tmp_path / "averaged" / "checkpoints" / "last.safetensors")[name]
    torch.testing.assert_close(kept, expected)
    assert not torch.equal(kept, seen[-1])
    train(METHODS["cyclegan"](), tmp_path / "plain", config)
    assert torch.equal(load_file(tmp_path / "plain" / "checkpoints" / "last.safetensors")[name], seen[-1])


def test_clipping_bounds_every_networks_gradient(tmp_path: Path) -> None:
    method = METHODS["cyclegan"]()
    train(method, tmp_path, replace(CONFIG, max_steps=1, clip_gradients=1e-3))
    for network in (method.generator, method.networks()["discriminators"][0]):
        norm = torch.linalg.vector_norm(torch.cat([p.grad.flatten() for p in network.parameters()]))  # type: ignore[union-attr]
        assert float(norm) == pytest.approx(1e-3, rel=1e-3)


def test_a_diverged_training_keeps_its_last_good_state(tmp_path: Path) -> None:
    method = METHODS["pix2pix"]()

    def batches(start: int) -> Generator[TrainingBatch, None, None]:
        for step in range(start, 99):
            batch = batch_at(step, method.pairing)
            yield batch if step < 5 else replace(batch, clean=batch.clean * float("nan"))

    with pytest.raises(UnmaskError, match=r"diverged.*training\.lr"):
        train(method, tmp_path, batches=batches)
    assert state_of(tmp_path)["progress"]["step"] == 4
    tensors = load_file(tmp_path / "checkpoints" / "last.safetensors").values()
    assert all(bool(tensor.isfinite().all()) for tensor in tensors)


def test_ctrl_c_finishes_the_step_and_keeps_it(tmp_path: Path) -> None:
    method = METHODS["pix2pix"]()

    def batches(start: int) -> Generator[TrainingBatch, None, None]:
        for step in range(start, 99):
            if step == 2:
                os.kill(os.getpid(), signal.SIGINT)
            yield batch_at(step, method.pairing)

    with pytest.raises(KeyboardInterrupt):
        train(method, tmp_path / "stopped", batches=batches)
    assert state_of(tmp_path / "stopped")["progress"]["step"] == 3
    train(METHODS["pix2pix"](), tmp_path / "stopped")
    train(METHODS["pix2pix"](), tmp_path / "whole")
    assert same(state_of(tmp_path / "stopped"), state_of(tmp_path / "whole"))


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "training.pt").write_bytes(b"half a fi")
    with pytest.raises(UnmaskError, match=r"training\.pt.*Remove it"):
        train(METHODS["pix2pix"](), tmp_path)


def test_precisions(tmp_path: Path) -> None:
    for precision in ("bf16-mixed", "64-true"):
        method = METHODS["cyclegan"]()
        train(method, tmp_path / precision, replace(CONFIG, precision=precision, max_steps=2))
        wanted = torch.float64 if precision == "64-true" else torch.float32
        assert {parameter.dtype for parameter in method.parameters()} == {wanted}
    with pytest.raises(UnmaskError, match=r"training\.precision=half"):
        launch_fabric(1, 1, torch.device("cpu"), "half")
