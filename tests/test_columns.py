"""The columns of TensorBoard's table: which, in which order, and the same for every method."""

from __future__ import annotations

import pytest
from omegaconf import MISSING, DictConfig, OmegaConf

from unmask.columns import Column, flatten, hparam_columns
from unmask.config import SCHEMAS, RunConfig
from unmask.every_option import option_facts
from unmask.options import Influence

MOST = 20
"""Columns beside those that say what a run is."""


def settings(method: str, **changes: object) -> dict[str, object]:
    schemas = {(group, name): node for group, name, node in SCHEMAS}
    config = OmegaConf.structured(RunConfig)
    config.data = OmegaConf.structured(schemas["data", "data"])
    config.method = OmegaConf.structured(schemas["method", method])
    assert isinstance(config, DictConfig)
    for key, value in changes.items():
        OmegaConf.update(config, key.replace("__", "."), value)
    plain = OmegaConf.to_container(config, enum_to_str=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items() if value != MISSING}


def columns(method: str, *asked: str, steps: int | None = None, **changes: object) -> tuple[Column, ...]:
    return hparam_columns(settings(method, **changes), asked, method=method, steps=steps)


def names(found: tuple[Column, ...]) -> list[str]:
    return [one.name for one in found]


def test_what_a_run_is_comes_first() -> None:
    found = columns(
        "stylegan_proj", "method.lambda_perceptual=0.2", "device=cpu", steps=24, method__lambda_perceptual=0.2
    )
    assert names(found)[:7] == ["1 method", "2 experiment", "3 set", "4 lambda", "5 steps", "6 init", "7 seed"]
    assert [one.value for one in found[:5]] == ["stylegan_proj", None, "lambda=0.2", 0.2, 24]


@pytest.mark.parametrize("method", ["copy", "pix2pix", "cyclegan"])
def test_methods_have_the_same_columns(method: str) -> None:
    """TensorBoard takes the columns of all runs from the first, and sorts only columns of one type."""
    own, other = columns(method), columns("stylegan_proj")
    assert [(one.name, one.kind) for one in own] == [(one.name, one.kind) for one in other]
    assert all(one.value is None or isinstance(one.value, one.kind) for one in (*own, *other))


def test_few_columns_and_only_of_what_influences_results() -> None:
    marked = {key: facts for key, facts in option_facts().items() if facts.column}
    assert 0 < len(marked) <= MOST
    assert all(facts.influence is Influence.results for facts in marked.values())
    found = names(columns("stylegan_proj"))
    assert len(found) == len(set(found)) <= MOST + 6
    more = columns("stylegan_proj", "data.limit=3", data__limit=3)
    assert set(names(more)) == {*found, "4 limit"}, "a run that sets an option fills the column of all runs too"
    assert {one.value for one in more if one.name.endswith("limit")} == {3}


def test_two_options_of_one_name_are_told_apart() -> None:
    assert {"method.lr", "training.lr"} <= set(names(columns("copy")))


def test_what_was_set_is_in_front_whatever_it_is() -> None:
    found = columns("stylegan_proj", "method.perceptual_margin=0.5", "occlusion=difference", "seed=3")
    assert names(found)[3:5] == ["4 perceptual_margin", "5 steps"]
    assert found[2].value == "perceptual_margin=0.5,occlusion=difference,seed=3"
    assert not {"seed", "4 seed"} & set(names(found)), "it has its place"
    assert names(found) == sorted(names(found)), "TensorBoard sorts them so"


def test_nested_settings_are_flat() -> None:
    assert flatten({"a": {"b": 1, "c": {"d": [1]}}, "e": None}) == {"a.b": 1, "a.c.d": "[1]", "e": None}
