"""Batches: the same ones in the same order for a seed, whatever the number of workers."""

from __future__ import annotations

import multiprocessing
import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from grandmaster.images.balance import balanced_indices
from grandmaster.images.dataset import Item as DatasetItem
from grandmaster.images.dataset import PictureDataset, TrainingPictures
from grandmaster.images.loading_processes import TIMEOUT_SECONDS, LoadingProcesses, no_advice, start_worker


class Batch(NamedTuple):
    """b pictures.

    Attributes:
        pictures: uint8 (b, c, h, w).
        targets: int64 classes (b,), or float32 (b, c); of training pictures maybe what is taught instead.
        rows: of the store, int64 (b,).
        other_targets: of the pictures that were mixed in, like `targets`.
        other_shares: how much of them is in each picture, float32 (b,); 0: not mixed.
        weights: how much each picture counts in training, float32 (b,); None: all the same.
    """

    pictures: Tensor
    targets: Tensor
    rows: Tensor
    other_targets: Tensor
    other_shares: Tensor
    weights: Tensor | None = None


PREFETCH = 2  # batches that each worker, or the prefetching thread, keeps ready
# Open files that a worker takes at most: its pipes, and one for each array of the batches it keeps ready; and how many are
# left to all else.
FILES_A_WORKER, FILES_KEPT = 40, 64

Item = TypeVar("Item")


class EpochBatches(Sampler[list[int]]):
    """Index lists of one epoch: every picture once, in an order decided by (seed, epoch).

    A last batch of one picture would stop BatchNorm; it is joined to the batch before it.

    Args:
        classes: of every picture, where every class is to be seen equally often instead of every picture once.
    """

    def __init__(
        self, count: int, batch_size: int, seed: int, classes: npt.NDArray[np.integer] | None = None
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, must be 1 or more")
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.classes = classes
        self.epoch = 0

    def __len__(self) -> int:
        batches = -(-self.count // self.batch_size)
        return batches - 1 if self._joins_last() else batches

    def __iter__(self) -> Iterator[list[int]]:
        if self.classes is None:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.count)
            indices = (order + self.epoch * self.count).tolist()
        else:
            indices = balanced_indices(self.classes, self.seed, self.epoch).tolist()
        last = len(self) - 1
        for number in range(len(self)):
            start = number * self.batch_size
            yield indices[start:] if number == last else indices[start : start + self.batch_size]

    def _joins_last(self) -> bool:
        return self.batch_size > 1 and self.count > self.batch_size and self.count % self.batch_size == 1


class TrainLoader:
    """Batches of any epoch, from workers that live until it is left.

    Use: `with train_loader(...) as loader: for batch in loader.epoch(3): ...`; `len(loader)` is the number of batches.
    """

    def __init__(
        self,
        dataset: TrainingPictures,
        *,
        batch_size: int,
        workers: int,
        pin_memory: bool,
        seed: int,
        balanced: bool = False,
    ) -> None:
        classes = dataset.labels if balanced else None
        self._batches = EpochBatches(len(dataset), batch_size, seed, classes)
        self._loader = _data_loader(
            dataset, workers, pin_memory, batch_sampler=self._batches, persistent_workers=workers > 0
        )
        self._processes = LoadingProcesses(self._loader) if workers else None

    def __enter__(self) -> TrainLoader:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._processes is not None:
            self._processes.__exit__(*error)

    def __len__(self) -> int:
        return len(self._batches)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Batches of epoch `epoch` (from 0); the same on every call, also in a resumed run."""
        self._batches.epoch = epoch
        return prefetch(self._loader, PREFETCH) if self._processes is None else self._processes.batches()


def train_loader(
    dataset: TrainingPictures,
    *,
    batch_size: int,
    workers: int,
    pin_memory: bool = False,
    balanced: bool = False,
) -> TrainLoader:
    """Shuffled batches, augmented per epoch; order and augmentation follow from the dataset's seed.

    Args:
        dataset: with its augmentation.
        batch_size: pictures a batch; the last may be smaller, or one larger (see `EpochBatches`).
        workers: processes; 0: a thread of this process prepares the batches ahead.
        pin_memory: for a GPU.
        balanced: every class equally often rather than every picture once; targets must be classes.
    """
    return TrainLoader(
        dataset,
        batch_size=batch_size,
        workers=workers,
        pin_memory=pin_memory,
        seed=dataset.seed,
        balanced=balanced,
    )


def eval_loader(
    dataset: PictureDataset, *, batch_size: int, workers: int = 0, pin_memory: bool = False
) -> Iterable[Batch]:
    """Batches in the dataset's order; a corrupted validation set is augmented as epoch 0, always the same."""
    loader = _data_loader(dataset, workers, pin_memory, batch_size=batch_size, shuffle=False)
    return _one_pass(loader) if workers else prefetch(loader, PREFETCH)


def _one_pass(loader: DataLoader[Any]) -> Iterator[Batch]:
    with LoadingProcesses(loader) as processes:
        yield from processes.batches()


def prefetch(items: Iterable[Item], depth: int) -> Iterator[Item]:
    """The same items in the same order, prepared up to `depth` ahead by one thread.

    An exception in it is raised here. Leaving the loop early stops the thread.
    """
    ready: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(item: Item | None, error: BaseException | None) -> bool:
        while not stop.is_set():
            try:
                ready.put((item, error), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item, None):
                    return
            put(None, StopIteration())
        except BaseException as error:  # noqa: BLE001 - raised again by the consumer
            put(None, error)

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]  # an item is None only beside an error
    finally:
        stop.set()
        thread.join()


@dataclass(frozen=True, kw_only=True)
class WorkerPlan:
    """How many loading processes, and why."""

    count: int
    reason: str


def plan_workers(
    *,
    cores: int,
    shm_bytes: int | None,
    batch_bytes: int,
    pictures_in_memory: bool,
    requested: int | None = None,
    open_files: int | None = None,
) -> WorkerPlan:
    """Choose the number of loading processes.

    Args:
        cores: usable by this process.
        shm_bytes: free shared memory, through which workers hand over batches; too little of it (64 MB in an
            ordinary container) kills them with a bus error. None: this system has no such limit.
        batch_bytes: of one batch of uint8 pictures.
        pictures_in_memory: decoded already, so that only augmentation is left to do.
        requested: what the person set; obeyed as far as shared memory and open files allow.
        open_files: that this process may still open; None: as many as it likes.
    """
    if requested is not None:
        wanted, reason = requested, f"{requested} as set"
    elif cores <= 2 and pictures_in_memory:
        wanted, reason = 0, f"{cores} cores and pictures in memory: a thread is enough"
    else:
        wanted = min(cores - 1, 16)
        reason = f"{cores} cores, one kept for the training loop"
    if shm_bytes is not None:
        # Every worker holds PREFETCH finished batches and one in the making; half is left to others.
        room = shm_bytes // 2 // max(1, batch_bytes * (PREFETCH + 1))
        if wanted > room:
            reason = f"shared memory of {shm_bytes / 1e6:.0f} MB has room for {room} workers"
            wanted = room
    if open_files is not None:
        room = max(0, open_files - FILES_KEPT) // FILES_A_WORKER
        if wanted > room:
            reason = f"{open_files} more files may be opened (ulimit -n), enough for {room} workers"
            wanted = room
    return WorkerPlan(count=wanted, reason=reason)


def _data_loader(dataset: TrainingPictures, workers: int, pin_memory: bool, **how: Any) -> DataLoader[Any]:
    parallel: dict[str, Any] = {}
    if workers > 0:
        parallel = {
            "prefetch_factor": PREFETCH,
            "timeout": TIMEOUT_SECONDS,
            "worker_init_fn": start_worker,
        }
        if "fork" in multiprocessing.get_all_start_methods():
            # Workers then share the store's memory; other ways would copy it into each.
            parallel["multiprocessing_context"] = "fork"
    with no_advice():
        return DataLoader(
            dataset,
            num_workers=workers,
            pin_memory=pin_memory,
            collate_fn=_collate,
            # One of its own: otherwise each pass would draw from torch's global generator, and dropout after a
            # resume would differ from that of an uninterrupted run.
            generator=torch.Generator().manual_seed(dataset.seed),
            **parallel,
            **how,
        )


def _collate(items: list[DatasetItem]) -> Batch:
    # The pictures are views of (h, w, 3) memory; stacked as such it is a plain copy, and the batch is channels-last.
    weights = [item.weight for item in items]
    stacked = torch.stack([item.picture.permute(1, 2, 0) for item in items]).permute(0, 3, 1, 2)
    return Batch(
        pictures=stacked,
        targets=torch.from_numpy(np.array([item.target for item in items])),
        rows=torch.tensor([item.row for item in items]),
        other_targets=torch.from_numpy(np.array([item.other_target for item in items])),
        other_shares=torch.tensor([item.other_share for item in items], dtype=torch.float32),
        weights=None if set(weights) == {1.0} else torch.tensor(weights, dtype=torch.float32),
    )
