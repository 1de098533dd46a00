"""What is minimised: losses by name, one number a picture, all for targets that may be mixed.

Targets are shares of classes (b, outputs), as `Head.encode` and MixUp make them. With smoothing e of C classes a
share t counts as (1 - e) t + e / C (Szegedy et al. 2016); only multiclass targets are smoothed, for it would lift the
probability of every rare label of a multilabel target.

Where a teacher is learnt from (Hinton et al. 2015, knowledge distillation), targets are (b, 2 outputs): the labels, then
what the teacher says. The loss is then `true_share` times that of the labels, and for the rest the cross-entropy between
teacher and student, both softened by the temperature T, times T^2, which keeps the size of its gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor

from grandmaster.config import LossName
from grandmaster.errors import UserError
from grandmaster.models.head import Head, TargetKind

# A class may count this many times as much as the most frequent one.
LARGEST_WEIGHT = 10.0
_BETA = 0.999  # of the effective number of pictures
_LEAST = 1e-7  # keeps powers and roots differentiable at 0

UsedLoss = Literal["cross_entropy", "focal", "bce", "arcface", "advanced", "squared_error"]

# What `auto` means.
USUAL: dict[TargetKind, UsedLoss] = {
    "multiclass": "cross_entropy",
    "multilabel": "bce",
    "ordinal": "squared_error",
    "regression": "squared_error",
}


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """One loss with all its numbers.

    Attributes:
        smoothing: of multiclass targets, 0 to 1.
        gamma: focal: how much less a picture counts that is right already; 0: as without.
        scale, first_scale: ArcFace: of the logits, and from where it rises to that.
        margin: ArcFace: angle, radians, by which a picture must be nearer to its class than it has to be.
        ramp: ArcFace: share of all steps over which margin (from 0) and scale (from `first_scale`) rise, linearly.
        class_weights: of multiclass targets, one a class; empty: all 1.
        temperature: by which logarithms of chances are divided before student and teacher are compared.
        true_share: of the labels in the loss, 0 to 1, where there is a teacher.
    """

    name: UsedLoss
    smoothing: float = 0.0
    gamma: float = 2.0
    scale: float = 30.0
    first_scale: float = 30.0
    margin: float = 0.3
    ramp: float = 0.3
    class_weights: tuple[float, ...] = ()
    temperature: float = 1.0
    true_share: float = 1.0

    @property
    def cosine_scale(self) -> float:
        """Scale of the cosine head that this loss needs; 0: it needs a linear one."""
        return self.scale if self.name in ("arcface", "advanced") else 0.0

    @property
    def judged(self) -> Loss:
        """The same without what only helps learning (smoothing, margin, weights), for validation pictures."""
        return msgspec.structs.replace(
            self, smoothing=0.0, margin=0.0, first_scale=self.scale, class_weights=()
        )


def choose_loss(name: LossName, kind: TargetKind) -> UsedLoss:
    """The loss to use for this kind of target.

    Raises:
        UserError: a loss that is for other targets.
    """
    if name == "auto":
        return USUAL[kind]
    if kind not in KINDS[name]:
        fitting = ["auto", *(known for known, kinds in KINDS.items() if kind in kinds)]
        raise UserError(
            f"{name} is not for {kind} targets", where="training.loss", fix=f"Choose {' or '.join(fitting)}."
        )
    return name


def loss_sum(
    head: Head,
    loss: Loss,
    logits: Tensor,
    targets: Tensor,
    *,
    progress: float = 1.0,
    weights: Tensor | None = None,
) -> Tensor:
    """The loss, summed over the pictures, in float32.

    Args:
        logits: (b, outputs).
        targets: (b, outputs), as `Head.encode` gives them, perhaps mixed; (b, 2 outputs) where there is a teacher.
        progress: share of all optimiser steps that are done, for what rises during training.
        weights: how much each picture counts, (b,); None: all the same.
    """
    logits, taught = logits.float(), targets[:, head.outputs :]
    each = LOSSES[loss.name](head, loss, logits, targets[:, : head.outputs], progress)
    if taught.shape[1]:
        each = loss.true_share * each + (1 - loss.true_share) * _taught(head, loss, logits, taught)
    return (each if weights is None else each * weights).sum()


def _taught(head: Head, loss: Loss, logits: Tensor, taught: Tensor) -> Tensor:
    """How far the student is from its teacher, (b,). Standardised values have no temperature."""
    if head.estimates:
        return F.mse_loss(logits, taught, reduction="none").mean(dim=1)
    t = loss.temperature
    if head.kind == "multilabel":
        softened = (taught.clamp(_LEAST, 1 - _LEAST).logit() / t).sigmoid()
        return t**2 * F.binary_cross_entropy_with_logits(logits / t, softened, reduction="none").mean(dim=1)
    own = (F.logsigmoid(logits) if head.one_vs_all else logits) / t
    softened = (taught.clamp(min=_LEAST).log() / t).softmax(dim=1)
    return t**2 * F.cross_entropy(own, softened, reduction="none")


def _cross_entropy(head: Head, loss: Loss, logits: Tensor, targets: Tensor, progress: float) -> Tensor:
    weights = logits.new_tensor(loss.class_weights) if loss.class_weights else None
    return F.cross_entropy(logits, targets, weights, label_smoothing=loss.smoothing, reduction="none")


def _focal(head: Head, loss: Loss, logits: Tensor, targets: Tensor, progress: float) -> Tensor:
    """Lin et al. 2017, without alpha (`class_weights` are for that).

    Multiclass: the sum of t (1 - p)^gamma (-log p). Multilabel, the mean of the labels: |t - p|^gamma times binary
    cross-entropy, which is Lin's for targets 0 and 1 and has its minimum at p = t for those between (Li et al. 2020).
    """
    if head.kind == "multilabel":
        away = (targets - logits.sigmoid()).abs().clamp(min=_LEAST)
        each = away**loss.gamma * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        return each.mean(dim=1)
    log_chance = logits.log_softmax(dim=1)
    missed = (1 - log_chance.exp()).clamp(min=_LEAST)
    return (_weighted(_smoothed(targets, loss), loss) * missed**loss.gamma * -log_chance).sum(dim=1)


def _bce(head: Head, loss: Loss, logits: Tensor, targets: Tensor, progress: float) -> Tensor:
    """Each class against all others, the mean of them (for multiclass: Wightman et al. 2021, ResNet strikes back)."""
    if head.kind == "multilabel":
        return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=1)
    each = F.binary_cross_entropy_with_logits(logits, _smoothed(targets, loss), reduction="none")
    if loss.class_weights:  # the picture's, also for what it is not
        each = each * _weighted(targets, loss).sum(dim=1, keepdim=True)
    return each.mean(dim=1)


def _arcface(head: Head, loss: Loss, logits: Tensor, targets: Tensor, progress: float) -> Tensor:
    """Deng et al. 2019: cross-entropy of logits with an angular margin."""
    return _cross_entropy(head, loss, with_margin(logits, targets, loss, progress), targets, progress)


def _advanced(head: Head, loss: Loss, logits: Tensor, targets: Tensor, progress: float) -> Tensor:
    """Focal loss of smoothed targets on ArcFace's logits, all three at once."""
    return _focal(head, loss, with_margin(logits, targets, loss, progress), targets, progress)


def _squared_error(head: Head, loss: Loss, logits: Tensor, targets: Tensor, progress: float) -> Tensor:
    """Of standardised values, the mean of the columns."""
    return F.mse_loss(logits, targets, reduction="none").mean(dim=1)


def with_margin(logits: Tensor, targets: Tensor, loss: Loss, progress: float) -> Tensor:
    """`scale * cos` of a cosine head -> the logits that ArcFace trains with at this point of the training.

    The angle to a class is widened by the margin times the class's share in the picture: the whole margin for a
    picture of one class, the part of each for a mixed one. Beyond pi - margin, where the cosine would rise again, it
    goes on in a straight line, as in Deng et al.'s own code.
    """
    risen = min(1.0, progress / loss.ramp) if loss.ramp > 0 else 1.0
    scale = loss.first_scale + (loss.scale - loss.first_scale) * risen
    margin = loss.margin * risen * targets
    cosine = logits / loss.scale
    # The square root's slope is infinite at 0, and a cosine may round to more than 1.
    sine = (1 - cosine.square()).clamp(min=_LEAST).sqrt()
    wider = cosine * margin.cos() - sine * margin.sin()
    wider = torch.where(cosine > (math.pi - margin).cos(), wider, cosine - margin * margin.sin())
    return scale * torch.where(margin > 0, wider, cosine)


def class_weights(counts: list[int]) -> tuple[float, ...]:
    """Weights against imbalance, from the pictures of each class in the training fold.

    The inverse of the effective number (1 - b^n) / (1 - b) of Cui et al. 2019 with b = 0.999: of n pictures of a class
    the later ones add less than the first. Scaled so that the mean over pictures is 1, which leaves the size of
    gradients as it was; no class counts more than `LARGEST_WEIGHT` times as much as the most frequent one.
    """
    effective = [(1 - _BETA ** max(1, count)) / (1 - _BETA) for count in counts]
    least = 1 / max(effective)
    weights = [min(1 / number, LARGEST_WEIGHT * least) for number in effective]
    mean = sum(weight * count for weight, count in zip(weights, counts, strict=True)) / sum(counts)
    return tuple(weight / mean for weight in weights)


def _smoothed(targets: Tensor, loss: Loss) -> Tensor:
    return targets * (1 - loss.smoothing) + loss.smoothing / targets.shape[1]


def _weighted(targets: Tensor, loss: Loss) -> Tensor:
    return targets * targets.new_tensor(loss.class_weights) if loss.class_weights else targets


LOSSES: dict[str, Callable[[Head, Loss, Tensor, Tensor, float], Tensor]] = {
    "cross_entropy": _cross_entropy,
    "focal": _focal,
    "bce": _bce,
    "arcface": _arcface,
    "advanced": _advanced,
    "squared_error": _squared_error,
}
# Targets that each is for.
KINDS: dict[str, tuple[TargetKind, ...]] = {
    "cross_entropy": ("multiclass",),
    "focal": ("multiclass", "multilabel"),
    "bce": ("multiclass", "multilabel"),
    "arcface": ("multiclass",),
    "advanced": ("multiclass",),
    "squared_error": ("ordinal", "regression"),
}
assert LOSSES.keys() == KINDS.keys()
