"""Every configuration file composes into the typed settings; mistakes on the command line are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose
from hydra.errors import ConfigCompositionException, HydraException
from hydra.utils import get_class
from omegaconf import OmegaConf

from unmask.config import RunConfig
from unmask.config_dir import config_dir, sample_root
from unmask.fingerprint import config_hash
from unmask.kinds import PixelLoss
from unmask.methods.base import Method
from unmask.run import typed, with_absolute_paths

OPTIONS = sorted(
    path.relative_to(config_dir()).with_suffix("")
    for path in config_dir().rglob("*.yaml")
    if path.parent != config_dir() and "hydra" not in path.relative_to(config_dir()).parts
)


pytestmark = pytest.mark.usefixtures("hydra_ready")


def settings(*overrides: str) -> RunConfig:
    return typed(compose("run", list(overrides)))


def test_every_option_is_seen() -> None:
    assert {option.parts[0] for option in OPTIONS} == {
        "method", "generator", "data", "occlusion", "evaluation", "experiment", "training",
    }  # fmt: skip


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_every_option_composes_into_settings(option: Path) -> None:
    name = option.relative_to(option.parts[0]).as_posix()
    composed = settings(f"{option.parts[0]}={name}")
    if option.parts[0] == "method":
        assert composed.method.name == name
        assert issubclass(get_class(composed.method._target_), Method)
    if option.parts[0] == "experiment":
        assert composed.experiment == name


def test_the_study_is_random_start_and_w_plus_at_once() -> None:
    for name in ("stylegan_bce", "stylegan_mse", "stylegan_masked_mse"):
        method = settings(f"experiment=study/{name}").method
        assert method.init.name == "random"  # type: ignore[attr-defined]
        assert method.w_steps == 0  # type: ignore[attr-defined]
    bce = settings("experiment=study/stylegan_bce").method
    assert (bce.pixel_loss, bce.lambda_perceptual) == (PixelLoss.bce, 0.0)  # type: ignore[attr-defined]
    masked = settings("experiment=study/stylegan_masked_mse").method
    assert masked.use_occlusion  # type: ignore[attr-defined]
    assert not settings("experiment=study/stylegan_mse").method.use_occlusion  # type: ignore[attr-defined]


def test_the_command_line_wins_over_an_experiment() -> None:
    composed = settings("experiment=study/stylegan_masked_mse", "method.lambda_perceptual=1.6")
    assert composed.method.lambda_perceptual == 1.6  # type: ignore[attr-defined]


def test_the_sample_is_found_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = Path(settings("data=sample").data.root)
    assert root == Path(sample_root())
    assert root.is_absolute()
    assert root.parents[1] == Path(__file__).resolve().parents[1]


def test_paths_mean_the_same_files_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    url = "https://example.org/ffhq.pkl"
    found = with_absolute_paths(
        compose("run", ["generator=stylegan2", "generator.checkpoint=a.pkl", "data.root=b"]), tmp_path
    )
    assert (found.generator.checkpoint, found.data.root) == (str(tmp_path / "a.pkl"), str(tmp_path / "b"))
    found = with_absolute_paths(compose("run", ["generator=stylegan2", f"generator.checkpoint={url}"]), tmp_path)
    assert found.generator.checkpoint == url
    found = with_absolute_paths(compose("run", ["method=pix2pix", "method.checkpoint=pretrained"]), tmp_path)
    assert found.method.checkpoint == "pretrained"
    found = with_absolute_paths(compose("run", ["method=pix2pix", "method.checkpoint=runs/one"]), tmp_path)
    assert found.method.checkpoint == str(tmp_path / "runs" / "one")


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("method.stepz=3", "stepz"),
        ("method.steps=abc", "abc"),
        ("method.init=middle", "middle"),
        ("data.limit=3.5", "3.5"),
        ("evaluation.identity=maybe", "maybe"),
        ("nonsense=1", "nonsense"),
        ("method=nosuch", "nosuch"),
    ],
)
def test_a_mistake_fails_at_compose_time_and_is_named(override: str, named: str) -> None:
    with pytest.raises((ConfigCompositionException, HydraException)) as caught:
        compose("run", [override])
    assert named in f"{caught.value} {caught.value.__cause__}"


def test_two_runs_in_one_second_have_two_directories() -> None:
    names = {compose("run", ["method=copy"], return_hydra_config=True).hydra.run.dir for _ in range(4)}
    assert len(names) == 4
    assert all(name.startswith("outputs/copy_2") for name in names)


def test_a_projection_of_a_version_without_samples_asks_for_the_same_results() -> None:
    config = compose("run", ["experiment=study/stylegan_masked_mse"])
    older = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
    assert isinstance(older, dict)
    for key in ("num_samples", "sample_spread", "lambda_identity", "perceptual_window"):
        del older["method"][key]
    assert config_hash(OmegaConf.create(older)) == config_hash(config)
    changed = ["experiment=study/stylegan_masked_mse", "method.num_samples=2"]
    assert config_hash(compose("run", changed)) != config_hash(config)
