"""What a model gives its classifier, and other classifiers upon it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grandmaster.models.builder import build_model
from grandmaster.models.features import LinearHeads, penultimate
from grandmaster.models.registry import LARGE_SEVEN, SMALL
from grandmaster.models.weights import Weights

NONE = Weights(source="none", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
# As the large seven, a few blocks small; the first of timm's own for tests.
RELATIVES = ("test_convnext", "test_vit", "test_byobnet", "test_efficientnet", "test_mambaout", "test_resnet")


@pytest.mark.parametrize("name", [*RELATIVES, *(backbone.timm_name for backbone in SMALL.values())])
def test_the_classifier_on_it_says_what_the_model_says(name):
    torch.manual_seed(0)
    model = build_model(name, NONE, classes=5, input_size=64 if name not in RELATIVES else 160).eval()
    pictures = torch.randn(2, 3, 160, 160) if name in RELATIVES else torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        known = penultimate(model, pictures)
        classifier = model.get_classifier()
        assert known.ndim == 2
        assert torch.allclose(classifier(known), model(pictures), atol=1e-4)
        heads = LinearHeads(
            model, classifier.weight.detach().numpy().astype(np.float64)[:2], classifier.bias.numpy()[:2]
        )
        assert torch.allclose(heads(pictures), model(pictures)[:, :2], atol=1e-4)


@pytest.mark.parametrize("backbone", LARGE_SEVEN.values(), ids=lambda backbone: backbone.name)
def test_the_large_ones_have_it_too(backbone):
    with torch.device("meta"):
        model = build_model(backbone.timm_name, NONE, classes=5, input_size=backbone.input_size).eval()
        pictures = torch.empty(1, 3, backbone.input_size, backbone.input_size)
        assert penultimate(model, pictures).shape == (1, model.get_classifier().in_features)


def test_arcface_too():
    model = build_model("test_resnet", NONE, classes=5, input_size=64, cosine_scale=10.0).eval()
    pictures = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        known = penultimate(model, pictures)
        assert torch.allclose(model.get_classifier()(known), model(pictures), atol=1e-4)
