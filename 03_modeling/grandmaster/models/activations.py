"""Memory that training a model on a GPU takes, counted without a GPU: nothing is allocated, nothing computed."""

from __future__ import annotations

import weakref
from functools import lru_cache
from typing import Any

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from grandmaster.models.builder import build_model
from grandmaster.models.registry import ModelArgs
from grandmaster.models.weights import Weights

GIB = 2**30
CONTEXT_GIB = 0.8  # CUDA's context and libraries, beside torch's allocator
# What CUDA's autocast computes, and keeps, in float32 and the CPU's does not (those that backbones use).
_IN_FLOAT32 = frozenset(
    {F.layer_norm, F.group_norm, F.softmax, torch.layer_norm, torch.softmax, Tensor.softmax}
)


class Activations(msgspec.Struct, frozen=True, kw_only=True):
    """Beside weights, gradients and the optimiser's state, of one micro-batch.

    Attributes:
        kept_gib: for the backward pass, when the forward pass is over.
        peak_gib: most at any moment of both; also holds what is computed again, and gradients on their way.
    """

    kept_gib: float
    peak_gib: float


@lru_cache(maxsize=256)
def count_activations(
    timm_name: str,
    input_size: int,
    *,
    micro_batch: int,
    grad_checkpointing: bool,
    mixed: bool,
    model_args: ModelArgs = (),
) -> Activations:
    """Run forward and backward on torch's fake tensors and add up what is alive.

    Operations and kept tensors are those of CUDA: its autocast's float32 list, and fused attention, which keeps its
    inputs, its output and one number a row. Tensors inside a kernel and the allocator's rounding are not seen. The head
    has 1,000 outputs: what it keeps is next to nothing.

    Args:
        mixed: in bfloat16 (float16 takes as much), with the weights in float32.
    """
    weights = Weights(source="none", mean=(0.0,) * 3, std=(1.0,) * 3, model_args=dict(model_args))
    with torch.device("meta"):
        model = build_model(
            timm_name, weights, classes=1000, input_size=input_size, grad_checkpointing=grad_checkpointing
        )
    model.train()
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = model.to_empty(device="cpu")
        pictures = torch.empty(micro_batch, 3, input_size, input_size)
        state = [*model.parameters(), *model.buffers(), pictures]
        for parameter in model.parameters():
            parameter.grad = torch.empty_like(parameter)  # there from the second micro-batch on
            state.append(parameter.grad)
        with _Alive(state) as alive, _LikeCuda():
            with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
                loss = model(pictures).float().sum()
            kept = alive.now
            # `loss.backward()` would leave the mode, in which activations have to be computed again.
            torch.autograd.graph._engine_run_backward(
                (loss,),
                (torch.ones_like(loss),),
                False,
                False,
                (),
                allow_unreachable=True,
                accumulate_grad=True,
            )
    return Activations(kept_gib=kept / GIB, peak_gib=alive.peak / GIB)


class _Alive(TorchDispatchMode):
    """Bytes of all storages that operations made and that still live; those of `state` do not count."""

    def __init__(self, state: list[Tensor]) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: weakref.WeakKeyDictionary[Any, None] = weakref.WeakKeyDictionary()
        for tensor in state:
            self._known[tensor.untyped_storage()] = None  # a view of it is not a new one

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._add(tensor.untyped_storage())
        return result

    def _add(self, storage: Any) -> None:
        if storage in self._known:
            return
        size = storage.nbytes()
        self._known[storage] = None
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.now -= size


class _LikeCuda(TorchFunctionMode):
    """Functions as CUDA's autocast and attention treat them."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        mixed = torch.is_autocast_enabled("cpu")
        if func in _IN_FLOAT32 and mixed:
            args = tuple(value.float() if isinstance(value, Tensor) else value for value in args)
        elif func is F.scaled_dot_product_attention:
            mask = args[3] if len(args) > 3 else kwargs.get("attn_mask")
            inputs = (value.to(torch.bfloat16) if mixed else value for value in args[:3])
            return _FusedAttention.apply(*inputs, mask)
        return func(*args, **kwargs)


class _FusedAttention(torch.autograd.Function):
    """What is kept by memory-efficient attention (Rabe & Staats 2021, Dao et al. 2022); computes nothing."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        result = torch.empty_like(query)
        ctx.save_for_backward(
            query, key, value, mask, result, query.new_empty(query.shape[:-1], dtype=torch.float32)
        )
        return result

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        inputs, needed = ctx.saved_tensors[:4], ctx.needs_input_grad
        return tuple(
            torch.empty_like(value) if need else None for value, need in zip(inputs, needed, strict=True)
        )
