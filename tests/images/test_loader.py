"""The same batches for a seed, whatever prepares them; no augmentation is ever repeated."""

from __future__ import annotations

import gc
import multiprocessing
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from grandmaster.images.augment import Operation, build_augmentation
from grandmaster.images.dataset import PictureDataset, picture_seed
from grandmaster.images.loader import (
    PREFETCH,
    EpochBatches,
    eval_loader,
    plan_workers,
    prefetch,
    train_loader,
)
from grandmaster.images.normalise import to_input
from grandmaster.images.store import PictureStore

POLICY = (
    Operation(name="FilledRotation", probability=0.9),
    Operation(name="HorizontalFlip", probability=0.5),
    Operation(name="PixelNoise", probability=1.0),
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PictureStore:
    """32 equal pictures: whatever differs is augmentation."""
    folder = tmp_path_factory.mktemp("pictures")
    pixels = np.random.default_rng(0).integers(0, 256, (24, 48, 3), dtype=np.uint8)
    paths = [folder / f"{number}.png" for number in range(32)]
    for path in paths:
        Image.fromarray(pixels).save(path)
    return PictureStore(paths, 24, memory_budget=10**6)


def dataset(store: PictureStore, seed: int = 1, rows: np.ndarray | None = None) -> PictureDataset:
    labels = np.arange(len(store)) * 10
    return PictureDataset(store, labels, build_augmentation(POLICY, 24), 24, seed, rows=rows)


Batches = list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]


def three_epochs(store: PictureStore, workers: int) -> Batches:
    loader = train_loader(dataset(store), batch_size=5, workers=workers)
    return [batch for epoch in range(3) for batch in loader.epoch(epoch)]


@pytest.fixture(scope="module")
def in_process(store: PictureStore) -> Batches:
    return three_epochs(store, workers=0)


def assert_equal(first: Batches, second: Batches) -> None:
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a.weights is None
        assert b.weights is None
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True) if x is not None)


@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.fault(7, "the same with workers")
def test_workers_change_nothing(store: PictureStore, in_process: Batches, workers: int) -> None:
    assert_equal(in_process, three_epochs(store, workers))


@pytest.mark.fault(7, "32 equal pictures, 3 epochs: all augmented ones differ")
def test_no_augmentation_is_repeated_in_three_epochs(in_process: Batches) -> None:
    outputs = {picture.numpy().tobytes() for batch in in_process for picture in batch.pictures}
    assert len(outputs) == 96


def test_every_picture_once_an_epoch_with_its_label(in_process: Batches) -> None:
    per_epoch = len(in_process) // 3
    orders = []
    for epoch in range(3):
        batches = in_process[epoch * per_epoch : (epoch + 1) * per_epoch]
        rows = torch.cat([batch[2] for batch in batches])
        assert sorted(rows.tolist()) == list(range(32))
        assert torch.equal(torch.cat([batch[1] for batch in batches]), rows * 10)
        orders.append(rows.tolist())
    assert orders[0] != orders[1] != orders[2]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_epoch_is_the_uninterrupted_one(
    store: PictureStore, in_process: Batches, workers: int
) -> None:
    state = torch.get_rng_state()
    resumed = list(train_loader(dataset(store), batch_size=5, workers=workers).epoch(2))
    assert_equal(resumed, in_process[-len(resumed) :])
    assert torch.equal(torch.get_rng_state(), state)  # dropout after it draws what it would have drawn


def test_another_seed_gives_another_order_and_other_pictures(store: PictureStore) -> None:
    first, second = (
        next(iter(train_loader(dataset(store, seed), batch_size=32, workers=0).epoch(0))) for seed in (1, 2)
    )
    assert not torch.equal(first[2], second[2])
    a, b = first[0][first[2].argsort()], second[0][second[2].argsort()]
    assert not any(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_batches_are_uint8_and_channels_last(in_process: Batches) -> None:
    pictures, labels, rows, *_ = in_process[0]
    assert pictures.shape == (5, 3, 24, 24)
    assert pictures.dtype == torch.uint8
    assert pictures.is_contiguous(memory_format=torch.channels_last)
    assert labels.dtype == rows.dtype == torch.int64


def test_rows_select_from_the_store(store: PictureStore) -> None:
    chosen = dataset(store, rows=np.array([30, 3, 7]))
    assert len(chosen) == 3
    assert [(chosen[i][1], chosen[i][2]) for i in range(3)] == [(300, 30), (30, 3), (70, 7)]
    # A picture is augmented alike, whichever pictures stand beside it.
    assert torch.equal(chosen[3 + 1][0], dataset(store)[32 + 3][0])


def test_augmentation_is_told_the_original_aspect(store: PictureStore) -> None:
    one_row = dataset(store)
    augment = one_row.augmentation
    assert augment is not None
    expected, _ = augment(store[5], picture_seed(1, 0, 5), aspect=2.0, side=48)  # the files are 48 x 24
    np.testing.assert_array_equal(one_row[5].picture.permute(1, 2, 0).numpy(), expected)
    for known in ({"side": 48.0}, {"aspect": 2.0}):
        assert not np.array_equal(augment(store[5], picture_seed(1, 0, 5), **known)[0], expected)


def test_pictures_are_mixed_within_their_dataset_only(tmp_path: Path) -> None:
    """Grey level = row: the share tells which other picture is in it, and it is never one of another fold."""
    paths = [tmp_path / f"{number}.png" for number in range(20)]
    for number, path in enumerate(paths):
        Image.fromarray(np.full((16, 16, 3), number * 10, np.uint8)).save(path)
    mixing = (Operation(name="MixUp", probability=0.7, params={"levels": [[0.4, 0.4, 1]]}),)
    rows = np.arange(10, 20)
    one = PictureDataset(
        PictureStore(paths, 16, memory_budget=10**6),
        np.arange(20),
        build_augmentation(mixing, 16),
        16,
        3,
        rows=rows,
    )
    items = [one[index] for index in range(100)]
    mixed = [item for item in items if item.other_share]
    assert 50 < len(mixed) < 90
    for item in items:
        expected = 10 * ((1 - item.other_share) * item.target + item.other_share * item.other_target)
        assert abs(float(item.picture.float().mean()) - expected) <= 1
        assert item.other_target in rows
    assert len({item.other_target for item in mixed}) > 5
    batch = next(iter(eval_loader(one, batch_size=10)))
    assert batch.other_shares.tolist() == pytest.approx([item.other_share for item in items[:10]])
    assert batch.other_targets.tolist() == [item.other_target for item in items[:10]]


def test_without_augmentation_pictures_are_only_resized(store: PictureStore) -> None:
    plain = PictureDataset(store, None, None, 24, 0)
    batches = list(eval_loader(plain, batch_size=10))
    assert torch.cat([batch[2] for batch in batches]).tolist() == list(range(32))
    assert [len(batch[0]) for batch in batches] == [10, 10, 10, 2]
    assert (torch.cat([batch[1] for batch in batches]) == -1).all()
    np.testing.assert_array_equal(batches[0][0][0].permute(1, 2, 0).numpy(), store[0])
    assert PictureDataset(store, None, None, 12, 0)[0][0].shape == (3, 12, 12)


def test_disagreeing_arguments_are_refused(store: PictureStore) -> None:
    with pytest.raises(ValueError, match="3 targets for 32 pictures"):
        PictureDataset(store, np.arange(3), None, 24, 0)
    with pytest.raises(ValueError, match="makes 24 px, the dataset wants 32"):
        PictureDataset(store, None, build_augmentation((), 24), 32, 0)


def test_picture_seeds_never_meet() -> None:
    seeds = {picture_seed(s, e, r) for s in (0, 1, 42) for e in range(20) for r in range(200)}
    assert len(seeds) == 3 * 20 * 200


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [
        (9, 4, [4, 5]),
        (10, 4, [4, 4, 2]),
        (8, 4, [4, 4]),
        (5, 4, [5]),
        (1, 4, [1]),
        (3, 1, [1, 1, 1]),
        (0, 4, []),
        (4, 9, [4]),
    ],
)
@pytest.mark.fault(21, "counts that leave a last batch of one")
def test_a_last_batch_of_one_joins_the_one_before(count: int, batch_size: int, sizes: list[int]) -> None:
    batches = EpochBatches(count, batch_size, seed=0)
    for epoch in range(3):
        batches.epoch = epoch
        found = list(batches)
        assert [len(batch) for batch in found] == sizes
        assert len(batches) == len(sizes)
        assert sorted(index for batch in found for index in batch) == list(
            range(epoch * count, (epoch + 1) * count)
        )


def test_prefetch_keeps_order_and_works_ahead() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for number in range(20):
            made.append(number)
            yield number

    items = prefetch(source(), depth=3)
    assert next(items) == 0
    deadline = time.monotonic() + 5
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert made == [0, 1, 2, 3, 4]  # one taken, three ready, one waiting for a place
    assert list(items) == list(range(1, 20))


def test_prefetch_passes_errors_on_and_stops_when_left() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("disk gone")

    items = prefetch(broken(), depth=2)
    assert next(items) == 1
    with pytest.raises(OSError, match="disk gone"):
        next(items)

    endless = prefetch(iter(int, 1), depth=2)
    next(endless)
    endless.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.mark.fault(26, "/dev/shm of 64 MB")
def test_workers_are_planned_from_cores_and_shared_memory() -> None:
    batch = 32 * 3 * 384 * 384
    ample = 16 * 10**9

    def count(cores: int, shm: int = ample, memory: bool = True, requested: int | None = None) -> int:
        return plan_workers(
            cores=cores, shm_bytes=shm, batch_bytes=batch, pictures_in_memory=memory, requested=requested
        ).count

    assert count(1) == count(2) == 0
    assert count(2, memory=False) == 1
    assert count(8) == 7
    assert count(128) == 16
    assert count(8, requested=3) == 3
    assert count(2, requested=0) == 0
    for cores, requested in ((8, None), (8, 6)):
        assert count(cores, shm=64 * 10**6, requested=requested) == 0
        some = count(cores, shm=256 * 10**6, requested=requested)
        assert 0 < some * (PREFETCH + 1) * batch <= 128 * 10**6
    limited = plan_workers(
        cores=8, shm_bytes=64 * 10**6, batch_bytes=batch, pictures_in_memory=True, requested=6
    )
    assert "64 MB" in limited.reason


def test_few_open_files_leave_room_for_few_workers() -> None:
    def count(open_files: int | None) -> int:
        return plan_workers(
            cores=8, shm_bytes=None, batch_bytes=1, pictures_in_memory=True, open_files=open_files
        ).count

    assert count(None) == count(1024) == 7
    assert 0 < count(230) < 7
    assert count(24) == count(-1) == 0
    few = plan_workers(cores=8, shm_bytes=None, batch_bytes=1, pictures_in_memory=True, open_files=24)
    assert few.reason == "24 more files may be opened (ulimit -n), enough for 0 workers"


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no processes that can be forked"
)
def test_an_interrupt_while_processes_are_started_leaves_nothing_behind(
    store: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch's half-made object would be freed with a traceback of its own."""
    process = multiprocessing.get_context("fork").Process
    start = process.start
    begun: list[BaseProcess] = []
    printed: list[object] = []

    def interrupted(self: BaseProcess) -> None:
        if begun:
            raise KeyboardInterrupt
        begun.append(self)
        start(self)

    monkeypatch.setattr(process, "start", interrupted)
    monkeypatch.setattr(sys, "unraisablehook", printed.append)
    with pytest.raises(KeyboardInterrupt):
        list(eval_loader(dataset(store), batch_size=8, workers=2))
    gc.collect()
    assert not printed
    assert not begun[0].is_alive()


def test_to_input_normalises() -> None:
    batch = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)
    mean, std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    result = to_input(batch, mean, std, device="cpu")
    for channel in range(3):
        expected = (batch[:, channel].double() / 255 - mean[channel]) / std[channel]
        torch.testing.assert_close(result[:, channel].double(), expected, atol=1e-6, rtol=1e-6)
    assert result.is_contiguous()
    half = to_input(batch, mean, std, device="cpu", dtype=torch.bfloat16, channels_last=True)
    assert half.dtype == torch.bfloat16
    assert half.is_contiguous(memory_format=torch.channels_last)
    for given in (batch, batch.to(memory_format=torch.channels_last), batch[:, :, :, 1:]):
        for channels_last in (False, True):
            made = to_input(given, mean, std, device="cpu", channels_last=channels_last)
            torch.testing.assert_close(made, result[:, :, :, -given.shape[3] :], rtol=0, atol=0)
    with pytest.raises(ValueError, match="must be uint8"):
        to_input(batch.float(), mean, std, device="cpu")
