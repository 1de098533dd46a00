"""Pictures and small competitions made on the fly."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from PIL import Image, ImageDraw, ImageFont

import grandmaster.eda.signature as signature_module
from grandmaster.competition.table import Competition

Pixels = npt.NDArray[np.uint8]
_FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
_LETTERS = "abcdefghijklmnopqrstuvwxyz     "


def photo(seed: int, width: int = 320, height: int = 240) -> Pixels:
    """Coloured shapes on a gradient, all different from seed to seed; uint8 RGB."""
    rng = random.Random(seed)
    image = Image.new("RGB", (width, height))
    y, x = np.mgrid[:height, :width]
    tones = [rng.randint(40, 200) for _ in range(3)]
    gradient = np.stack([tone * 0.6 + 60 * x / width + 40 * y / height for tone in tones], axis=-1)
    image = Image.fromarray(gradient.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(14):
        left, top = rng.randint(-20, width - 20), rng.randint(-20, height - 20)
        box = (left, top, left + rng.randint(20, 120), top + rng.randint(20, 100))
        colour = tuple(rng.randint(0, 235) for _ in range(3))
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)(box, fill=colour)
    return np.asarray(image)


def document(text_seed: int, *, changed_line: int | None = None) -> Pixels:
    """A form with 12 fields; the template is always the same, the text comes from the seed; uint8 RGB."""
    image = Image.new("RGB", (500, 640), "white")
    draw = ImageDraw.Draw(image)
    title, body = ImageFont.truetype(_FONT, 24), ImageFont.truetype(_FONT, 13)
    draw.text((110, 30), "Medical certificate", fill="black", font=title)
    rng = random.Random(text_seed)
    for line in range(12):
        y = 90 + 40 * line
        draw.line((40, y, 460, y), fill="black")
        draw.text((45, y + 8), f"Field number {line}:", fill="black", font=body)
        text = "".join(rng.choice(_LETTERS) for _ in range(26))
        draw.text((190, y + 8), text[::-1] if line == changed_line else text, fill="black", font=body)
    return np.asarray(image)


def rotated(pixels: Pixels, degrees: float, fill: int = 255) -> Pixels:
    """Turned about the middle inside the same canvas."""
    image = Image.fromarray(pixels)
    return np.asarray(image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(fill, fill, fill)))


def resized(pixels: Pixels, scale: float) -> Pixels:
    image = Image.fromarray(pixels)
    size = (round(image.width * scale), round(image.height * scale))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


def brighter(pixels: Pixels, factor: float) -> Pixels:
    return np.clip(pixels * factor, 0, 255).astype(np.uint8)


def save(path: Path, pixels: Pixels, **options: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def competition(root: Path, train: dict[str, int], test: list[str], suffix: str = ".jpg") -> Competition:
    """A competition over the files `root/train/<id><suffix>` and `root/test/<id><suffix>`; train: {id: label}."""
    classes = tuple(f"class {label}" for label in range(max(train.values()) + 1))
    frame = pd.DataFrame(
        {
            "id": list(train),
            "path": [str(root / "train" / f"{id_}{suffix}") for id_ in train],
            "label": list(train.values()),
        }
    )
    test_frame = pd.DataFrame(
        {"id": test, "path": [str(root / "test" / f"{id_}{suffix}") for id_ in test]}, dtype=object
    )
    return Competition(
        name="made up",
        root=root,
        layout="L1",
        understood=(),
        id_column="id",
        target_columns=("target",),
        classes=classes,
        class_names=tuple(name.title() for name in classes),
        train=frame.assign(group=frame["id"], row=frame["id"]),
        targets=frame["label"].to_numpy(np.int64),
        test=test_frame.assign(row=test_frame["id"]),
        sample_submission=pd.DataFrame({"id": test, "target": ["0"] * len(test)}),
        submission_format="hard_label",
        metric="macro_f1",
        metric_reason="test",
    )


def count_decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list to which the name of every picture is added that is decoded from now on."""
    decoded: list[str] = []
    decode = signature_module.decode_picture

    def counting(path: Path, data: bytes, **options: Any) -> Any:
        decoded.append(Path(path).name)
        return decode(path, data, **options)

    monkeypatch.setattr(signature_module, "decode_picture", counting)
    return decoded
