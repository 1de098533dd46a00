"""Augmentation: a policy (list of operations) made into a function of (picture, seed)."""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from grandmaster.errors import UserError, did_you_mean
from grandmaster.images.mixing import mix_batch
from grandmaster.images.operation import Operation
from grandmaster.images.policy import light_policy, needs_test_like, test_like_corruption, test_like_policy
from grandmaster.images.resize import to_square

__all__ = [
    "Augmentation",
    "Operation",
    "build_augmentation",
    "light_policy",
    "mix_batch",
    "needs_test_like",
    "test_like_corruption",
    "test_like_policy",
]


class Augmentation:
    """Applies operations; the result depends on picture and seed alone, in whatever process or order.

    Can be pickled. Not to be called from two threads at once.
    """

    def __init__(self, transforms: list[Any], size: int) -> None:
        from grandmaster.images.quiet_albumentations import A

        self.size = size
        # Further images hold amounts, not numbers of classes: half covered is a value between.
        self._composition = A.Compose(transforms, mask_interpolation=cv2.INTER_LINEAR)

    def __call__(
        self,
        image: npt.NDArray[np.uint8],
        seed: int,
        *,
        aspect: float = 1.0,
        side: float | None = None,
        partner: Callable[[], npt.NDArray[np.uint8]] | None = None,
    ) -> tuple[npt.NDArray[np.uint8], float]:
        """Augment one picture.

        What moves pixels or mixes pictures does the same to all channels. What changes colours, sharpness or noise
        changes red, green and blue only.

        Args:
            image: uint8, shape (H, W, c): red, green and blue, then further images; it is not changed.
            seed: decides everything random, >= 0.
            aspect: width / height that the picture had before it was resized.
            side: longer side that it had, px; None: as it is now.
            partner: gives the picture to mix in, of the same shape, when a mixing operation asks for it; None: such
                operations do nothing.

        Returns:
            uint8, shape (size, size, c), never sharing memory with `image`; and the share of it that is the
            partner's, 0 to 1.
        """
        given = image.shape[0]
        if min(image.shape[:2]) > 1.5 * self.size:
            image = to_square(image, self.size)  # averages; the transforms' own interpolation would alias
        # Not `set_random_seed`: that gives each transform a generator of its own with the same seed, so all of
        # them throw the same dice and are applied together or not at all.
        self._composition.set_random_state(np.random.default_rng(seed), random.Random(seed))
        mixed: list[float] = []
        known: dict[str, Any] = {} if side is None else {"side": side}
        if image.shape[2] > 3:
            known["mask"] = np.ascontiguousarray(image[..., 3:])
        made = self._composition(
            image=image if image.shape[2] == 3 else np.ascontiguousarray(image[..., :3]),
            aspect=aspect,
            given=given,
            partner=partner,
            mixed=mixed,
            **known,
        )
        result = (
            made["image"] if "mask" not in made else np.concatenate([made["image"], made["mask"]], axis=2)
        )
        # Mixed twice with the same partner, it has what the second mixing took and what is left of the first.
        own = math.prod(1 - share for share in mixed)
        return (result.copy() if np.may_share_memory(result, image) else result), 1 - own


def build_augmentation(operations: Sequence[Operation], size: int) -> Augmentation:
    """Make a policy callable.

    Operations that move pixels or mix pictures and stand first see the picture as it is given, and then it is made
    `size` px; the others run at that size.

    Args:
        operations: applied in this order, each with its probability.
        size: side of the results, px.

    Raises:
        UserError: an operation is unknown or its arguments are wrong; names it.
    """
    from grandmaster.images.mixing_transforms import Mixing
    from grandmaster.images.quiet_albumentations import A
    from grandmaster.images.transforms import Fit

    transforms = [_transform(operation, size) for operation in operations]
    first = next(
        (row for row, item in enumerate(transforms) if not isinstance(item, A.DualTransform | Mixing)),
        len(transforms),
    )
    return Augmentation([*transforms[:first], Fit(size), *transforms[first:], Fit(size)], size)


def _transform(operation: Operation, size: int) -> Any:
    from grandmaster.images.fast_transforms import FAST_TRANSFORMS
    from grandmaster.images.quiet_albumentations import A
    from grandmaster.images.transforms import OWN_TRANSFORMS

    where = f"augmentation operation {operation.name!r}"
    known: dict[str, Any] = {
        name: item
        for name, item in vars(A).items()
        if inspect.isclass(item)
        and issubclass(item, (A.ImageOnlyTransform, A.DualTransform))
        and not inspect.isabstract(item)
    }
    known |= OWN_TRANSFORMS | FAST_TRANSFORMS
    if operation.name not in known:
        near = did_you_mean(operation.name, known)
        fix = near if near.startswith("Did") else "Use a class name of albumentations 2.0.8."
        raise UserError("there is no such transform", where=where, fix=fix)
    factory = known[operation.name]
    accepted = set(inspect.signature(factory).parameters) - {"p"}
    for name in operation.params:
        if name not in accepted:
            raise UserError(f"unknown argument {name!r}", where=where, fix=did_you_mean(name, accepted))
    params = dict(operation.params)
    if "size" in accepted and "size" not in params:
        params["size"] = size if operation.name in OWN_TRANSFORMS else (size, size)
    if "InitSchema" in vars(getattr(A, operation.name, factory)):
        params["strict"] = True  # otherwise wrong values can end in a warning and albumentations' defaults
    try:
        return factory(**params, p=operation.probability)
    except (ValueError, TypeError) as error:
        text = " ".join(str(error).split())
        raise UserError(
            f"wrong arguments: {text}", where=where, fix="Correct its params in the plan."
        ) from error
