"""Losses against values computed by hand and against the references of others; weights and the ArcFace head."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from timm.loss import BinaryCrossEntropy
from torchvision.ops import sigmoid_focal_loss

from grandmaster.errors import UserError
from grandmaster.models.builder import build_model
from grandmaster.models.cosine import CosineClassifier
from grandmaster.models.head import Head
from grandmaster.models.weights import Weights
from grandmaster.training.losses import (
    KINDS,
    LARGEST_WEIGHT,
    USUAL,
    Loss,
    choose_loss,
    class_weights,
    loss_sum,
    with_margin,
)

CLASSES, LABELS = Head(kind="multiclass", outputs=3), Head(kind="multilabel", outputs=3)
LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, -2.0]])
HARD = CLASSES.encode(torch.tensor([0, 2]))
MIXED = torch.tensor([[0.7, 0.3, 0.0], [0.0, 0.4, 0.6]])
RANDOM = Weights(source="none", mean=(0.5,) * 3, std=(0.5,) * 3)


def value(head: Head, loss: Loss, targets: torch.Tensor, progress: float = 1.0, logits=LOGITS) -> float:
    return loss_sum(head, loss, logits, targets, progress=progress).item()


def test_the_usual_losses_are_those_of_the_kinds():
    chance = LOGITS.softmax(1)
    expected = -(chance[0, 0].log() + chance[1, 2].log()).item()
    assert value(CLASSES, Loss(name="cross_entropy"), HARD) == pytest.approx(expected, rel=1e-6)
    smoothed = 0.9 * expected - 0.1 * chance.log().mean(dim=1).sum().item()
    found = value(CLASSES, Loss(name="cross_entropy", smoothing=0.1), HARD)
    assert found == pytest.approx(smoothed, rel=1e-6)
    sets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    each = -(sets * LOGITS.sigmoid().log() + (1 - sets) * (1 - LOGITS.sigmoid()).log())
    for smoothing in (0.0, 0.1):  # not smoothed
        found = value(LABELS, Loss(name="bce", smoothing=smoothing), sets)
        assert found == pytest.approx(each.mean(dim=1).sum().item(), rel=1e-6)
    numbers = Head(kind="regression", outputs=3, mean=(50.0, 2.0, 0.0), std=(20.0, 0.5, 1.0))
    standard = numbers.encode(torch.tensor([[90.0, 1.5, 0.5], [50.0, 2.5, -2.0]]))
    assert torch.equal(standard, torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, -2.0]]))
    found = value(numbers, Loss(name="squared_error"), standard, logits=LOGITS + 0.3)
    assert found == pytest.approx(2 * 0.09, rel=1e-5)


def test_focal_loss_by_hand_and_for_mixed_pictures():
    chance = LOGITS.softmax(1).double()
    by_hand = -sum((1 - p) ** 1.5 * math.log(p) for p in (chance[0, 0], chance[1, 2]))
    assert value(CLASSES, Loss(name="focal", gamma=1.5), HARD) == pytest.approx(float(by_hand), rel=1e-6)
    mixed = -(MIXED * (1 - chance) ** 1.5 * chance.log()).sum().item()
    assert value(CLASSES, Loss(name="focal", gamma=1.5), MIXED) == pytest.approx(mixed, rel=1e-6)
    plain, weights = Loss(name="cross_entropy", smoothing=0.1), (0.5, 1.0, 2.0)
    for changes in ({}, {"class_weights": weights}):  # without its exponent it is cross-entropy
        as_plain = msgspec.structs.replace(plain, **changes)
        as_focal = msgspec.structs.replace(as_plain, name="focal", gamma=0.0)
        assert value(CLASSES, as_focal, MIXED) == pytest.approx(value(CLASSES, as_plain, MIXED), rel=1e-6)


def test_focal_loss_of_labels_is_torchvisions():
    sets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    expected = sigmoid_focal_loss(LOGITS, sets, alpha=-1, gamma=2.0, reduction="sum").item() / 3
    assert value(LABELS, Loss(name="focal", gamma=2.0), sets) == pytest.approx(expected, rel=1e-6)


def test_focal_loss_of_mixed_labels_is_least_where_the_chance_is_the_share():
    logits = torch.linspace(-4, 4, 801)[:, None]
    one = Head(kind="multilabel", outputs=1)
    losses = [value(one, Loss(name="focal"), torch.tensor([[0.3]]), logits=row[None]) for row in logits]
    assert logits[int(np.argmin(losses))].sigmoid().item() == pytest.approx(0.3, abs=0.01)


def test_one_against_all_is_timms():
    reference = BinaryCrossEntropy(smoothing=0.1, target_threshold=None)
    found = value(CLASSES, Loss(name="bce", smoothing=0.1), HARD)
    assert found == pytest.approx(2 * reference(LOGITS, torch.tensor([0, 2])).item(), rel=1e-6)
    soft = F.binary_cross_entropy_with_logits(LOGITS, MIXED, reduction="sum").item() / 3
    assert value(CLASSES, Loss(name="bce"), MIXED) == pytest.approx(soft, rel=1e-6)
    alone = [value(CLASSES, Loss(name="bce"), HARD[row : row + 1], logits=LOGITS[row : row + 1]) for row in (0, 1)]  # fmt: skip
    weighted = value(CLASSES, Loss(name="bce", class_weights=(0.5, 1.0, 2.0)), HARD)
    assert weighted == pytest.approx(0.5 * alone[0] + 2 * alone[1], rel=1e-6)


def test_chances_of_one_against_all_are_its_sigmoids_scaled_to_one():
    head = Head(kind="multiclass", outputs=3, one_vs_all=True)
    each = LOGITS.sigmoid()
    torch.testing.assert_close(head.activate(LOGITS), each / each.sum(dim=1, keepdim=True))
    far = head.activate(torch.tensor([[-200.0, -201.0, -300.0]]))
    assert far.sum().item() == pytest.approx(1.0)  # also where every sigmoid is 0 in float32


def test_weights_are_torchs():
    weights = (0.5, 1.0, 2.0)
    expected = F.cross_entropy(LOGITS, MIXED, torch.tensor(weights), reduction="sum", label_smoothing=0.1)
    found = value(CLASSES, Loss(name="cross_entropy", smoothing=0.1, class_weights=weights), MIXED)
    assert found == pytest.approx(expected.item(), rel=1e-6)


COSINES = torch.tensor([[0.8, -0.2, 0.1], [-0.99, 0.3, -0.97]])
ARC = Loss(name="arcface", scale=20.0, first_scale=5.0, margin=0.4, ramp=0.5)


def test_arcface_by_hand():
    logits = with_margin(20 * COSINES, HARD, ARC, 1.0)
    expected = 20 * COSINES.double()
    expected[0, 0] = 20 * math.cos(math.acos(0.8) + 0.4)
    # 0.97 is beyond pi - margin: straight on, still lower than without
    expected[1, 2] = 20 * (-0.97 - 0.4 * math.sin(0.4))
    torch.testing.assert_close(logits.double(), expected, rtol=1e-5, atol=1e-5)
    nll = F.cross_entropy(expected, torch.tensor([0, 2]), reduction="sum").item()
    assert value(CLASSES, ARC, HARD, logits=20 * COSINES) == pytest.approx(nll, rel=1e-5)


def test_advanced_is_focal_smoothed_and_arcface_at_once():
    loss = msgspec.structs.replace(ARC, name="advanced", smoothing=0.1, gamma=2.0)
    chance = with_margin(20 * COSINES, HARD, ARC, 1.0).double().softmax(1)
    smooth = 0.9 * HARD + 0.1 / 3
    expected = -(smooth * (1 - chance) ** 2 * chance.log()).sum().item()
    assert value(CLASSES, loss, HARD, logits=20 * COSINES) == pytest.approx(expected, rel=1e-4)


def test_margin_and_scale_rise_and_stay():
    def first(progress: float) -> float:
        return with_margin(20 * COSINES, HARD, ARC, progress)[0, 0].item()

    angle = math.acos(0.8)
    assert first(0.0) == pytest.approx(5 * 0.8, rel=1e-5)
    assert first(0.25) == pytest.approx(12.5 * math.cos(angle + 0.2), rel=1e-5)
    assert first(0.5) == first(0.9) == pytest.approx(20 * math.cos(angle + 0.4), rel=1e-5)
    at_once = msgspec.structs.replace(ARC, ramp=0.0)
    assert with_margin(20 * COSINES, HARD, at_once, 0.0)[0, 0].item() == first(1.0)


def test_a_mixed_picture_has_the_margin_of_each_class_by_its_share():
    found = with_margin(20 * COSINES[:1], MIXED[:1], ARC, 1.0)[0] / 20
    angles = torch.acos(COSINES[0]) + torch.tensor([0.28, 0.12, 0.0])
    torch.testing.assert_close(found, angles.cos(), rtol=1e-5, atol=1e-5)


def test_validation_pictures_are_judged_without_margin_weights_and_smoothing():
    loss = msgspec.structs.replace(ARC, smoothing=0.1, class_weights=(1.0, 2.0, 3.0))
    plain = F.cross_entropy(20 * COSINES, HARD, reduction="sum").item()
    assert value(CLASSES, loss.judged, HARD, 0.0, 20 * COSINES) == pytest.approx(plain, rel=1e-5)
    assert value(CLASSES, loss, HARD, 1.0, 20 * COSINES) > 1.05 * plain


@pytest.mark.parametrize("name", KINDS)
def test_gradients_are_finite_at_the_extremes(name):
    kind = KINDS[name][0]
    head = Head(kind=kind, outputs=3, mean=(0.0,) * 3, std=(1.0,) * 3)
    loss = Loss(name=name, scale=30.0, smoothing=0.1)
    for targets in (HARD, MIXED):
        logits = torch.tensor([[30.0, -30.0, 0.0], [-30.0, 30.0, 30.0]], requires_grad=True)
        loss_sum(head, loss, logits, targets).backward()
        assert logits.grad is not None
        assert torch.isfinite(logits.grad).all()


def test_a_loss_for_other_targets_is_refused_by_name():
    assert {kind: choose_loss("auto", kind) for kind in USUAL} == USUAL
    assert choose_loss("arcface", "multiclass") == "arcface"
    with pytest.raises(UserError, match=r"arcface is not for regression targets .*auto or squared_error"):
        choose_loss("arcface", "regression")
    with pytest.raises(UserError, match=r"advanced is not for multilabel targets .*auto or focal or bce"):
        choose_loss("advanced", "multilabel")


def test_class_weights_follow_the_effective_number_up_to_a_bound():
    counts = [1000, 100, 100, 2, 0]
    weights = class_weights(counts)
    assert weights[1] / weights[0] == pytest.approx((1 - 0.999**1000) / (1 - 0.999**100), rel=1e-6)
    assert weights[1] == weights[2]
    assert weights[3] / weights[0] == pytest.approx(LARGEST_WEIGHT)
    assert weights[4] == weights[3]  # a class that this fold does not have
    assert np.average(weights, weights=counts) == pytest.approx(1.0)
    assert class_weights([30, 30]) == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext"])
def test_the_cosine_head_takes_the_classifiers_place(name):
    torch.manual_seed(0)
    model = build_model(name, RANDOM, classes=5, input_size=32, cosine_scale=12.0).eval()
    head = model.get_classifier()
    assert isinstance(head, CosineClassifier)
    linear = set(build_model(name, RANDOM, classes=5, input_size=32).state_dict())
    assert set(model.state_dict()) < linear
    (bias,) = linear - set(model.state_dict())
    assert bias.endswith("bias")
    pictures = torch.rand(4, 3, 32, 32)
    features = model.forward_head(model.forward_features(pictures), pre_logits=True)
    expected = 12 * F.cosine_similarity(features[:, None], head.weight[None], dim=-1)
    torch.testing.assert_close(model(pictures), expected, rtol=1e-4, atol=1e-4)


def test_cosines_stay_float32_under_mixed_precision():
    head = CosineClassifier(64, 4, 30.0)
    features = torch.randn(3, 64)
    with torch.autocast("cpu", torch.bfloat16):
        found = head(features)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, head(features))


def test_a_model_without_one_linear_layer_at_its_end_is_refused():
    with pytest.raises(UserError, match="does not end in one linear layer"):
        build_model("deit_tiny_distilled_patch16_224", RANDOM, classes=5, input_size=224, cosine_scale=12.0)
