"""Pictures on disk become batches: pairing by id, splits by id, decoding, drawing face masks, augmenting.

For evaluation they are `Faces`, for training `TrainingBatch`.
"""

from __future__ import annotations

from unmask.data.attributes import Attributes, Group, Numbers, Texts, attributes_of, groups, read_attributes
from unmask.data.augment import Augmentation
from unmask.data.batches import Batches, batches, originals
from unmask.data.dataset import FacesDataset, PairedDataset, load_dataset
from unmask.data.loader import epoch_length, training_batches
from unmask.data.of_run import dataset_of
from unmask.data.order import steps_per_epoch
from unmask.data.pairing import Pair, find_pairs
from unmask.data.report import DrawingReport, PairingReport, Report
from unmask.data.source import FaceSource
from unmask.data.splits import split_of
from unmask.data.training import training_source, validation_dataset

__all__ = [
    "Attributes",
    "Augmentation",
    "Batches",
    "DrawingReport",
    "FaceSource",
    "FacesDataset",
    "Group",
    "Numbers",
    "Pair",
    "PairedDataset",
    "PairingReport",
    "Report",
    "Texts",
    "attributes_of",
    "batches",
    "dataset_of",
    "epoch_length",
    "find_pairs",
    "groups",
    "load_dataset",
    "originals",
    "read_attributes",
    "split_of",
    "steps_per_epoch",
    "training_batches",
    "training_source",
    "validation_dataset",
]
