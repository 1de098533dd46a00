"""MobileNetV1 at half and a quarter of its width (Howard et al. 2017), which timm can build but has no names for.

Importing this registers them with timm as `mobilenetv1_050` and `mobilenetv1_025`, with the padding and the scale of
pictures of weights that come from TensorFlow. With files of these names in `--weights_dir`, an ensemble of three small
pretrained models can be tried on a CPU.
"""

from __future__ import annotations

from typing import Any

from timm.models import generate_default_cfgs, register_model
from timm.models.efficientnet import EfficientNet, _gen_mobilenet_v1

_CONFIG = {
    "num_classes": 1000,
    "input_size": (3, 224, 224),
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "first_conv": "conv_stem",
    "classifier": "classifier",
}
default_cfgs = generate_default_cfgs({"mobilenetv1_050": _CONFIG, "mobilenetv1_025": _CONFIG})


def _narrow(variant: str, width: float, pretrained: bool, **arguments: Any) -> EfficientNet:
    return _gen_mobilenet_v1(variant, width, pretrained=pretrained, **{"pad_type": "same", **arguments})


@register_model
def mobilenetv1_050(pretrained: bool = False, **arguments: Any) -> EfficientNet:
    """1.3 million parameters."""
    return _narrow("mobilenetv1_050", 0.5, pretrained, **arguments)


@register_model
def mobilenetv1_025(pretrained: bool = False, **arguments: Any) -> EfficientNet:
    """0.5 million parameters."""
    return _narrow("mobilenetv1_025", 0.25, pretrained, **arguments)
