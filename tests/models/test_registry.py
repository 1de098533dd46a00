"""Backbones by name."""

from __future__ import annotations

import pytest
import timm

from grandmaster.errors import UserError
from grandmaster.models.builder import count_cost
from grandmaster.models.registry import BACKBONES, FROM_SCRATCH_ON_CPU, LARGE_SEVEN, find_backbone


@pytest.mark.parametrize("backbone", BACKBONES.values(), ids=lambda backbone: backbone.name)
def test_every_registered_name_is_timms_with_pretrained_weights(backbone):
    config = timm.get_pretrained_cfg(backbone.timm_name, allow_unregistered=False)
    assert config is not None
    assert config.tag == backbone.timm_name.split(".")[1]
    assert config.hf_hub_id


def test_the_seven_are_those_of_the_documentation_at_384_px():
    assert list(LARGE_SEVEN) == [
        "convnext_large",
        "swin_large",
        "beit_large",
        "efficientnetv2_xl",
        "maxvit_large",
        "resnext101_32x32d",
        "vit_large",
    ]
    assert {backbone.input_size for backbone in LARGE_SEVEN.values()} == {384}
    assert FROM_SCRATCH_ON_CPU in BACKBONES


@pytest.mark.parametrize("name", ["convnext_large", "vit_large"])
def test_counted_parameters_are_the_documented_ones(name):
    backbone = find_backbone(name)
    million = count_cost(backbone.timm_name, 384, 17).parameters / 1e6
    assert million == pytest.approx(backbone.documented_million_parameters, rel=0.01)


def test_counted_operations_and_activations_grow_with_the_picture():
    small, large = (count_cost("resnet18.a1_in1k", size, 17) for size in (64, 128))
    assert large.training_gflop == pytest.approx(4 * small.training_gflop, rel=0.05)
    assert large.activation_gib == pytest.approx(4 * small.activation_gib, rel=0.05)
    # 1.82 G multiply-adds at 224 px, as He et al. state.
    assert count_cost("resnet18.a1_in1k", 224, 1000).forward_gflop == pytest.approx(2 * 1.82, rel=0.02)


def test_any_model_of_timm_is_known():
    backbone = find_backbone("resnet34")
    assert (backbone.timm_name.split(".")[0], backbone.input_size) == ("resnet34", 224)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet18.a1_in1", "resnet18 has no weights 'a1_in1'.*Did you mean 'a1_in1k'"),
        ("hf_hub:x", "no backbone is called"),
    ],
)
def test_a_bad_name_is_one_readable_line(name, message):
    with pytest.raises(UserError, match=message) as error:
        find_backbone(name)
    assert len(str(error.value)) < 600


def test_a_mistyped_name_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'convnext_large'"):
        find_backbone("convnext_larg")
