"""Number formats to compute in."""

from __future__ import annotations

import torch

from unmask.errors import UnmaskError

PRECISIONS = ("32-true", "bf16-mixed", "64-true")
"""Names of Lightning; bf16-mixed: convolutions and products in bf16, weights and losses in fp32."""


def resolve_precision(name: str, device: torch.device, key: str, choices: tuple[str, ...] = PRECISIONS) -> str:
    """`name` with auto replaced: bf16-mixed where the hardware multiplies in bf16, else 32-true.

    Raises:
        UnmaskError: not among the `choices`; the message names the setting `key`.
    """
    if name == "auto":
        return "bf16-mixed" if computes_in_bf16(device) else "32-true"
    if name not in choices:
        raise UnmaskError(f"{key}={name}: choose auto, {', '.join(choices)}.")
    return name


def computes_in_bf16(device: torch.device) -> bool:
    """Whether bf16 is faster than fp32 there, as opposed to merely possible."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False
