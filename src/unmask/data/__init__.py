"""Pictures on disk become batches of `Faces`: pairing by id, splits by id, decoding, batching."""

from __future__ import annotations

from unmask.data.batches import Batches, batches
from unmask.data.dataset import PairedDataset, load_dataset
from unmask.data.pairing import Pair, find_pairs
from unmask.data.report import PairingReport
from unmask.data.splits import split_of

__all__ = [
    "Batches",
    "Pair",
    "PairedDataset",
    "PairingReport",
    "batches",
    "find_pairs",
    "load_dataset",
    "split_of",
]
