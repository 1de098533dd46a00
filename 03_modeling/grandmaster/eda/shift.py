"""How the test pictures differ from the training pictures, in numbers and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from grandmaster.eda.statistics import NAMES

ShiftSize = Literal["none", "small", "medium", "large"]

# Cohen, "Statistical Power Analysis for the Behavioral Sciences" (1988), for differences in standard deviations.
SMALL, MEDIUM, LARGE = 0.2, 0.5, 0.8
# With few pictures a difference arises by chance; it has to exceed this many of its standard errors.
STANDARD_ERRORS = 3.0
# Where a statistic has no spread at all (all pictures one size), any difference would be infinite.
MAX_DIFFERENCE = 10.0
_QUARTILES_PER_SIGMA = 1.349  # distance of the quartiles of a normal distribution, in standard deviations

# What a test picture is "more" and "less" of, for the sentence.
_WORDS: dict[str, tuple[str, str]] = {
    "brightness": ("brighter", "darker"),
    "contrast": ("richer in contrast", "poorer in contrast"),
    "sharpness": ("sharper", "blurrier"),
    "noise": ("noisier", "less noisy"),
    "overexposed": ("more overexposed", "less overexposed"),
    "corner_fill": ("more often filled in the corners (as by rotation)", "less often filled in the corners"),
    "axis_alignment": ("better aligned with the axes", "less aligned with the axes (as by rotation)"),
    "width": ("wider", "narrower"),
    "height": ("taller", "less tall"),
    "aspect": ("wider in shape", "narrower in shape"),
    "bytes": ("larger as files", "smaller as files"),
}


@dataclass(frozen=True, kw_only=True)
class Shift:
    """One statistic, train against test.

    Attributes:
        name: of the statistic, as in the fingerprint.
        train_mean: mean over readable training pictures.
        test_mean: mean over readable test pictures.
        difference: test minus train in standard deviations (Cohen's d), within +-`MAX_DIFFERENCE`.
        size: "none" where it is under `SMALL` or could be chance.
        sentence: the same in plain English.
    """

    name: str
    train_mean: float
    test_mean: float
    difference: float
    size: ShiftSize
    sentence: str


def describe_shift(fingerprint: dict[str, Any]) -> list[Shift]:
    """Every statistic that both splits have, in the fingerprint's order.

    Args:
        fingerprint: the content of `fingerprint.json`.
    """
    train, test = fingerprint["train"], fingerprint["test"]
    shifts = []
    for name in NAMES:
        one, two = train["statistics"][name], test["statistics"][name]
        if one["mean"] is None or two["mean"] is None:
            continue
        difference = standardised_difference(one, two)
        # For two groups of equal spread the standard error of d near 0 is this.
        chance = STANDARD_ERRORS * math.sqrt(1 / train["count"] + 1 / test["count"])
        size = "none" if abs(difference) < chance else shift_size(difference)
        shifts.append(
            Shift(
                name=name,
                train_mean=one["mean"],
                test_mean=two["mean"],
                difference=difference,
                size=size,
                sentence=_sentence(name, one["mean"], two["mean"], difference, size),
            )
        )
    return shifts


def standardised_difference(train: dict[str, float], test: dict[str, float]) -> float:
    """Test minus train in standard deviations, positive where test is higher.

    Two estimates are made and the larger is taken. Means and standard deviations see a change in a part of
    the pictures; means and deviations estimated from the quartiles (Wan et al., BMC Medical Research
    Methodology, 2014) see a change of the bulk that a few extreme pictures would drown. Where the two point
    in different directions the means, which are also what is shown, have it.
    """
    by_moments = _ratio(test["mean"] - train["mean"], math.hypot(train["std"], test["std"]) / math.sqrt(2))
    quartile_means = [(part["q25"] + part["q50"] + part["q75"]) / 3 for part in (train, test)]
    spreads = [(part["q75"] - part["q25"]) / _QUARTILES_PER_SIGMA for part in (train, test)]
    if 0.0 in spreads:  # most pictures are equal, so the quartiles do not tell how far the others spread
        return by_moments
    by_quartiles = _ratio(quartile_means[1] - quartile_means[0], math.hypot(*spreads) / math.sqrt(2))
    return max(by_moments, by_quartiles, key=abs) if by_moments * by_quartiles > 0 else by_moments


def _ratio(difference: float, spread: float) -> float:
    # Equal values have a rounding error in place of a spread.
    if abs(difference) <= 1e-9 * max(1.0, spread):
        return 0.0
    return math.copysign(min(MAX_DIFFERENCE, abs(difference) / max(spread, 1e-12)), difference)


def shift_size(difference: float) -> ShiftSize:
    """Cohen's word for a difference in standard deviations."""
    size = abs(difference)
    return "none" if size < SMALL else "small" if size < MEDIUM else "medium" if size < LARGE else "large"


def _sentence(name: str, train: float, test: float, difference: float, size: ShiftSize) -> str:
    figures = f"{name} {_figure(train)} in train, {_figure(test)} in test"
    if size == "none":
        return f"No shift worth acting on: {figures}."
    words = _WORDS[name][0 if difference > 0 else 1]
    return f"Test pictures are {words}: {figures}, a {size} shift (d = {difference:+.2f})."


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
