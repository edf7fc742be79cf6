"""Names of sweep and job directories: readable, short, and the same whenever the same command is given."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from unmask.config_dir import sample_root
from unmask.fingerprint import config_hash

MAX_NAME = 80
"""Characters of a directory's name; most file systems take 255 bytes, and pictures' paths come on top."""


def register_resolvers() -> None:
    """Make ``${unmask.…:}`` known to OmegaConf; called once, by the programs, before composing.

    What is swept and the name of the sweep are cached in the configuration: a job's no longer knows what was
    swept, but Hydra hands it the cache of the multirun's.
    """
    OmegaConf.register_new_resolver("unmask.sample_root", sample_root, replace=True)
    OmegaConf.register_new_resolver("unmask.swept_keys", _swept_keys, replace=True)
    OmegaConf.register_new_resolver("unmask.sweep_name", _sweep_name, replace=True)
    OmegaConf.register_new_resolver("unmask.job_name", _job_name, replace=True)


def swept_keys(config: DictConfig) -> str:
    """The swept keys of a multirun's configuration, comma-separated, in the order of the sweeper."""
    return ",".join(dict.fromkeys(key for key, _ in sweep_overrides(config)))


def remember_swept_keys(config: DictConfig) -> None:
    """Cache them in a multirun's configuration even where its own directory is not named after them."""
    _swept_keys(_root_=config)


def sweep_name(keys: str, config: DictConfig) -> str:
    """``KEYS-HASH``; the hash covers the swept values and everything else that influences the results."""
    asked = {"base": config_hash(config, resolve=False), "swept": sorted(sweep_overrides(config))}
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:8]
    return f"{shorten(keys or 'multirun')}-{digest}"


def job_name(keys: str, overrides: list[str]) -> str:
    """``KEY=VALUE,KEY=VALUE`` of the swept keys, from a job's own overrides."""
    parsed = OverridesParser.create().parse_overrides(overrides)
    values = {override.get_key_element(): override.get_value_element_as_str() for override in parsed}
    return shorten(",".join(f"{key}={values[key]}" for key in keys.split(",") if key in values) or "job")


def shorten(name: str) -> str:
    """`name` as a directory name of at most `MAX_NAME` characters; a hash keeps altered names apart."""
    plain = name.replace("/", "_")
    safe = re.sub(r"[^\w.=,+@-]", "_", plain, flags=re.ASCII)
    if safe == plain and len(safe) <= MAX_NAME:
        return safe
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{safe[: MAX_NAME - 9]}-{digest}"


def sweep_overrides(config: DictConfig) -> list[tuple[str, str]]:
    """(key, its values) of every swept key, from the configuration's own sweep and the command line's."""
    params = OmegaConf.to_container(config.hydra.sweeper.params) if config.hydra.sweeper.get("params") else {}
    assert isinstance(params, dict)
    lines = [f"{key!s}={value}" for key, value in params.items()] + list(config.hydra.overrides.task)
    chosen = {}  # the command line comes last and wins, as in Hydra's sweeper
    for override in OverridesParser.create().parse_overrides(lines):
        chosen[override.get_key_element()] = override
    return [
        (key, ",".join(str(value) for value in override.sweep_string_iterator()))
        for key, override in chosen.items()
        if override.is_discrete_sweep()
    ]


def _swept_keys(*, _root_: DictConfig) -> str:
    return _cached(_root_, "unmask.swept_keys", lambda: swept_keys(_root_))


def _sweep_name(keys: str, *, _root_: DictConfig) -> str:
    return _cached(_root_, "unmask.sweep_name", lambda: sweep_name(keys, _root_))


def _cached(root: DictConfig, name: str, compute: Callable[[], str]) -> str:
    """OmegaConf's own `use_cache` is not for resolvers that look at the whole configuration."""
    cache = OmegaConf.get_cache(root)[name]
    if "value" not in cache:
        cache["value"] = compute()
    return str(cache["value"])


def _job_name(keys: str, *, _root_: DictConfig) -> str:
    return job_name(keys, list(_root_.hydra.overrides.task))
