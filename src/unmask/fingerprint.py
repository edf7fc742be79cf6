"""A hash of everything in a configuration that influences the results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from unmask.every_option import option_facts
from unmask.options import ABSENT, Facts, Influence

LABELS = ("hydra", "experiment")
"""Where the outputs go, and a label."""


def config_hash(config: DictConfig, *, resolve: bool = True) -> str:
    """Twelve hexadecimal digits, the same for two configurations exactly when they ask for the same results.

    Args:
        config: a composed configuration, or one read back from a run's config.yaml.
        resolve: replace interpolations by their values first.
    """
    text = json.dumps(influential(config, resolve=resolve), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def differences(one: DictConfig, other: DictConfig) -> list[str]:
    """The keys with influence whose values differ, as ``key: one -> other``."""
    before, after = influential(one), influential(other)
    keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return [f"{key}: {before.get(key)} -> {after.get(key)}" for key in keys]


def influential(config: DictConfig, *, resolve: bool = True) -> dict[str, Any]:
    """Dotted keys and plain values of everything that influences the results."""
    flat = _plain(config, resolve)
    learns = flat.get("method.checkpoint", "") is None  # methods that never learn have no such key
    counted = (Influence.results, Influence.processes) if learns else (Influence.results,)
    known = option_facts()
    found = {}
    for key, value in flat.items():
        facts = known.get(key, Facts())
        if _is_label(key) or (facts.before is not ABSENT and value == facts.before):
            continue
        if facts.counted_as is not ABSENT:
            found[key] = facts.counted_as
        elif facts.influence in counted:
            found[key] = value
    return found


def reporting(config: DictConfig) -> dict[str, Any]:
    """Dotted keys and plain values of what decides only how finished pictures are summed up and shown."""
    known = option_facts()
    flat = _plain(config, resolve=True)
    return {key: value for key, value in flat.items() if known.get(key, Facts()).influence is Influence.report}


def _plain(config: DictConfig, resolve: bool) -> dict[str, Any]:
    return dict(_flatten(OmegaConf.to_container(config, resolve=resolve, enum_to_str=True)))


def _is_label(key: str) -> bool:
    return key.split(".")[0] in LABELS


def _flatten(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from _flatten(value, f"{prefix}{key}.")
    else:
        yield prefix.rstrip("."), tree
