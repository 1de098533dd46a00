"""Transforms that bring another picture in, with its further images and its share of the label."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from grandmaster.images.effects import blend, paste
from grandmaster.images.levels import Levels, checked_levels, draw_level
from grandmaster.images.quiet_albumentations import A
from grandmaster.images.resize import resized


class Mixing(A.ImageOnlyTransform):
    """Another picture comes into this one: asks for it as `data["partner"]()`, tells the share it took to `data["mixed"]`.

    Args:
        levels: (low, high, weight) each: share of the other, and how often.
    """

    def __init__(self, levels: Levels = ((0.1, 0.5, 1.0),), p: float = 0.5) -> None:
        super().__init__(p=p)
        self.levels = checked_levels(levels, 0.0, 1.0)

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        share, seed = draw_level(self.levels, self.py_random), self.py_random.getrandbits(63)
        partner = data.get("partner")
        if partner is None:  # nobody to mix with
            return {"share": 0.0, "partner": None, "seed": seed}
        data["mixed"].append(share)
        return {"share": share, "partner": partner(), "seed": seed}

    def apply(
        self,
        img: npt.NDArray[np.uint8],
        share: float = 0.0,
        partner: npt.NDArray[np.uint8] | None = None,
        seed: int = 0,
        **params: Any,
    ) -> npt.NDArray[np.uint8]:
        if partner is None:
            return img
        return self._mixed(img, np.ascontiguousarray(partner[..., :3]), share, seed)

    def apply_to_mask(
        self,
        mask: npt.NDArray[np.uint8],
        share: float = 0.0,
        partner: npt.NDArray[np.uint8] | None = None,
        seed: int = 0,
        **params: Any,
    ) -> npt.NDArray[np.uint8]:
        """The partner's further images come in as it does."""
        if partner is None:
            return mask
        other = partner[..., 3:]
        return np.concatenate(
            [
                self._mixed(
                    np.ascontiguousarray(mask[..., place]),
                    np.ascontiguousarray(other[..., place]),
                    share,
                    seed,
                )[..., None]
                for place in range(mask.shape[2])
            ],
            axis=2,
        )

    @property
    def targets(self) -> dict[str, Any]:
        """What is given to which function: the mask too, unlike in all else that does not move pixels."""
        return {**super().targets, "mask": self.apply_to_mask}

    def _mixed(
        self, img: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8], share: float, seed: int
    ) -> npt.NDArray[np.uint8]:
        if other.shape != img.shape:
            other = resized(other, img.shape[1], img.shape[0])
        return self.mix(img, other, share, np.random.default_rng(seed))

    def mix(
        self, img: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8], share: float, rng: np.random.Generator
    ) -> npt.NDArray[np.uint8]:
        raise NotImplementedError


class MixUp(Mixing):
    """Two pictures through one another (Zhang et al., ICLR 2018), before anything else is done to them."""

    def mix(
        self, img: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8], share: float, rng: np.random.Generator
    ) -> npt.NDArray[np.uint8]:
        return blend(img, other, share)


class CutMix(Mixing):
    """A rectangle of another picture, or the whole of it made small, pasted in (Yun et al., ICCV 2019)."""

    def mix(
        self, img: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8], share: float, rng: np.random.Generator
    ) -> npt.NDArray[np.uint8]:
        return paste(img, other, share, rng)
