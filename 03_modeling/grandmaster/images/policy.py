"""Which operations, how often and how strong: read from what the test set looks like beside the train set."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from grandmaster.images.operation import Operation

_LEVELS = (0.05, 0.25, 0.50, 0.75, 0.95)
# A shift that concerns fewer test pictures than this does not pay for changing all training pictures.
_NOTABLE = 0.10
# Gradient energy within 5 degrees of the axes when all directions are equally frequent: 20 of 180 degrees.
_NO_ALIGNMENT = 20 / 180


def light_policy() -> tuple[Operation, ...]:
    """For natural pictures whose test set looks like the train set."""
    return (
        Operation(
            name="RandomResizedCrop",
            probability=0.8,
            params={"scale": (0.7, 1.0), "ratio": (0.85, 1.18)},
            reason="framing varies between photos",
        ),
        Operation(name="HorizontalFlip", probability=0.5, reason="left and right mean the same in photos"),
        Operation(
            name="RandomBrightnessContrast",
            probability=0.5,
            params={"brightness_limit": (-0.15, 0.15), "contrast_limit": (-0.15, 0.15)},
            reason="lighting varies between photos",
        ),
        Operation(
            name="HueSaturationValue",
            probability=0.3,
            params={"hue_shift_limit": (-6, 6), "sat_shift_limit": (-20, 20), "val_shift_limit": (-10, 10)},
            reason="white balance varies between cameras",
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Shift:
    """How test differs from train in one respect.

    Attributes:
        share: share of test pictures that must have been changed, 0 to 1.
        text: the numbers behind it.
        change: difference of the means in the statistic's unit, without what another shift explains; only for
            exposure.
    """

    share: float
    text: str
    change: float = 0.0


def shifts(fingerprint: Mapping[str, Any]) -> dict[str, Shift]:
    """What was done to the test pictures, by kind: rotation, blur, noise, exposure, contrast.

    The share comes from the distributions, not from their means: if test is a mixture of pictures like train
    and changed ones, then at every threshold t the changed are at least (F_train(t) - F_test(t)) / F_train(t) of
    it, and the largest of these bounds is taken (only quantiles are stored, so F_train is interpolated). The difference that chance alone makes at 95 % (Kolmogorov-Smirnov,
    two samples) is taken off first, so two samples of one source give 0.
    """
    train, test = fingerprint["train"], fingerprint["test"]
    if not (train["count"] and test["count"]):
        return {}
    chance = 1.36 * math.sqrt(1 / train["count"] + 1 / test["count"])

    def pair(name: str) -> tuple[Mapping[str, float], Mapping[str, float]]:
        return train["statistics"][name], test["statistics"][name]

    def share(name: str, side: Literal["above", "below"]) -> float:
        return _changed_share(*pair(name), side, chance)

    def text(name: str) -> str:
        before, after = pair(name)
        return f"{name} {before['mean']:.4g} in train, {after['mean']:.4g} in test"

    found = {"rotation": _rotation(pair("corner_fill"), pair("axis_alignment"), chance)}
    found["blur"] = Shift(share=share("sharpness", "below"), text=text("sharpness"))
    found["noise"] = Shift(share=share("noise", "above"), text=text("noise"))
    # Corners filled by rotation are bright too: what they explain is not exposure.
    before, after = pair("brightness")
    gain = _fill_gain(found["rotation"].share, before["mean"], fingerprint.get("fill_value", 255))
    corrected = {key: after[key] - gain for key in after}
    brighter = _changed_share(before, corrected, "above", chance)
    darker = _changed_share(before, corrected, "below", chance)
    found["exposure"] = Shift(
        share=max(brighter, darker),
        text=f"{text('brightness')}, of which filled corners explain {gain:+.1f}",
        change=corrected["mean"] - before["mean"],
    )
    found["contrast"] = Shift(share=share("contrast", "below"), text=text("contrast"))
    return found


def needs_test_like(fingerprint: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether training pictures should be changed to look like the test set, and why."""
    notable = {name: shift for name, shift in shifts(fingerprint).items() if shift.share >= _NOTABLE}
    if notable:
        parts = (f"{name} in about {shift.share:.0%} ({shift.text})" for name, shift in notable.items())
        return True, f"test pictures differ from train: {'; '.join(parts)}"
    if not fingerprint["test"]["count"]:
        return False, "there are no test pictures to compare with"
    return False, f"test pictures look like train: no measured change concerns {_NOTABLE:.0%} of them or more"


def test_like_policy(fingerprint: Mapping[str, Any]) -> tuple[Operation, ...]:
    """Operations that make train look like test; `light_policy` where they look alike already.

    Args:
        fingerprint: content of fingerprint.json.
    """
    found = {name: shift for name, shift in shifts(fingerprint).items() if shift.share >= _NOTABLE}
    if not found:
        return light_policy()
    train, test = fingerprint["train"]["statistics"], fingerprint["test"]["statistics"]
    operations: list[Operation] = []

    if "rotation" in found:
        rotation = found["rotation"]
        operations += [
            Operation(
                name="FilledRotation",
                probability=_probability(rotation.share),
                params={"angle_range": (-180.0, 180.0), "fill": int(fingerprint.get("fill_value", 255))},
                reason=f"about {rotation.share:.0%} of test pictures are turned: {rotation.text}",
            ),
            Operation(
                name="D4",
                probability=0.5,
                reason="whoever turns pictures flips and transposes them too, which no statistic shows",
            ),
        ]
    else:
        operations += [
            item for item in light_policy() if item.name in ("RandomResizedCrop", "HorizontalFlip")
        ]

    operations += _lighting(found, train, test)
    operations.append(
        Operation(
            name="CoarseDropout",
            probability=0.15,
            params={
                "num_holes_range": (1, 4),
                "hole_height_range": (0.05, 0.2),
                "hole_width_range": (0.05, 0.2),
                "fill": "random_uniform",
            },
            reason="patches and stickers hide parts; mild, because no statistic measures them",
        )
    )
    if "blur" in found:
        ratio = _typical_ratio(train["sharpness"], test["sharpness"], found["blur"].share)
        typical = max(_sigma_of_ratio(ratio), 0.4)
        operations.append(
            Operation(
                name="ScaledBlur",
                probability=_probability(found["blur"].share),
                params={"sigma_range": (round(typical / 4, 2), round(1.75 * typical, 2))},
                reason=f"about {found['blur'].share:.0%} of test pictures are blurred: {found['blur'].text}",
            )
        )
    if "noise" in found:
        strong = math.sqrt(max(test["noise"]["q95"] ** 2 - train["noise"]["q50"] ** 2, 1.0))
        strong = min(strong, 25.0)
        operations.append(
            Operation(
                name="PixelNoise",
                probability=_probability(found["noise"].share),
                # White paper clips half of the noise, and then half of what was added is measured.
                params={"sigma_range": (round(strong / 4, 2), round(2 * strong, 2))},
                reason=f"about {found['noise'].share:.0%} of test pictures are noisy: {found['noise'].text}",
            )
        )
    return tuple(operations)


# A name that begins with "test" is collected as a test wherever it is imported into a test file.
test_like_policy.__test__ = False  # type: ignore[attr-defined]


def _lighting(
    found: Mapping[str, Shift], train: Mapping[str, Any], test: Mapping[str, Any]
) -> list[Operation]:
    """Exposure and contrast towards the test set's, or mild where they are alike."""
    share = max((found[name].share for name in ("exposure", "contrast") if name in found), default=0.3)
    probability = _probability(share)
    low, high, flattest, reasons = -0.1, 0.1, -0.1, []
    if "exposure" in found:
        # Ends of the range, in parts of 255, so that the mean moves as far as it did from train to test.
        middle = found["exposure"].change / 255 / probability
        low, high = min(low, max(2 * middle - high, -0.5)), max(high, min(2 * middle - low, 0.5))
        reasons.append(found["exposure"].text)
    if "contrast" in found:
        ratio = _typical_ratio(train["contrast"], test["contrast"], found["contrast"].share)
        flattest = float(np.clip(2 * (ratio - 1), -0.7, -0.1))
        reasons.append(found["contrast"].text)
    operations = [
        Operation(
            name="RandomBrightnessContrast",
            probability=probability,
            params={
                "brightness_limit": (round(low, 2), round(high, 2)),
                "contrast_limit": (round(flattest, 2), 0.15),
            },
            reason="; ".join(reasons) or "light differs a little between any two pictures",
        )
    ]
    if "exposure" in found:
        operations.append(
            Operation(
                name="RandomGamma",
                probability=0.3,
                params={"gamma_limit": (60, 110) if high > -low else (90, 170)},
                reason=f"over- and under-exposure bend the tones: {found['exposure'].text}",
            )
        )
    return operations


def _rotation(
    corners: tuple[Mapping[str, float], Mapping[str, float]],
    alignment: tuple[Mapping[str, float], Mapping[str, float]],
    chance: float,
) -> Shift:
    """Share of turned pictures from filled corners, and from edges that no longer follow the axes.

    Filled corners are the surer sign, but cannot show where train's corners are plain already (documents on
    white); lost alignment can, but noise looks a little like it, so it only counts where corners agree or are mute.
    """
    filled = _changed_share(*corners, "above", chance)
    askew = 0.0
    if (alignment[0]["mean"] or 0.0) > 1.5 * _NO_ALIGNMENT:
        askew = _changed_share(*alignment, "below", chance)
    corners_can_tell = corners[0]["q50"] < 0.5
    share = (max(filled, askew) if filled >= _NOTABLE / 2 else filled) if corners_can_tell else askew
    text = f"filled corners {corners[0]['mean']:.2f} in train, {corners[1]['mean']:.2f} in test"
    if None not in (alignment[0]["mean"], alignment[1]["mean"]):
        text += f"; edges along the axes {alignment[0]['mean']:.2f}, {alignment[1]['mean']:.2f}"
    return Shift(share=share, text=text)


def _changed_share(
    train: Mapping[str, float], test: Mapping[str, float], side: Literal["above", "below"], chance: float
) -> float:
    """Share of test that lies on one side of where train lies; see `shifts`."""
    if any(statistic["q50"] is None for statistic in (train, test)):
        return 0.0  # not measurable: pictures without an edge have no alignment
    before, after = _quantiles(train), _quantiles(test)
    # Only where test's distribution is known exactly: that of changed and unchanged pictures has steps, between
    # which interpolation goes wrong.
    in_train = np.interp(after, before, _LEVELS)
    in_test = np.interp(after, after, _LEVELS)
    if side == "below":
        in_train, in_test = 1 - in_train, 1 - in_test
    usable = in_train >= 0.25  # below that a small error of the estimate becomes a large one of the share
    lost = np.maximum(in_train - in_test - chance, 0.0)
    return float(np.max(lost[usable] / in_train[usable], initial=0.0))


def _quantiles(statistic: Mapping[str, float]) -> npt.NDArray[np.float64]:
    return np.array([statistic[f"q{round(level * 100):02d}"] for level in _LEVELS])


def _probability(share: float) -> float:
    """A little more than the share, which is found by lower bounds; every picture is seen in many epochs."""
    return round(min(max(share + 0.1, 0.3), 0.9), 2)


def _fill_gain(rotated: float, brightness: float, fill: float) -> float:
    """Mean brightness gained by filling what rotation bares: 12 % of the picture.

    Over all angles, a square turned within its own frame bares 11 % of it on average, and 36 % of a frame that
    grows to hold it. Of their mean, half is counted: the margins of many pictures are plain already.
    """
    return rotated * 0.12 * (fill - brightness)


def _typical_ratio(train: Mapping[str, float], test: Mapping[str, float], share: float) -> float:
    """By what factor the lowest `share` of test lies below train.

    If those are the changed pictures, test's quantile at level l is theirs at l / share, which is compared with
    train's; the median over the levels.
    """
    before, after = _quantiles(train), _quantiles(test)
    levels = [level for level in _LEVELS if level <= share * _LEVELS[-1]] or [_LEVELS[0]]
    expected = np.interp(np.array(levels) / share, _LEVELS, before)
    return float(np.median(np.interp(levels, _LEVELS, after) / np.maximum(expected, 1e-6)))


@functools.cache
def _blur_table() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(sigma, ratio of Laplacian variances) for Gaussian blur of natural pictures, power ~ 1 / frequency^2."""
    frequency = 2 * np.pi * np.fft.fftfreq(128)
    u, v = np.meshgrid(frequency, frequency)
    squared = u**2 + v**2
    power = np.divide(1.0, squared, out=np.zeros_like(squared), where=squared > 0)
    energy = power * (4 - 2 * np.cos(u) - 2 * np.cos(v)) ** 2
    sigma = np.linspace(0.0, 3.0, 61)
    ratio = np.array([(energy * np.exp(-squared * s**2)).sum() for s in sigma])
    return sigma, ratio / ratio[0]


def _sigma_of_ratio(ratio: float) -> float:
    """Sigma, px at the fingerprint's size, that lowers the Laplacian variance to `ratio` of what it was."""
    sigma, table = _blur_table()
    return float(np.interp(-ratio, -table, sigma))
