"""Ranges stand with the fields: whatever number is given is sensible or refused before any work."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from helpers.command import QUICK, Cli, write_pair_tree
from unmask.config import SCHEMAS, RunConfig, register
from unmask.config_dir import config_dir
from unmask.errors import UnmaskError
from unmask.every_option import stated_facts
from unmask.fingerprint import config_hash, differences
from unmask.options import ABSENT, FACTS, Facts, Influence, Settings, option
from unmask.sweep.naming import register_resolvers

HASHES = {
    "experiment=feed_forward": "460d7e244df8",
    "experiment=pretrained/pix2pix": "898e10be3961",
    "experiment=reference/nvlabs_projector": "c5b881056b55",
    "experiment=reference/pti_w_plus": "a94af165c06d",
}
"""With ``data.root=/d``, as version 0.1.0 counted them: runs of that version are found again."""
BAD = (-1, 0, math.nan, math.inf, 1e30, 10**12)


def numeric_fields() -> Iterator[Any]:
    for group, _, schema in (("", "run", RunConfig), *SCHEMAS):
        hints = get_type_hints(schema)
        for each in fields(schema):
            kinds = set(get_args(hints[each.name]) or (hints[each.name],))
            if kinds & {int, float} and bool not in kinds:
                kind = int if int in kinds else float
                yield pytest.param(schema, each, kind, id=f"{group}.{schema.__name__}.{each.name}")


def made(schema: type, **values: Any) -> Any:
    """An object of the schema; what has no default is as MISSING as while Hydra composes."""
    return schema(**values)


@pytest.mark.parametrize(("schema", "each", "kind"), list(numeric_fields()))
def test_every_number_has_a_range_and_is_held_against_it(schema: type, each: Any, kind: type) -> None:
    facts = each.metadata.get(FACTS, Facts())
    assert facts.minimum is not None or facts.above is not None, "how small may it be?"
    assert kind is int or facts.maximum is not None or facts.below is not None, "how large may it be?"
    if each.default is not NO_DEFAULT and each.default is not None:
        assert facts.fault(each.default) is None, "the default is outside its own range"
    for value in BAD:
        if kind is int and not isinstance(value, int):
            continue  # OmegaConf refuses it
        if facts.fault(kind(value)) is None:
            made(schema, **{each.name: kind(value)})
            continue
        with pytest.raises(UnmaskError, match=rf"{each.name}=.*(must be|finite)"):
            made(schema, **{each.name: kind(value)})


@pytest.mark.parametrize("not_a_number", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_refused_everywhere(not_a_number: float) -> None:
    assert Facts().fault(not_a_number) == "is not a finite number"


@dataclass
class Made(Settings, group="made"):
    share: float = option(0.5, above=0, below=1)
    count: int | None = option(None, minimum=2)
    kind: bool | str = option("auto", choices=("auto",))


def test_a_range_in_words() -> None:
    for values, message in (
        ({"share": 1.0}, "made.share=1.0 must be greater than 0 and less than 1."),
        ({"count": 1}, "made.count=1 must be at least 2, or null."),
        ({"kind": "fast"}, "made.kind=fast is not among auto, or true or false."),
    ):
        with pytest.raises(UnmaskError) as caught:
            Made(**values)  # type: ignore[arg-type]
        assert str(caught.value) == message
    Made(share=0.9, count=2, kind=True)


def test_schemas_do_not_contradict_each_other() -> None:
    """A run's config.yaml is read without its schema, so what is stated of a key holds wherever it stands."""
    stated: dict[str, list[Facts]] = {}
    for key, facts in stated_facts():
        stated.setdefault(key, []).append(facts)
    for key, several in stated.items():
        assert len({repr(facts.before) for facts in several if facts.before is not ABSENT}) <= 1, key
        assert len({facts.path for facts in several if facts.path is not None}) <= 1, key
        assert len({facts.influence for facts in several if facts.influence is not Influence.results}) <= 1, key


def composed(*overrides: str) -> DictConfig:
    register()
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("run", ["data.root=/d", *overrides])


@pytest.mark.parametrize(("override", "expected"), HASHES.items())
def test_fingerprints_are_those_of_earlier_versions(override: str, expected: str) -> None:
    assert config_hash(composed(override, "occlusion.grow=false")) == expected


def test_what_only_the_report_shows_is_no_other_run() -> None:
    one, other = composed(), composed("evaluation.bootstrap_samples=10", "evaluation.grid_rows=2")
    assert config_hash(one) == config_hash(other)
    assert differences(one, other) == []
    assert config_hash(one) == config_hash(composed("data.attributes=people.csv"))
    assert config_hash(one) != config_hash(composed("evaluation.identity=false"))


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (("method=cyclegan", "data.batch_size=0"), "data.batch_size=0 must be"),
        (("method=copy", "evaluation.bootstrap_samples=0"), "evaluation.bootstrap_samples=0 must be"),
        (("-m", "method.lambda_perceptual=0.1,-1"), "method.lambda_perceptual=-1"),
        (("-m", "method=copy,inpaint", "data.num_workers=-1"), "data.num_workers=-1"),
        (("-m", "method=copy", "seed=0,-1"), "seed=-1"),
        (
            ("-m", "hydra/launcher=unmask_local", "hydra.launcher.timeout_min=0", "seed=0,1"),
            "hydra.launcher.timeout_min=0",
        ),
    ],
)
def test_refused_before_any_work(overrides: tuple[str, ...], named: str, unmask_cli: Cli, tmp_path: Path) -> None:
    answer = unmask_cli(*overrides, "data.root=/d", "hydra.run.dir=run", "hydra.sweep.dir=sweep")
    assert (answer.code, answer.err.count("\n")) == (2, 1), answer.err
    assert named in answer.err
    assert not [path for path in tmp_path.glob("*/*") if path.name in ("metrics.json", "summary.csv", "config.yaml")]


def test_a_corrected_report_goes_into_the_same_directory(unmask_cli: Cli, tmp_path: Path) -> None:
    write_pair_tree(tmp_path / "pairs", 2)
    run = ("method=copy", "data.root=pairs", *QUICK, "hydra.run.dir=run", "evaluation.grid_rows=1")
    assert unmask_cli(*run).code == 0
    made_at = (tmp_path / "run" / "composite" / "00000.png").stat().st_mtime_ns
    grid = (tmp_path / "run" / "grid.png").read_bytes()
    assert unmask_cli(*run, "evaluation.grid_rows=2").code == 0
    assert (tmp_path / "run" / "grid.png").read_bytes() != grid
    assert (tmp_path / "run" / "composite" / "00000.png").stat().st_mtime_ns == made_at
    assert OmegaConf.load(tmp_path / "run" / "config.yaml").evaluation.grid_rows == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "accepted",
    [
        ("data.limit=1000000000000",),
        ("data.batch_size=1024",),
        ("occlusion.dilate=0", "occlusion.seam=0", "occlusion.feather=0"),
        ("occlusion.dilate=128", "occlusion.seam=128", "occlusion.feather=128"),
        ("evaluation.bootstrap_samples=1", "evaluation.grid_rows=0", "evaluation.emerge_every=0"),
        ("evaluation.bootstrap_samples=100000", "evaluation.grid_rows=1000"),
        ("seed=9223372036854775807", "data.split_seed=9223372036854775807"),
        ("data.val_fraction=0", "data.test_fraction=1", "data.split=test"),
        ("method=inpaint", "method.radius=128"),
        ("method=inpaint", "method.radius=0.001"),
    ],
    ids=lambda accepted: accepted[-1],
)
def test_what_is_accepted_is_done(accepted: tuple[str, ...], unmask_cli: Cli, tmp_path: Path) -> None:
    """The ends of the ranges, where they are doubtful."""
    write_pair_tree(tmp_path / "pairs", 2)
    answer = unmask_cli("method=copy", "data.root=pairs", *QUICK, *accepted, "hydra.run.dir=run")
    assert answer.code == 0, answer.err
