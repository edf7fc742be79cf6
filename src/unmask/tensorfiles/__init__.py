"""Files of tensors, read without running, trusting or repeating anything they hold."""

from unmask.tensorfiles.budget import Damaged, Refusal
from unmask.tensorfiles.pickle_machine import shown
from unmask.tensorfiles.plain import is_safetensors, parsed, read_safetensors
from unmask.tensorfiles.torch_file import is_torch_file, read_torch_file
from unmask.tensorfiles.weights import checked_weights, is_state, unwrapped

__all__ = [
    "UNREADABLE",
    "Damaged",
    "Refusal",
    "checked_weights",
    "is_safetensors",
    "is_state",
    "is_torch_file",
    "parsed",
    "read_safetensors",
    "read_torch_file",
    "shown",
    "unwrapped",
]

UNREADABLE = (OSError, Refusal, Damaged)
"""What the readers raise about a file; whoever called them knows what it was to be, and says so."""
