"""Epochs go to the disk beside the training of the next one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import torch
from torch import nn

from grandmaster.models.half import rounded
from grandmaster.storage import write_atomic
from grandmaster.training import checkpoint
from grandmaster.training.checkpoint import TrainState, weights_of
from grandmaster.training.spec import FitSpec


class OneBehind:
    """Does jobs in a thread of its own, in order, at most one of them waiting or at work.

    A context: its end waits for the last job. What a job raises is raised by the next call, or at the end where nothing
    else is being raised.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="keep")
        self._last: Future[None] | None = None

    def do(self, job: Callable[[], None]) -> None:
        """Begin a job when the one before is done."""
        self.wait()
        self._last = self._pool.submit(job)

    def wait(self) -> None:
        """Until the last job is done."""
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.wait()
        finally:
            self._pool.shutdown(wait=True)


class EpochKeeper(OneBehind):
    """Keeps what each epoch of a fit leaves: best weights, those that lead for a part, the state to go on from, the curves.

    They are copied first, so that training may go on while they are written; in that order, so that a fit that is killed
    meanwhile goes on as one that was killed a little earlier. In host memory that takes the weights, their average and the
    optimiser's state once more.

    Args:
        folder: of the fit.

    Attributes:
        kept: folder of the weights and the state.
    """

    def __init__(self, spec: FitSpec, folder: Path) -> None:
        super().__init__()
        self._spec, self._folder, self.kept = spec, folder, folder / "checkpoint"

    def keep(
        self,
        state: TrainState,
        net: nn.Module,
        average: nn.Module | None,
        *,
        best: Mapping[str, Any] | None,
        whole: bool,
    ) -> None:
        """What stands after an epoch, `state.history` included.

        Args:
            average: of the weights, where there is one: it is what was judged.
            best: what is kept beside the weights of this epoch if they are the best so far, else None.
            whole: whether there is a state to go on from; half an epoch is none.
        """
        self.wait()  # before the copies, so that there are never two sets of them
        own = weights_of(net)
        averaged = None if average is None else weights_of(average)
        judged = own if averaged is None else averaged
        leads = any(each.epoch == state.epoch for each in state.leaders)
        # The average has the names of what it is the average of.
        half = rounded(judged, net) if leads or (best and self._spec.half_weights) else {}
        copied = msgspec.structs.replace(
            state, optimiser=_on_cpu(state.optimiser), scaler=_on_cpu(state.scaler)
        )
        lines = "".join(msgspec.json.encode(line).decode() + "\n" for line in state.history)

        def write() -> None:
            if best is not None:
                checkpoint.save_best(self.kept, half if self._spec.half_weights else judged, best)
            if leads:
                checkpoint.save_leader(self.kept, half, copied.epoch)
            if whole:
                checkpoint.save_state(self.kept, copied, own, averaged, fit_digest=self._spec.digest)
            write_atomic(self._folder / "metrics.jsonl", lines)

        self.do(write)


def _on_cpu(value: Any) -> Any:
    """A copy of a state dictionary that nothing else changes."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _on_cpu(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_on_cpu(item) for item in value)
    return value
