"""Names of the directories of runs, sweeps and jobs: readable, short, and a sweep's the same for the same command."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from unmask.config_dir import sample_root
from unmask.fingerprint import config_hash
from unmask.labels import NAMED, run_label, settings_label, shorten

BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
"""Hydra's own sweeper, which runs every combination."""


def register_resolvers() -> None:
    """Make ``${unmask.…:}`` known to OmegaConf; called once, by the programs, before composing.

    What the command fixes for all jobs and the name of the sweep are cached in the configuration: a job's no longer
    knows what was swept, but Hydra hands it the cache of the multirun's.
    """
    OmegaConf.register_new_resolver("unmask.sample_root", sample_root, replace=True)
    OmegaConf.register_new_resolver("unmask.run_name", _run_name, replace=True)
    OmegaConf.register_new_resolver("unmask.sweep_name", _sweep_name, replace=True)
    OmegaConf.register_new_resolver("unmask.job_name", _job_name, replace=True)


def run_name(config: DictConfig) -> str:
    """``METHOD_KEY=VALUE,KEY=VALUE``: the experiment or method, and what the command sets; see `settings_label`."""
    label = _label(config)
    settings = settings_label(config.hydra.overrides.task)
    return shorten(f"{label}_{settings}" if settings else label)


def sweep_name(config: DictConfig) -> str:
    """``METHOD-HASH``; the hash covers what is swept and everything else that influences the results.

    It is short, so that TensorBoard's list of runs, some 36 characters wide, has room for the job's name behind it.
    """
    asked: dict[str, Any] = {"base": config_hash(config, resolve=False), "swept": sorted(sweep_overrides(config))}
    if not is_grid(config):
        asked["sweeper"] = OmegaConf.to_container(config.hydra.sweeper, resolve=False, enum_to_str=True)
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:6]
    keys = swept_keys(config)
    swept_group = next((group for group in ("method", "experiment") if group in keys), None)
    return f"{_label(config) if swept_group is None else f'{swept_group}s'}-{digest}"


def job_name(fixed: Sequence[str], config: DictConfig) -> str:
    """``KEY=VALUE,KEY=VALUE`` of a job's own settings, after the experiment or method where these are swept."""
    own = own_overrides(fixed, list(config.hydra.overrides.task))
    named = [_label(config)] if any(line.partition("=")[0].lstrip("+") in NAMED for line in own) else []
    return shorten("_".join([*named, *filter(None, [_all_settings(own)])]) or "job")


def own_overrides(fixed: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Those of a job's `overrides` whose keys are not `fixed` for all jobs, whatever sweeper chose them."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return [line for line, one in zip(overrides, parsed, strict=True) if one.get_key_element() not in fixed]


def fixed_keys(config: DictConfig) -> list[str]:
    """The keys that a multirun's command sets alike for all its jobs."""
    parsed = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
    return [one.get_key_element() for one in parsed if not one.is_sweep_override()]


def swept_keys(config: DictConfig) -> list[str]:
    """The keys that a multirun's configuration is known to sweep, in the order of the sweeper."""
    return list(dict.fromkeys(key for key, _ in sweep_overrides(config)))


def remember_fixed(config: DictConfig) -> None:
    """Cache it in a multirun's configuration even where no directory is named after it."""
    _fixed(config)


def is_grid(config: DictConfig) -> bool:
    """Whether a multirun runs every combination of its values; other sweepers choose by what earlier jobs return."""
    return bool(config.hydra.sweeper.get("_target_") == BASIC)


def sweep_overrides(config: DictConfig) -> list[tuple[str, str]]:
    """(key, its values or range) of every swept key, from the sweeper's own configuration and the command line's."""
    sweeper = config.hydra.sweeper
    params = OmegaConf.to_container(sweeper.params) if sweeper.get("params") else {}
    assert isinstance(params, dict)
    lines = [f"{key!s}={value}" for key, value in params.items()] + list(config.hydra.overrides.task)
    chosen = {}  # the command line comes last and wins, as in Hydra's sweeper
    for override in OverridesParser.create().parse_overrides(lines):
        chosen[override.get_key_element()] = override
    return [(key, _swept(override)) for key, override in chosen.items() if override.is_sweep_override()]


def _swept(override: Override) -> str:
    if override.is_discrete_sweep():
        return ",".join(str(value) for value in override.sweep_string_iterator())
    return (override.input_line or "").partition("=")[2]  # an interval


def _all_settings(overrides: Sequence[str]) -> str:
    """`settings_label`, and where it leaves all out that a job has of its own, its overrides as they are."""
    return settings_label(overrides) or ",".join(
        line for line in overrides if line.partition("=")[0].lstrip("+") not in NAMED
    )


def _label(config: DictConfig) -> str:
    return run_label(config.method.name, config.get("experiment"))


def _run_name(*, _root_: DictConfig) -> str:
    return run_name(_root_)


def _sweep_name(*, _root_: DictConfig) -> str:
    return str(_cached(_root_, "unmask.sweep_name", lambda: sweep_name(_root_)))


def _job_name(*, _root_: DictConfig) -> str:
    return job_name(_fixed(_root_), _root_)


def _fixed(config: DictConfig) -> list[str]:
    return list(_cached(config, "unmask.fixed_keys", lambda: fixed_keys(config)))


def _cached(root: DictConfig, name: str, compute: Callable[[], Any]) -> Any:
    """OmegaConf's own `use_cache` is not for resolvers that look at the whole configuration."""
    cache = OmegaConf.get_cache(root)[name]
    if "value" not in cache:
        cache["value"] = compute()
    return cache["value"]
