"""What a plan decides about augmentation, from what was read of the test set."""

from __future__ import annotations

from typing import Any

from grandmaster.competition.table import TargetKind
from grandmaster.config import Config
from grandmaster.images.class_groups import ClassPolicy, class_policies, find_class_groups
from grandmaster.images.operation import Operation
from grandmaster.images.policy import light_policy, needs_test_like, test_like_corruption, test_like_policy
from grandmaster.pipeline.plan import Decision
from grandmaster.texts import counted

# From this many fits on, two short ones before them are worth their time.
TRIAL_FITS = 4
# Share of the epochs of a whole fit, and the fewest: enough for a difference to show.
TRIAL_SHARE, TRIAL_FEWEST_EPOCHS = 0.3, 3


def choose_augmentation(
    shift: dict[str, Any], config: Config
) -> tuple[Decision[Any], tuple[Operation, ...], tuple[Operation, ...]]:
    """The policy's name with its reason, its operations, and the corruption of the second validation."""
    differ, evidence = needs_test_like(shift)
    corruption = test_like_corruption(shift) if differ else ()
    policy, reason = config.augmentation.policy, "as set"
    if policy == "auto":
        policy, reason = ("test_like" if differ else "light"), evidence
    operations: tuple[Operation, ...] = ()
    if policy == "light":
        operations = light_policy()
    elif policy == "test_like":
        operations = test_like_policy(shift)
    return Decision(value=policy, reason=reason), operations, corruption


def choose_trial(config: Config, *, test_like: bool, fits: int) -> Decision[bool]:
    if not test_like:
        return Decision(value=False, reason="no fitted policy to try")
    if config.augmentation.trial is not None:
        return Decision(value=config.augmentation.trial, reason="as set")
    if config.augmentation.policy != "auto":
        return Decision(value=False, reason="the policy is as set")
    if fits < TRIAL_FITS:
        return Decision(
            value=False,
            reason="two short fits would cost too much beside so few (augmentation.trial asks for them)",
        )
    return Decision(value=True, reason="two short fits tell whether it wins before many are trained with it")


def choose_class_policies(
    fingerprint: dict[str, Any],
    config: Config,
    kind: TargetKind,
    operations: tuple[Operation, ...],
    *,
    trial: bool,
) -> tuple[Decision[bool], tuple[ClassPolicy, ...]]:
    """Whether groups of classes have policies of their own, and which.

    Args:
        trial: whether short fits tell if they win.
    """

    def off(reason: str) -> tuple[Decision[bool], tuple[ClassPolicy, ...]]:
        return Decision(value=False, reason=reason), ()

    asked = config.augmentation.class_groups
    if asked is False:
        return off("as set")
    if kind != "multiclass":
        return off("only where a picture is of one class")
    if not operations:
        return off("nothing is done to training pictures")
    groups = find_class_groups(fingerprint)
    policies = class_policies(groups, operations, light_policy())
    if not policies:
        return off(f"no groups: {groups.kinds_reason}; {groups.minority_reason}")
    if not asked and not trial:
        names = "; ".join(f"{policy.name} ({counted(len(policy.classes), 'class')})" for policy in policies)
        return off(f"there are groups ({names}), but no trial to tell whether policies of their own win")
    reason = "as set" if asked else "a short fit tells whether they win"
    return Decision(value=True, reason=reason), policies


def trial_epochs(epochs: int) -> int:
    """Epochs of a short fit before fits of this many."""
    return min(epochs, max(TRIAL_FEWEST_EPOCHS, round(TRIAL_SHARE * epochs)))
