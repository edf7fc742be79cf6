"""What a photo is unmasked with: the configuration of a run, by the name of a method."""

from __future__ import annotations

from functools import cache
from threading import Lock

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException

from unmask.building import typed
from unmask.config import RunConfig, register
from unmask.config_dir import config_dir
from unmask.errors import UnmaskError
from unmask.shell import check_overrides
from unmask.sweep.naming import register_resolvers

RECIPES: dict[str, tuple[str, ...]] = {
    "feed_forward": ("experiment=feed_forward", "method.render_full=true"),
    "stylegan_proj": ("method=stylegan_proj", "method.render_full=true"),
    "tuned": ("experiment=tuned", "method.render_full=true"),
    "pix2pix": ("method=pix2pix", "method.checkpoint=pretrained"),
}
"""Overrides of `python -m unmask.run` for each method."""
METHODS = tuple(RECIPES)
COMPOSING = Lock()
"""Hydra composes one configuration at a time in a process."""
FRAME = 256
"""Side of the pictures that methods see, in pixels."""


@cache
def settings_of(method: str, answers: int, overrides: tuple[str, ...]) -> RunConfig:
    """The settings of a run with this method and so many answers to each face.

    Args:
        method: a key of `RECIPES`.
        overrides: further ones, as after `python -m unmask.run`; they win.
    Raises:
        UnmaskError: no such method, a method that gives one answer, or an override that cannot be used.
    """
    if method not in RECIPES:
        raise UnmaskError(f"There is no method {method!r} for photos; choose one of {', '.join(METHODS)}.")
    if answers < 1:
        raise UnmaskError(f"{answers} answers cannot be given; ask for 1 or more.")
    if answers > 1 and method == "pix2pix":
        raise UnmaskError("pix2pix gives one answer to a face; for several choose another method.")
    several = (f"method.num_samples={answers}",) if answers > 1 else ()
    check_overrides(list(overrides))
    register()
    register_resolvers()
    # The sample is in the repository alone, and not needed.
    data = ("data=ffhq_cmfd", f"data.resolution={FRAME}")
    try:
        with COMPOSING, initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
            config = compose("run", [*RECIPES[method], *several, *data, *overrides])
    except HydraException as error:
        raise UnmaskError(" ".join(str(error).split())) from error
    settings = typed(config)
    if settings.data.resolution != FRAME:
        raise UnmaskError(f"data.resolution={settings.data.resolution}: photos are unmasked at {FRAME}.")
    return settings
