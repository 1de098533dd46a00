"""Weights rounded to half precision, where that loses no more than its usual share."""

from __future__ import annotations

from torch import Tensor, nn

# What rounding to 11 significant bits changes of a number at most, as long as it is neither too large nor too small.
ROUNDING = 2.0**-11


def rounded(tensors: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """The same tensors, those of the large parameters as float16.

    float16 and not bfloat16: weights are small numbers, of which it keeps three more bits. What does not fit its range
    (above 65504, or so small that bits are lost) stays float32 as a whole tensor. So do buffers such as BatchNorm's
    statistics, and vectors (biases, norms, layer scales), which are a thousandth of the bytes and often tiny or huge.

    Args:
        tensors: the state dictionary of `net`, on any device.
    """
    parameters = {name for name, _ in net.named_parameters(remove_duplicate=False)}
    return {
        name: tensor.half() if name in parameters and _fits(tensor) else tensor
        for name, tensor in tensors.items()
    }


def _fits(tensor: Tensor) -> bool:
    if tensor.ndim < 2 or not tensor.is_floating_point() or tensor.element_size() <= 2:
        return False
    lost = (tensor - tensor.half().to(tensor.dtype)).norm()  # infinite or NaN where a number overflows
    return bool(lost <= ROUNDING * tensor.norm())
