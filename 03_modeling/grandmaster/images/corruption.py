"""What people do to test pictures: a family of corruptions, drawn and applied at a picture's own resolution.

The family serves to read corruptions back (`eda.corruption_reading`): pictures are corrupted in known ways, and a
reader learns to tell which and how strongly. What training does with the result is a policy (`images.policy`), whose
transforms do the same on the square that a model is fed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from grandmaster.images.effects import blend, blur, crop, expose, noise_of, paste, stored, symmetry, warp
from grandmaster.images.resize import resized

Pixels = npt.NDArray[np.uint8]

# Pictures with a longer side than this, px, are reduced to it first; what was done to them before is as good as gone.
WORKING_SIDE = 640
# The symmetries of the square but the identity.
_FLIPS = ("h", "v", "r180", "t", "r90", "r270", "hvt")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One way of corrupting.

    Attributes:
        title: for people.
        unit: of its strength.
        bins: (low, high) strengths, from weak to strong; absent is not among them.
        part_of: the kind that this one is a detail of; it is present where that one is.
    """

    title: str
    unit: str
    bins: tuple[tuple[float, float], ...]
    part_of: str | None = None


KINDS: dict[str, Kind] = {
    "mixup": Kind(
        title="two pictures blended", unit="weight of the other", bins=((0.08, 0.2), (0.2, 0.35), (0.35, 0.5))
    ),
    "cutmix": Kind(
        title="a part of another picture pasted in",
        unit="share of the area",
        bins=((0.03, 0.15), (0.15, 0.45)),
    ),
    "flip": Kind(title="mirrored, upside down or transposed", unit="", bins=((1.0, 1.0),)),
    "crop": Kind(title="cropped", unit="share of each side that is left", bins=((0.55, 0.75), (0.75, 0.95))),
    "rotation": Kind(
        title="rotated",
        unit="degrees from the nearest right angle",
        bins=((3.0, 15.0), (15.0, 30.0), (30.0, 45.0)),
    ),
    "frame": Kind(
        title="frame after rotation",
        unit="1 kept, 2 enlarged",
        bins=((1.0, 1.0), (2.0, 2.0)),
        part_of="rotation",
    ),
    # Part gain, part offset: contrast changes with it. Contrast as a kind of its own made both hard to read.
    "exposure": Kind(
        title="brighter or darker",
        unit="stops",
        bins=((-0.8, -0.3), (-0.3, -0.1), (-0.1, -0.01), (0.01, 0.1), (0.1, 0.3), (0.3, 0.8)),
    ),
    "noise": Kind(
        title="noise", unit="grey levels", bins=((2.0, 6.0), (6.0, 11.0), (11.0, 18.0), (18.0, 30.0))
    ),
    "colour": Kind(
        title="colour of the noise",
        unit="share",
        bins=((0.0, 0.33), (0.33, 0.67), (0.67, 1.0)),
        part_of="noise",
    ),
    "blur": Kind(
        title="blur", unit="px, standard deviation", bins=((0.3, 0.7), (0.7, 1.2), (1.2, 1.8), (1.8, 3.0))
    ),
}
# Shares of absent and of each bin, absent first; sums to 1.
Shares = npt.NDArray[np.float64]
Prevalence = Mapping[str, Shares]


def broad_prevalence(present: float = 0.35) -> dict[str, Shares]:
    """Every kind in this share of pictures, every strength alike: where reading begins."""
    return {
        name: np.array([1 - present, *[present / len(kind.bins)] * len(kind.bins)])
        for name, kind in KINDS.items()
    }


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What is done to one picture.

    Attributes:
        strengths: of each kind that is present; unsigned angle for "rotation".
        bins: number of the bin of each kind, from 1; 0: absent.
        seed: of everything else (which flip, which way round, where the patch lies, the noise itself).
    """

    strengths: dict[str, float]
    bins: dict[str, int]
    seed: int


def draw(prevalence: Prevalence, rng: np.random.Generator) -> Draw:
    """Throw the dice for one picture: kinds independently of each other, strengths evenly within their bin."""
    strengths: dict[str, float] = {}
    bins: dict[str, int] = {}
    for name, kind in KINDS.items():
        shares = prevalence[name]
        if kind.part_of is None:
            place = int(rng.choice(len(shares), p=shares / shares.sum()))
        elif bins[kind.part_of]:
            detail = shares[1:] + 1e-9
            place = 1 + int(rng.choice(len(detail), p=detail / detail.sum()))
        else:
            place = 0
        bins[name] = place
        if place:
            strengths[name] = float(rng.uniform(*kind.bins[place - 1]))
    return Draw(strengths=strengths, bins=bins, seed=int(rng.integers(2**63)))


def corrupt(
    picture: Pixels, partner: Pixels, drawn: Draw, *, fill: int = 255, jpeg_quality: int | None = None
) -> Pixels:
    """Do to a picture what was drawn, in the order: mix, flip, crop, turn, light, noise and blur (either
    first), save.

    Args:
        picture, partner: uint8 RGB of any sizes; neither is changed.
        fill: grey level of what a rotation bares.
        jpeg_quality: of the file that test pictures are stored in; None: stored without loss.

    Returns:
        uint8 RGB; its size may differ from the picture's.
    """
    rng, strengths = np.random.default_rng(drawn.seed), drawn.strengths
    if "mixup" in strengths or "cutmix" in strengths:
        height, width = picture.shape[:2]
        other = resized(partner, width, height)
        if "mixup" in strengths:
            picture = blend(picture, other, strengths["mixup"])
        if "cutmix" in strengths:
            picture = paste(picture, other, strengths["cutmix"], rng)
    if "flip" in strengths:
        picture = symmetry(picture, _FLIPS[int(rng.integers(len(_FLIPS)))])
    if "crop" in strengths:
        picture = crop(picture, strengths["crop"], rng)
    picture = np.ascontiguousarray(picture)
    if "rotation" in strengths:
        picture = _turn(picture, strengths["rotation"], rng, enlarge=strengths["frame"] == 2.0, fill=fill)
    if "exposure" in strengths:
        picture = expose(picture, strengths["exposure"], gain_share=float(rng.random()))
    noisy_first = rng.random() < 0.5
    for step in ("noise", "blur") if noisy_first else ("blur", "noise"):
        if step == "blur" and "blur" in strengths:
            picture = blur(picture, strengths["blur"])
        elif step == "noise" and "noise" in strengths:
            picture = noise_of(picture, strengths["noise"], strengths["colour"], rng)
    return stored(picture, jpeg_quality)


def _turn(picture: Pixels, offset: float, rng: np.random.Generator, *, enlarge: bool, fill: int) -> Pixels:
    height, width = picture.shape[:2]
    angle = offset * (1 if rng.random() < 0.5 else -1) + 90 * int(rng.integers(0, 4))
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    wide, high = width, height
    if enlarge:
        cosine, sine = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
        wide, high = round(width * cosine + height * sine), round(width * sine + height * cosine)
        matrix[:, 2] += (wide - width) / 2, (high - height) / 2
    return warp(picture, matrix, (wide, high), fill)
