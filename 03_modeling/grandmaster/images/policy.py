"""Which operations, how often and how strong: read from what was found to have been done to the test pictures.

Everything here is a pure function of `shift.json`, which `eda.shift_report` writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grandmaster.images.corruption import KINDS
from grandmaster.images.operation import Operation

# Below this lower bound of the AUC, train and test count as alike.
ALIKE_AUC = 0.60
# A kind that concerns fewer test pictures than this is not worth changing all training pictures for.
NOTABLE_SHARE = 0.05
# A reader that does worse on simulated pictures cannot support a claim of its own.
READABLE_AUC = 0.65
# Nor can one that sees the corruption in training pictures too: what it reads in test may be what pictures are like.
TRUSTED_CLEAN_SHARE = 0.1
# Of JPEG: losses above this quality are hardly seen, and this much less than in training is another way of storing.
LOSSY_QUALITY, LOSSIER_BY = 85, 10
# Share of a noise's colour that files with halved colour channels (4:2:0, what JPEG encoders do by default) keep.
JPEG_COLOUR_KEPT = 0.1
# With this share of rotations, flips are taken for granted even where they cannot be read.
ROTATED_SHARE = 0.3
# Weight of offsets over 15 degrees beyond which pictures may lie any way.
ANY_WAY_WEIGHT = 0.2


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
            name="ColourShift",
            probability=0.3,
            params={"hue": (-12, 12), "saturation": (0.8, 1.2), "brightness": (-10, 10)},
            reason="white balance varies between cameras",
        ),
    )


def found_kinds(shift: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The kinds of corruption that the test pictures surely show, of `shift["reading"]["kinds"]`."""
    reading = shift.get("reading")
    if not reading:
        return {}
    return {
        name: kind
        for name, kind in reading["kinds"].items()
        if kind["low"] >= NOTABLE_SHARE / 2
        and kind["share"] >= NOTABLE_SHARE
        and kind["auc"] >= READABLE_AUC
        and kind["clean"] <= TRUSTED_CLEAN_SHARE
    }


def lossier(shift: Mapping[str, Any]) -> bool:
    """Whether test files are JPEGs of clearly lower quality than training files, by their headers."""
    kept = shift.get("stored")
    return bool(
        kept
        and kept["test"]["share"] >= NOTABLE_SHARE
        and kept["test"]["median"] <= LOSSY_QUALITY
        and kept["test"]["median"] <= kept["train"]["median"] - LOSSIER_BY
    )


def needs_test_like(shift: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether training pictures should be changed to look like the test set, and why.

    Args:
        shift: content of shift.json.
    """
    told = shift.get("adversarial")
    if not told:
        return False, shift.get("reason", "train and test were not compared")
    figure = f"a classifier tells train from test with AUC {told['auc']:.3f} ({told['low']:.3f}-{told['high']:.3f})"
    if told["low"] < ALIKE_AUC:
        return False, f"no shift: {figure}"
    found = found_kinds(shift)
    if not found and not lossier(shift):
        by = ", ".join(item["name"] for item in told["features"][:3])
        return False, f"{figure}, by {by}, but by nothing that augmentation could imitate"
    parts = [
        f"{KINDS[name].title} {kind['share']:.0%}"
        for name, kind in sorted(found.items(), key=lambda item: -item[1]["share"])
        if KINDS[name].part_of is None
    ]
    parts += ["compression"] if lossier(shift) else []
    text = f"{figure}; found in test: {', '.join(parts)}"
    if found:
        after = shift["reading"]["fitted"]
        text += f"; with these, AUC {after['auc']:.3f} ({after['low']:.3f}-{after['high']:.3f})"
    return True, text


def test_like_corruption(shift: Mapping[str, Any]) -> tuple[Operation, ...]:
    """What was found, and nothing else, as operations on the square that a model is fed; empty where nothing was.

    Args:
        shift: content of shift.json.
    """
    found = found_kinds(shift)
    operations: list[Operation] = []

    def add(name: str, kind: str, reason: str = "", **params: Any) -> None:
        share = found[kind]["share"]
        operations.append(
            Operation(
                name=name,
                probability=round(min(share, 1.0), 3),
                params=params,
                reason=reason or _evidence(kind, found),
            )
        )

    for kind, name in (("mixup", "MixUp"), ("cutmix", "CutMix")):
        if kind in found:
            add(name, kind, levels=_levels(found[kind]))
    rotated = found.get("rotation")
    # D4 draws the identity once in eight.
    flipped = min(1.0, found["flip"]["share"] * 8 / 7) if "flip" in found else 0.0
    reasons = [_evidence("flip", found)] if "flip" in found else []
    if rotated and rotated["share"] >= ROTATED_SHARE and flipped < 0.5:
        flipped = 0.5
        reasons.append(
            "whoever turns pictures flips them too; once turned, that can hardly be read: at least half"
        )
    if flipped:
        operations.append(Operation(name="D4", probability=round(flipped, 3), reason="; ".join(reasons)))
    if "crop" in found:
        add("CropShare", "crop", levels=_levels(found["crop"]))
    if rotated:
        enlarged = shift["reading"]["kinds"]["frame"]["levels"]
        steep = sum(weight for low, _, weight in rotated["levels"] if low >= 15)
        add(
            "FilledRotation",
            "rotation",
            levels=_levels(rotated),
            quarter_turns=steep >= ANY_WAY_WEIGHT,
            expand_probability=round(enlarged[-1][2], 3),
            fill=int(shift.get("fill_value", 255)),
        )
    if "exposure" in found:
        add("Exposure", "exposure", levels=_levels(found["exposure"]))
    if "blur" in found:
        add("ScaledBlur", "blur", levels=_levels(found["blur"]))
    if "noise" in found:
        details = shift["reading"]["kinds"]["colour"]["levels"]
        colour = sum(weight * (low + high) / 2 for low, high, weight in details)
        colour = colour if not shift.get("jpeg_quality") else colour * JPEG_COLOUR_KEPT
        add("PixelNoise", "noise", levels=_levels(found["noise"]), colour=round(colour, 3))
    if lossier(shift):
        before, after = shift["stored"]["train"], shift["stored"]["test"]
        of_train = f"quality {before['median']}" if before["share"] else "no JPEGs"
        operations.append(
            Operation(
                name="StoredAsJpeg",
                probability=round(after["share"], 3),
                params={"levels": [[after["low"], after["high"], 1.0]]},
                reason=f"compression: {after['share']:.0%} of test files are JPEGs of quality {after['low']} to "
                f"{after['high']}, training files {of_train}; read from the headers",
            )
        )
    return tuple(operations)


def test_like_policy(shift: Mapping[str, Any]) -> tuple[Operation, ...]:
    """Operations for training that make train look like test; `light_policy` where they look alike already.

    Args:
        shift: content of shift.json.
    """
    operations = test_like_corruption(shift)
    if not operations:
        return light_policy()
    if not has_framing(operations):
        framing = tuple(
            item for item in light_policy() if item.name in ("RandomResizedCrop", "HorizontalFlip")
        )
        operations = after_mixing(operations, framing)
    return operations


def has_framing(operations: Sequence[Operation]) -> bool:
    """Whether a fitted policy says how pictures lie in the test set; another framing would contradict it."""
    return any(operation.name in ("FilledRotation", "D4", "CropShare") for operation in operations)


def after_mixing(operations: Sequence[Operation], more: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """With `more` before all that move pixels; two pictures are mixed as they are."""
    mixing = sum(operation.name in ("MixUp", "CutMix") for operation in operations)
    return (*operations[:mixing], *more, *operations[mixing:])


# A name that begins with "test" is collected as a test wherever it is imported into a test file.
test_like_policy.__test__ = False  # type: ignore[attr-defined]
test_like_corruption.__test__ = False  # type: ignore[attr-defined]


def _levels(kind: Mapping[str, Any]) -> list[list[float]]:
    """(low, high, weight) of the strengths that were found; those of a negligible weight are left out."""
    return [list(level) for level in kind["levels"] if level[2] >= 0.02] or [list(kind["levels"][0])]


def _evidence(name: str, found: Mapping[str, Mapping[str, Any]]) -> str:
    kind, about = found[name], KINDS[name]
    strengths: Sequence[Sequence[float]] = kind["levels"]
    text = f"{about.title}: {kind['share']:.0%} of test pictures ({kind['low']:.0%}-{kind['high']:.0%})"
    if about.unit:
        parts = ", ".join(f"{low:g} to {high:g} {w:.0%}" for low, high, w in strengths if w >= 0.02)
        text += f"; {about.unit}: {parts}"
    return f"{text}; read with AUC {kind['auc']:.2f} on simulated pictures"
