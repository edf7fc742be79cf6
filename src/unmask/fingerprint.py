"""A hash of everything in a configuration that influences the results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

WITHOUT_INFLUENCE = (
    "hydra",  # where the outputs go
    "experiment",  # a label
    "device",
    "progress",
    "data.num_workers",
    "data.batch_size",  # a picture's result does not depend on its neighbours
    "training.num_workers",
    "training.log_every",
    "training.checkpoint_every",
)
PROCESSES = ("devices", "num_nodes")
"""A picture's result does not depend on who made it, but batch norm and dropout of a training do on its processes."""

ADDED_LATER = {
    "evaluation.expression": False,
    "method.encoder": None,
    "method.lambda_identity": 0.0,
    "method.num_samples": 1,
    "method.perceptual_window": 1.0,
    "method.sample_spread": 1.0,
    "method.tune_steps": 0,
    "method.tune_lr": 3e-5,
    "method.tune_locality": 1.0,
    "method.tune_reach": 0.3,
}
"""Keys that earlier versions lacked, and the value that asks for the results of those versions."""


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
    plain = OmegaConf.to_container(config, resolve=resolve, enum_to_str=True)
    flat = dict(_flatten(plain))
    learns = flat.get("method.checkpoint", "") is None  # methods that never learn have no such key
    ignored = WITHOUT_INFLUENCE if learns else (*WITHOUT_INFLUENCE, *PROCESSES)
    return {
        key: value
        for key, value in flat.items()
        if not any(key == name or key.startswith(f"{name}.") for name in ignored)
        and not (key in ADDED_LATER and value == ADDED_LATER[key])
    }


def _flatten(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from _flatten(value, f"{prefix}{key}.")
    else:
        yield prefix.rstrip("."), tree
