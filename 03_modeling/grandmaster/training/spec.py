"""Everything that the result of fitting one model on one fold depends on."""

from __future__ import annotations

from typing import Literal

import msgspec

from grandmaster.config import BatchNormMode
from grandmaster.images.class_groups import ClassPolicy
from grandmaster.images.operation import Operation
from grandmaster.models.head import Head
from grandmaster.models.memory_format import MemoryFormat
from grandmaster.models.weights import Weights
from grandmaster.storage import digest
from grandmaster.training.losses import Loss
from grandmaster.training.rate_groups import RateGroup


class FitSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One fit. Two fits of equal `fit_digest` give the same weights on the same machine (bit for bit on a CPU).

    Attributes:
        head: what the logits mean, with the scale of the training fold's targets.
        top_k, positive_class: as in `Competition`, for the metrics that depend on them.
        selection: validation pictures on which the best epoch is chosen: as they are, or corrupted like the test set.
        input_size: side of the square input, px.
        in_channels: of the input: red, green and blue, and those of further images.
        epochs: 0: nothing is trained, the loaded weights predict as they are.
        micro_batch, accumulation: pictures a forward pass, forward passes an optimiser step.
        balanced_sampling: every class is seen equally often, rather than every picture.
        learning_rate: peak; scaled per layer by `layer_decay`, or set by `rate_groups`.
        ema_decay: of the averaged weights per optimiser step; 0: none.
        class_policies: operations of groups of classes, instead of `operations`.
        batch_norm: whose statistics are used in prediction: those of training (averaged as the weights are), those of
            the loaded weights, or those that training pictures give with the weights of the epoch.
        mix_probability: share of training pictures mixed with another (MixUp, CutMix).
        memory_format: of the model and its inputs; like `fused` and `compile` it changes rounding, so it is kept.
        fused: whether the optimiser's step is one pass over the weights.
        compile: whether forward and backward go through torch.compile.
        half_weights: the best weights are stored rounded to half precision, and predict as stored.
        pictures_hash: of the ids and targets that are trained and validated on.
        teaching_hash: of what is taught beside or instead of the labels: soft targets, weights, further pictures and
            their augmentation; empty: nothing.
        classes_hash: of the competition's kind and frozen list of outputs.
    """

    backbone: str
    timm_name: str
    weights: Weights
    fold: int
    head: Head
    classes_hash: str
    pictures_hash: str
    teaching_hash: str = ""
    metric: str
    top_k: int
    positive_class: int
    selection: Literal["clean", "corrupted"]
    input_size: int
    in_channels: int = 3
    store_size: int
    operations: tuple[Operation, ...]
    corruption: tuple[Operation, ...]
    class_policies: tuple[ClassPolicy, ...] = ()
    mix_probability: float
    epochs: int
    micro_batch: int
    accumulation: int
    learning_rate: float
    layer_decay: float
    rate_groups: tuple[RateGroup, ...]
    weight_decay: float
    warmup_fraction: float
    final_rate_fraction: float
    loss: Loss
    balanced_sampling: bool
    clip_norm: float
    ema_decay: float
    batch_norm: BatchNormMode
    drop_rate: float
    drop_path: float
    grad_checkpointing: bool
    patience: int
    device: Literal["cpu", "cuda"]
    precision: Literal["fp32", "bf16", "fp16"]
    memory_format: MemoryFormat
    fused: bool
    compile: bool
    prediction_batch: int
    tta_views: int
    seed: int
    half_weights: bool = False

    @property
    def digest(self) -> str:
        """Names this fit: a checkpoint of another digest is refused."""
        return digest(self)
