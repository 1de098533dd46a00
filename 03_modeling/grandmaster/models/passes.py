"""How many pictures go through a model at once, and what is done when memory ends."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from grandmaster.errors import UserError
from grandmaster.texts import counted

Result = TypeVar("Result")

# What the allocators say that have no exception class of their own: torch's for the CPU (Linux, Windows), C++,
# the CUDA driver, and cuBLAS and cuDNN when their workspaces do not fit.
_SIGNS = (
    "can't allocate memory",
    "not enough memory",
    "std::bad_alloc",
    "cannot allocate memory",
    "could not create a memory",  # oneDNN
    "cuda error: out of memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
)
# All that oneDNN says when its own buffers do not fit (seen under a limit of address space). With more words
# ("... descriptor for ...") it means something else.
_WHOLE = ("could not create a primitive", "could not execute a primitive")

# Pictures a pass that were found to fit when predicting, of a model and a size of picture, for this process.
_FOUND: dict[tuple[str, str, int, tuple[int, ...]], int] = {}


def is_out_of_memory(error: BaseException) -> bool:
    """The error says that an allocation failed, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    said = str(error).lower().strip()
    return isinstance(error, RuntimeError) and (said in _WHOLE or any(sign in said for sign in _SIGNS))


def free_memory() -> None:
    """Give back what nothing refers to any more.

    To be called after the `except` block: until then the error's frames hold every tensor of the failed pass.
    """
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class Passes(msgspec.Struct, frozen=True, kw_only=True):
    """How the pictures of an optimiser step go through the model.

    Attributes:
        micro_batch: pictures a forward and backward pass (see `split`).
        grad_checkpointing: activations are computed again in the backward pass.
    """

    micro_batch: int
    grad_checkpointing: bool

    def smaller(self, model: nn.Module) -> Passes | None:
        """What to try when memory ran out: half the pictures, then recomputing; None where nothing is left.

        Args:
            model: which ran out, in training mode; it is of no use afterwards.
        """
        # BatchNorm takes its statistics from the pictures of a pass: of one it may not be possible.
        fewest = 2 if any(part.training for part in model.modules() if isinstance(part, _BatchNorm)) else 1
        if self.micro_batch > fewest:
            return Passes(
                micro_batch=max(fewest, self.micro_batch // 2), grad_checkpointing=self.grad_checkpointing
            )
        if self.grad_checkpointing:
            return None
        try:
            model.set_grad_checkpointing(True)  # type: ignore[operator]  # timm's
        except (AssertionError, AttributeError):
            return None  # this architecture cannot
        return Passes(micro_batch=self.micro_batch, grad_checkpointing=True)

    def __str__(self) -> str:
        pictures = counted(self.micro_batch, "picture")
        return f"{pictures} a pass{' with gradient checkpointing' if self.grad_checkpointing else ''}"


def split(batch: Tensor, micro_batch: int) -> Iterator[Tensor]:
    """Views of `batch`, `micro_batch` long; the last may be shorter, or one longer: a lone picture joins it.

    These are the micro-batches that a loader of that size would have given.
    """
    parts = max(1, -(-len(batch) // micro_batch))
    if micro_batch > 1 and parts > 1 and len(batch) % micro_batch == 1:
        parts -= 1
    for number in range(parts):
        start = number * micro_batch
        yield batch[start:] if number == parts - 1 else batch[start : start + micro_batch]


def in_passes(
    work: Callable[[Tensor], Result],
    pictures: Tensor,
    model: nn.Module,
    on_smaller: Callable[[int], None] = lambda _: None,
) -> list[Result]:
    """`work` on all pictures, in order, in one call or in as many as memory asks for.

    When memory runs out the pass is halved, and what fits is remembered for later batches of this model. Only for
    work that treats each picture by itself, as a model in evaluation does.

    Args:
        work: part of the pictures -> its result, which should not stay on the device.
        pictures: (b, c, h, w), where they cost little: in main memory.
        model: whose memory it is; called by `work`.
        on_smaller: called with the pictures a pass that are tried when memory ran out.

    Raises:
        UserError: one picture alone is too much.
    """
    weight = next(model.parameters(), pictures)
    size = sum(parameter.numel() for parameter in model.parameters())
    key = (str(weight.device), type(model).__name__, size, tuple(pictures.shape[1:]))
    done: list[Result] = []
    start = 0
    while start < len(pictures):
        part = pictures[start : start + _FOUND.get(key, len(pictures))]
        try:
            done.append(work(part))
            start += len(part)
            continue
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(part) == 1:
                raise UserError(
                    f"memory runs out when one picture of {pictures.shape[-1]} px is predicted",
                    where=type(model).__name__,
                    fix="Free memory that other processes hold, or choose a smaller model.image_size or backbone.",
                ) from error
        free_memory()
        _FOUND[key] = len(part) // 2
        on_smaller(_FOUND[key])
    return done
