"""A timm backbone with the competition's head, and what it costs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
import timm
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from grandmaster.errors import UserError
from grandmaster.models.adaptation import adaptation_of
from grandmaster.models.cosine import use_cosine_classifier
from grandmaster.models.registry import ModelArgs
from grandmaster.models.weight_files import Shapes, tensor_shapes
from grandmaster.models.weight_folder import stored_channels
from grandmaster.models.weights import Weights
from grandmaster.storage import file_sha256


def build_model(
    timm_name: str,
    weights: Weights,
    *,
    classes: int,
    input_size: int,
    in_channels: int = 3,
    drop_rate: float = 0.0,
    drop_path: float = 0.0,
    grad_checkpointing: bool = False,
    cosine_scale: float = 0.0,
    keep_classifier: bool = False,
) -> nn.Module:
    """Create a classifier, loaded from where `weights` says; never silently random.

    Position embeddings and windows are adapted to `input_size`, the first layer to `in_channels` and the classifier to
    `classes` by timm.

    Args:
        input_size: side of the square input, px.
        in_channels: of the input; loaded weights of three channels are repeated in turn and scaled by 3 / in_channels.
        drop_path: stochastic depth, where the architecture has it.
        cosine_scale: of a classifier by cosines (ArcFace), instead of a linear one; 0: linear.
        keep_classifier: load the stored classifier too, which has to have as many classes, instead of a new one.

    Returns:
        (b, in_channels, input_size, input_size) pictures -> (b, classes) logits.

    Raises:
        UserError: the file does not belong to this architecture, or the hub failed.
    """
    args: dict[str, Any] = {"num_classes": classes, "drop_rate": drop_rate, **weights.model_args}
    config = timm.get_pretrained_cfg(timm_name, allow_unregistered=True)
    if config is not None and config.fixed_input_size:
        args["img_size"] = input_size
    if in_channels != 3:
        args["in_chans"] = in_channels
    if weights.source.startswith("hub:"):
        args["pretrained"] = True
    elif weights.path is not None:
        # Refuses what is not weights alone, or another architecture's: before timm loads what happens to fit of it.
        adaptation_of(timm_name, weights, classes=classes, channels=in_channels, input_size=input_size)
        stored = tensor_shapes(weights.path)
        if weights.sha256 and file_sha256(weights.path) != weights.sha256:
            raise UserError(
                f"this file has changed since it was chosen (sha256 {weights.sha256[:8]}...)",
                where=weights.path,
                fix="Put the old one back, or start a new run with another --experiment_name.",
            )
        overlay = {"file": str(weights.path), "custom_load": False}
        args |= {
            "pretrained": True,
            "pretrained_cfg_overlay": overlay
            | _stored_input(timm_name, config, stored, classes=classes if keep_classifier else -1),
        }
    try:
        model = _create(timm_name, args, drop_path)
    except (OSError, RuntimeError) as error:
        if not weights.pretrained:
            raise
        raise UserError(
            f"the weights cannot be loaded: {str(error).splitlines()[0]}",
            where=weights.source,
            fix="Check the file or the network, or allow a random start with --set model.pretrained=false.",
        ) from error
    if weights.pretrained and not keep_classifier:
        _start_head_small(model)
    if cosine_scale > 0:
        use_cosine_classifier(model, cosine_scale)
    if grad_checkpointing:
        try:
            model.set_grad_checkpointing(True)
        except (AssertionError, AttributeError):
            raise UserError(
                f"{timm_name} cannot recompute activations",
                where="training.grad_checkpointing",
                fix="Set it to false, with a smaller training.micro_batch if memory is short.",
            ) from None
    return model


def _create(timm_name: str, args: dict[str, Any], drop_path: float) -> Any:
    if drop_path > 0:
        try:
            return timm.create_model(timm_name, drop_path_rate=drop_path, **args)
        except TypeError:
            pass  # this architecture has no stochastic depth; any other mistake shows again below
    return timm.create_model(timm_name, **args)


def _start_head_small(model: Any) -> None:
    """Let the new classifier begin near zero, so that its first gradients do not shake the loaded body.

    As BEiT does (`init_scale`); the default of some architectures starts with a loss well above that of guessing.
    """
    for module in model.get_classifier().modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.trunc_normal_(module.weight, std=0.01)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _stored_input(timm_name: str, config: Any, stored: Shapes, *, classes: int) -> dict[str, Any]:
    """What timm is to believe of this file instead of what it knows of its own weights.

    Args:
        classes: -1, as many as no competition has: the classifier is a new one, whatever the file's learnt to tell.
    """
    told: dict[str, Any] = {"num_classes": classes}
    if config is not None and config.input_size:
        told["input_size"] = (stored_channels(timm_name, stored), *config.input_size[1:])
    return told


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What one picture costs, counted without running anything real.

    Attributes:
        parameters: number, with head.
        training_gflop: of forward and backward of one picture (2 FLOP a multiply-add).
        forward_gflop: of forward alone.
        activation_gib: kept for backward, one picture, float32.
        batch_norm: the model has BatchNorm.
        grouped: it has convolutions in groups of several channels, as ResNeXt.
    """

    parameters: int
    training_gflop: float
    forward_gflop: float
    activation_gib: float
    batch_norm: bool
    grouped: bool


@lru_cache(maxsize=64)
def count_cost(
    timm_name: str, input_size: int, classes: int, in_channels: int = 3, model_args: ModelArgs = ()
) -> Cost:
    """Count parameters, operations and kept activations on torch's `meta` device: no memory, no arithmetic.

    Operations by torch's FlopCounterMode; activations by hooks on every tensor that autograd saves, each storage once.
    """
    weights = Weights(source="none", mean=(0.0,) * 3, std=(1.0,) * 3, model_args=dict(model_args))
    with torch.device("meta"):
        model = build_model(
            timm_name, weights, classes=classes, input_size=input_size, in_channels=in_channels
        )
        pictures = torch.empty(2, in_channels, input_size, input_size)  # two: BatchNorm cannot train on one

    own = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[
        int, torch.UntypedStorage
    ] = {}  # holds them alive: a freed address would be counted as the next one's

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage
        return tensor

    counter = FlopCounterMode(display=False)
    with counter, torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(pictures)
    forward = counter.get_total_flops() / len(pictures) / 1e9
    return Cost(
        parameters=sum(p.numel() for p in model.parameters()),
        training_gflop=3 * forward,
        forward_gflop=forward,
        activation_gib=sum(storage.nbytes() for storage in kept.values()) / len(pictures) / 2**30,
        batch_norm=any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in model.modules()),
        grouped=any(
            isinstance(part, nn.Conv2d) and 1 < part.groups < part.in_channels for part in model.modules()
        ),
    )
