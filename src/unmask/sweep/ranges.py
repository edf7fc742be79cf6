"""The ranges of a sweep's options, all jobs' at once: what is wrong in the last job is told before the first."""

from __future__ import annotations

import contextlib
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from unmask.options import Settings, check_value, facts_of
from unmask.sweep.naming import sweep_overrides


def check_jobs(config: DictConfig) -> None:
    """Hold the multirun's settings and every swept value against their ranges, the launcher's options too.

    A swept group, such as ``method=copy,inpaint``, brings its own defaults, which are in their ranges. Whatever else
    may be wrong, such as a missing value, is for the job to tell.

    Raises:
        UnmaskError: a value is outside its range.
    """
    _check(config)
    _check(config.hydra.get("launcher"))
    for key, values in sweep_overrides(config):
        group, _, name = key.rpartition(".")
        kind = _schema(OmegaConf.select(config, group) if group else config)
        if kind is not None and name in facts_of(kind):
            for value in _plain_values(key, values):
                check_value(kind, name, value)


def _check(node: Any) -> None:
    """Hold what `node` holds, and the nodes below it, against the ranges."""
    if not isinstance(node, DictConfig):
        return
    kind = _schema(node)
    for key in node:
        if key == "hydra" or OmegaConf.is_missing(node, key):
            continue
        with contextlib.suppress(OmegaConfBaseException):  # an interpolation that only a job can resolve
            value = node[key]
            if OmegaConf.is_config(value):
                _check(value)
            elif kind is not None and key in facts_of(kind):
                check_value(kind, str(key), value)


def _schema(node: Any) -> type[Settings] | None:
    kind = OmegaConf.get_type(node) if OmegaConf.is_config(node) else None
    return kind if isinstance(kind, type) and issubclass(kind, Settings) else None


def _plain_values(key: str, values: str) -> list[Any]:
    (override,) = OverridesParser.create().parse_overrides([f"{key}={values}"])
    if override.is_discrete_sweep():
        return list(override.sweep_iterator())
    value = override.value()
    return [value.start, value.end] if isinstance(value, IntervalSweep) else [value]
