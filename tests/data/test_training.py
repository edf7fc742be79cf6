from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from helpers.aligned_face import aligned_points
from helpers.trees import write_picture, write_tree
from unmask.config import DataConfig, OcclusionConfig, OcclusionSource, Split, TrainingConfig
from unmask.data import (
    Augmentation,
    FaceSource,
    batches,
    epoch_length,
    load_dataset,
    split_of,
    steps_per_epoch,
    training_batches,
    training_source,
    validation_dataset,
)
from unmask.data.landmarks import locate_faces
from unmask.errors import UnmaskError
from unmask.faces import Pairing, TrainingBatch

PAINTED = OcclusionConfig(source=OcclusionSource.painted)
IDS = [f"{index:05d}" for index in range(14)]
CROP = 32
TRAINING = TrainingConfig(crop=CROP)
ALL_TRAIN = {"val_fraction": 0.0, "test_fraction": 0.0}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("tree"), IDS)


@pytest.fixture
def pairs(tree: Path) -> FaceSource:
    """All pairs, none held back."""
    return training_source(DataConfig(root=str(tree), **ALL_TRAIN), PAINTED, TRAINING, exclude=frozenset())


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FaceSource:
    """Clean pictures of any name whose landmarks are known already."""
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path / "cache"))
    files = {f"person {index}": tmp_path / "faces" / f"person {index}.png" for index in range(6)}
    for index, path in enumerate(files.values()):
        write_picture(path, 64, seed=index)
    locate_faces(tmp_path / "faces", files, progress=False, find=lambda picture: aligned_points())
    training = TrainingConfig(root=str(tmp_path / "faces"), resize=96, crop=64)
    return training_source(DataConfig(root="none", **ALL_TRAIN), PAINTED, training, exclude=frozenset())


def take(count: int, source: FaceSource, **options: object) -> list[TrainingBatch]:
    """The first batches; `options` replace those of `training_batches`."""
    usual = {
        "pairing": Pairing.paired,
        "augmentation": Augmentation.of(TRAINING, CROP),
        "batch_size": 4,
        "seed": 3,
    }
    stream = training_batches(source, **{**usual, **options})  # type: ignore[arg-type]
    try:
        return list(itertools.islice(stream, count))
    finally:
        stream.close()


def same(some: list[TrainingBatch], others: list[TrainingBatch]) -> bool:
    """Whether ids and pictures are equal to the bit."""
    return len(some) == len(others) and all(
        (a.masked_ids, a.clean_ids) == (b.masked_ids, b.clean_ids)
        and torch.equal(a.masked, b.masked)
        and torch.equal(a.hole, b.hole)
        and torch.equal(a.clean, b.clean)
        for a, b in zip(some, others, strict=True)
    )


def masked_ids(found: list[TrainingBatch]) -> list[str]:
    return [id for batch in found for id in batch.masked_ids]


def test_paired_batches_show_one_face_with_and_without_its_mask(pairs: FaceSource) -> None:
    for batch in take(4, pairs):
        assert batch.masked_ids == batch.clean_ids
        assert batch.masked.shape == batch.clean.shape == (4, 3, CROP, CROP)
        assert batch.hole.shape == (4, 1, CROP, CROP)
        assert set(batch.hole.unique().tolist()) == {0.0, 1.0}
        change = (batch.masked - batch.clean).abs().mean(1, keepdim=True)
        # JPEG's change of the visible part
        assert (change * (1 - batch.hole)).sum() / (1 - batch.hole).sum() < 0.05
        assert (change * batch.hole).sum() / batch.hole.sum() > 0.2


def test_every_epoch_is_another_order_of_all_faces(pairs: FaceSource) -> None:
    assert steps_per_epoch(epoch_length(pairs, Pairing.paired), 7) == 2
    first, second = (masked_ids(take(2, pairs, batch_size=7, start_step=start)) for start in (0, 2))
    other = masked_ids(take(2, pairs, batch_size=7, seed=4))
    assert sorted(first) == sorted(second) == sorted(other) == IDS
    assert len({tuple(first), tuple(second), tuple(other), tuple(IDS)}) == 4


def test_a_face_looks_different_in_every_epoch(pairs: FaceSource) -> None:
    found = take(4, pairs, batch_size=14, augmentation=Augmentation(40, 32, flip=True))
    shown = [batch.masked[batch.masked_ids.index(IDS[0])] for batch in found]
    assert any(not torch.equal(shown[0], other) for other in shown[1:])


def test_the_last_batch_is_filled_up_from_the_beginning_of_its_epoch(pairs: FaceSource) -> None:
    assert steps_per_epoch(14, 4) == 4
    epoch = masked_ids(take(4, pairs))
    assert sorted(epoch[:14]) == IDS
    assert epoch[14:] == epoch[:2]
    assert sorted(masked_ids(take(1, pairs, batch_size=28))) == sorted(2 * IDS)


@pytest.mark.parametrize("pairing", Pairing)
@pytest.mark.parametrize("source", ["pairs", "drawn"])
def test_begun_anywhere_it_goes_on_as_if_uninterrupted(
    source: str, pairing: Pairing, request: pytest.FixtureRequest
) -> None:
    faces: FaceSource = request.getfixturevalue(source)
    whole = take(7, faces, pairing=pairing, batch_size=3)
    for start in range(7):
        assert same(take(7 - start, faces, pairing=pairing, batch_size=3, start_step=start), whole[start:])
    assert not same(take(7, faces, pairing=pairing, batch_size=3, seed=4), whole)


@pytest.mark.parametrize("pairing", Pairing)
def test_the_shares_of_all_processes_are_the_batch_of_one(pairs: FaceSource, pairing: Pairing) -> None:
    alone = take(5, pairs, pairing=pairing)
    shares = [take(5, pairs, pairing=pairing, rank=rank, world=2) for rank in range(2)]
    for batch, first, second in zip(alone, *shares, strict=True):
        joined = TrainingBatch(
            first.masked_ids + second.masked_ids,
            first.clean_ids + second.clean_ids,
            torch.cat([first.masked, second.masked]),
            torch.cat([first.hole, second.hole]),
            torch.cat([first.clean, second.clean]),
        )
        assert same([batch], [joined])


@pytest.mark.parametrize("source", ["pairs", "drawn"])
def test_workers_change_nothing_and_end_with_the_stream(source: str, request: pytest.FixtureRequest) -> None:
    faces: FaceSource = request.getfixturevalue(source)
    assert same(take(5, faces, num_workers=2), take(5, faces, num_workers=0))
    assert multiprocessing.active_children() == []


def test_the_training_s_own_random_numbers_are_left_alone(pairs: FaceSource) -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    take(2, pairs, num_workers=1)
    assert torch.equal(torch.get_rng_state(), state)


def test_unpaired_training_never_sees_anybody_on_both_sides(pairs: FaceSource) -> None:
    length = epoch_length(pairs, Pairing.unpaired)
    epochs = [take(length, pairs, pairing=Pairing.unpaired, batch_size=1, start_step=e * length) for e in range(6)]
    with_mask = [masked_ids(epoch) for epoch in epochs]
    without = [[id for batch in epoch for id in batch.clean_ids] for epoch in epochs]
    assert {*itertools.chain(*with_mask)} | {*itertools.chain(*without)} == set(IDS)
    assert not {*itertools.chain(*with_mask)} & {*itertools.chain(*without)}
    assert all(sorted(epoch) == sorted(with_mask[0]) for epoch in with_mask)
    partners = {clean for epoch in epochs for b in epoch if b.masked_ids[0] == with_mask[0][0] for clean in b.clean_ids}
    assert len(partners) > 1
    # another seed divides them no differently
    again = take(6 * length, pairs, pairing=Pairing.unpaired, batch_size=1, seed=11)
    assert set(masked_ids(again)) == set(with_mask[0])


def test_unpaired_training_needs_faces_on_both_sides(tree: Path) -> None:
    data = DataConfig(root=str(tree), **ALL_TRAIN)
    one = training_source(data, PAINTED, replace(TRAINING, limit=1), exclude=frozenset())
    with pytest.raises(UnmaskError, match=r"two halves.*training\.limit"):
        take(1, one, pairing=Pairing.unpaired)
    with pytest.raises(UnmaskError, match="two halves"):
        epoch_length(one, Pairing.unpaired)
    assert take(1, one, batch_size=1)


def test_drawn_masks_lie_on_the_face_and_change_with_the_epoch(drawn: FaceSource) -> None:
    whole = Augmentation(96, 96, flip=False)
    found = take(3, drawn, augmentation=whole, batch_size=6)
    assert all(sorted(batch.masked_ids) == [f"person {index}" for index in range(6)] for batch in found)
    for batch in found:
        assert torch.equal((batch.masked - batch.clean) * (1 - batch.hole), torch.zeros_like(batch.clean))
        assert 0.1 < batch.hole.mean() < 0.35
    holes = [batch.hole[batch.masked_ids.index("person 0")] for batch in found]
    assert not torch.equal(holes[0], holes[1])


def test_the_hole_is_the_occlusion_dilated(drawn: FaceSource) -> None:
    faces = drawn.pair(0, seed=1)
    assert (faces.hole - faces.occlusion).min() == 0
    assert faces.hole.sum() > 1.05 * faces.occlusion.sum()


def test_only_the_train_part_is_learnt_from_and_nothing_that_is_evaluated(tree: Path) -> None:
    data = DataConfig(root=str(tree), val_fraction=0.2, test_fraction=0.3, limit=1, ids=["00003"], split=Split.test)
    parts = {id: split_of(id, seed=0, val_fraction=0.2, test_fraction=0.3) for id in IDS}
    train = [id for id, part in parts.items() if part is Split.train]
    val = [id for id, part in parts.items() if part is Split.val]
    assert len(val) > 1, "the made-up ids must reach all parts"

    def ids(exclude: tuple[str, ...] = (), **options: object) -> list[str]:
        training = replace(TRAINING, **options)  # type: ignore[arg-type]
        return list(training_source(data, PAINTED, training, exclude=frozenset(exclude)).ids)

    assert ids() == train
    assert ids(exclude=(train[0], "unknown")) == train[1:]
    assert ids(limit=2, exclude=(train[0],)) == train[1:3]
    source = training_source(data, PAINTED, TRAINING, exclude=frozenset(train[:3]))
    assert set(masked_ids(take(8, source))) == set(train[3:])
    assert source.report.summary().startswith(f"{len(train) - 3} pictures used of 14")

    held_out = validation_dataset(data, PAINTED, TRAINING, exclude=frozenset(val[:1]))
    assert list(held_out.ids) == val[1:]
    few = validation_dataset(data, PAINTED, replace(TRAINING, validation_pictures=1), exclude=frozenset())
    assert list(few.ids) == val[:1]
    with pytest.raises(UnmaskError, match=r"No face left.*data\.split=test.*training\.root"):
        training_source(data, PAINTED, TRAINING, exclude=frozenset(IDS))


def test_validation_sees_pairs_as_an_evaluation_does(tree: Path) -> None:
    data = DataConfig(root=str(tree), val_fraction=1.0, test_fraction=0.0, resolution=64)
    (evaluated,) = batches(load_dataset(data, PAINTED), 14)
    (validated,) = batches(
        validation_dataset(data, PAINTED, TrainingConfig(validation_pictures=99), exclude=frozenset()), 14
    )
    assert validated.ids == evaluated.ids == tuple(IDS)
    assert torch.equal(validated.masked, evaluated.masked)
    assert torch.equal(validated.hole, evaluated.hole)


def test_validation_on_drawn_masks_is_held_out_and_always_the_same(drawn: FaceSource, tmp_path: Path) -> None:
    training = TrainingConfig(root=str(tmp_path / "faces"), resize=96, crop=64)
    data = DataConfig(root="none", resolution=64, val_fraction=0.5)
    held_out = validation_dataset(data, PAINTED, training, exclude=frozenset())
    source = training_source(data, PAINTED, training, exclude=frozenset())
    assert 0 < len(held_out) < 6
    assert sorted(held_out.ids + source.ids) == sorted(drawn.ids)
    (faces,) = batches(held_out, 6)
    again = validation_dataset(data, PAINTED, replace(training, validation_pictures=1), exclude=frozenset())[0]
    assert torch.equal(faces[0].masked, again.masked)
    assert faces.masked.shape == (len(held_out), 3, 64, 64)
    assert faces.clean is not None and (faces.masked - faces.clean).abs().max() > 0.1


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize("pairing", Pairing)
def test_a_picture_that_cannot_be_read_ends_the_training(tmp_path: Path, pairing: Pairing, num_workers: int) -> None:
    write_tree(tmp_path, IDS[:6])
    source = training_source(DataConfig(root=str(tmp_path), **ALL_TRAIN), PAINTED, TRAINING, exclude=frozenset())
    for path in tmp_path.glob("ffhq/*/*.png"):
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UnmaskError, match=r"ffhq/00000/0000\d\.png.*repair the file"):
        take(1, source, pairing=pairing, num_workers=num_workers)
    assert multiprocessing.active_children() == []


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(UnmaskError) as caught:
        call()
    return str(caught.value)


def test_senseless_settings_are_refused_at_once(pairs: FaceSource) -> None:
    assert "training.batch_size=3 cannot be divided" in refused(lambda: take(1, pairs, batch_size=3, world=2))
    assert "training.batch_size=0" in refused(lambda: take(1, pairs, batch_size=0))


def test_missing_faces_name_the_key_and_the_way_out(tree: Path, tmp_path: Path) -> None:
    data = DataConfig(root=str(tree))

    def source(training: TrainingConfig, data: DataConfig = data) -> FaceSource:
        return training_source(data, PAINTED, training, exclude=frozenset())

    assert "training.limit=0" in refused(lambda: TrainingConfig(limit=0))
    assert "training.root=" in refused(lambda: source(TrainingConfig(root=str(tmp_path / "no"))))
    (tmp_path / "empty").mkdir()
    assert "no pictures" in refused(lambda: source(TrainingConfig(root=str(tmp_path / "empty"))))
    write_tree(tmp_path / "bare", IDS[:2])
    (tmp_path / "bare/ffhq").rename(tmp_path / "elsewhere")
    assert "data.clean_dir" in refused(lambda: source(TRAINING, DataConfig(root=str(tmp_path / "bare"))))


@pytest.mark.weights
def test_masks_are_drawn_on_the_sample_s_clean_faces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "data" / "sample" / "ffhq"
    monkeypatch.setattr("unmask.data.landmark_cache.cache_dir", lambda: tmp_path)
    training = TrainingConfig(root=str(folder), limit=4)
    source = training_source(DataConfig(root="none"), PAINTED, training, exclude=frozenset({"00000"}))
    assert len(source.ids) == 4 and "00000" not in source.ids
    faces = source.pair(0, seed=0)
    assert faces.masked.shape == (1, 3, 286, 286)
    size = faces.masked.shape[-1]
    assert faces.occlusion[0, 0, int(0.70 * size), size // 2] == 1  # the mouth
    assert faces.occlusion[0, 0, : int(0.45 * size)].sum() == 0  # the eyes
    assert list(tmp_path.glob("landmarks/*.npz"))
