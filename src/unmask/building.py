"""From a composed configuration to the method that it describes."""

from __future__ import annotations

import torch
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from unmask.config import RunConfig
from unmask.errors import UnmaskError
from unmask.files import stamp
from unmask.generators.base import Generator
from unmask.methods.base import Method, MethodContext
from unmask.shared import Shared


def typed(config: DictConfig) -> RunConfig:
    """The configuration as its dataclasses.

    Raises:
        UnmaskError: a value is missing, or an interpolation cannot be resolved.
    """
    try:
        settings = OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, UnmaskError):
            cause = cause.__cause__ or cause.__context__  # OmegaConf wraps what a resolver raises, twice
        raise UnmaskError(str(cause or error)) from error
    assert isinstance(settings, RunConfig)
    return settings


def pick_device(name: str) -> torch.device:
    """The device of that name; auto is the first that there is of cuda, mps, cpu.

    Raises:
        UnmaskError: there is no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UnmaskError(f"device={name}: {reason}. Use device=auto or device=cpu.") from error
    return device


def build_method(
    settings: RunConfig, device: torch.device, batches: int | None = None, shared: Shared | None = None
) -> Method:
    """The configured method, for so many `batches`; it decides itself whether to load the configured generator.

    `shared`: where networks come from and are kept; None: they are loaded for this method alone.

    Raises:
        UnmaskError: there are references, and the method makes no use of any; or what building the method raises.
    """
    if settings.data.references is not None and not settings.method.takes_references:
        raise UnmaskError(
            f"data.references: method={settings.method.name}, as it is set, makes no use of other photographs of the "
            "person; leave them out, or take method=stylegan_proj or experiment=feed_forward or tuned."
        )
    kept = Shared() if shared is None else shared

    def load_generator() -> Generator:
        config, resolution = settings.generator, settings.data.resolution
        generator_class: type[Generator] = get_class(config._target_)
        files = [stamp(value) for value in vars(config).values() if isinstance(value, str)]
        recipe = (repr(config), *files, resolution, device)
        return kept.get("generator", recipe, lambda: generator_class.build(config, resolution).to(device))

    context = MethodContext(device, settings.data.resolution, settings.seed, load_generator, batches, kept)
    method_class: type[Method] = get_class(settings.method._target_)
    return method_class.build(settings.method, context).to(device)
