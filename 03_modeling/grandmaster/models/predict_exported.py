"""Predicts a folder of pictures with an exported model. Copied beside every exported model as `predict.py`, so it imports nothing
of the system: NumPy, OpenCV and Pillow, and ONNX Runtime where there is a `model.onnx`, else torch, timm and safetensors.

    python predict.py --pictures FOLDER --out values.csv

Pictures are made square as in training; JPEGs that training read at a reduced scale may differ in the last bits.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}


def square(picture: Any, size: int) -> Any:
    """(h, w, 3) -> (size, size, 3), as in training: bicubic, by a filter as wide as the reduction, where it is one worth it."""
    height, width = picture.shape[:2]
    if max(height, width) < 1.25 * size:
        return cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.array(Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC))


def read(path: Path, told: dict[str, Any]) -> Any:
    """A picture as the model takes it: float32 (3, side, side), red, green and blue of 0 to 255."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise SystemExit(f"error: cannot read {path}")
    picture = square(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), told["store_size"])
    return square(picture, told["input_size"]).transpose(2, 0, 1).astype(np.float32)


def load(folder: Path) -> tuple[Callable[[Any], Any], dict[str, Any]]:
    """Pictures float32 (b, 3, side, side) -> values float32 (b, outputs); and the content of `model.json`."""
    told: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if told["channels"] != 3:
        raise SystemExit("error: this model wants further images (masks), which this script does not read")
    try:
        if not (folder / "model.onnx").exists():
            raise ImportError
        import onnxruntime

        session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
        return lambda pictures: session.run(None, {"pictures": pictures})[0], told
    except ImportError:
        return _with_torch(folder, told), told


def _with_torch(folder: Path, told: dict[str, Any]) -> Callable[[Any], Any]:
    import timm
    import torch
    from safetensors.torch import load_file

    if told["cosine_scale"]:
        raise SystemExit(
            "error: a cosine classifier is not timm's; this model needs model.onnx and ONNX Runtime"
        )
    head, args = told["head"], dict(told["model_args"])
    config = timm.get_pretrained_cfg(told["timm_name"], allow_unregistered=True)
    if config is not None and config.fixed_input_size:
        args["img_size"] = told["input_size"]
    net = timm.create_model(told["timm_name"], num_classes=len(told["outputs"]), **args).eval()
    net.load_state_dict(load_file(folder / "model.safetensors"))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net.to(device)
    mean, std = (torch.tensor(told[name], device=device).view(1, 3, 1, 1) * 255 for name in ("mean", "std"))

    @torch.inference_mode()
    def predict(pictures: Any) -> Any:
        logits = net((torch.from_numpy(pictures).to(device) - mean) / std).float()
        if head["kind"] == "multiclass":
            logits = torch.nn.functional.logsigmoid(logits) if head["one_vs_all"] else logits
            return logits.softmax(dim=1).cpu().numpy()
        if head["kind"] == "multilabel":
            return logits.sigmoid().cpu().numpy()
        values = logits.cpu().numpy() * np.array(head["std"], np.float32) + np.array(head["mean"], np.float32)
        return values if head["low"] is None else values.clip(head["low"], head["high"])

    return predict


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--batch", type=int, default=16)
    options = parser.parse_args()
    predict, told = load(options.model)
    paths = sorted(path for path in options.pictures.rglob("*") if path.suffix.lower() in ENDINGS)
    with options.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["picture", *told["outputs"]])
        for start in range(0, len(paths), options.batch):
            part = paths[start : start + options.batch]
            values = predict(np.stack([read(path, told) for path in part]))
            for path, row in zip(part, values.tolist(), strict=True):
                writer.writerow([path.relative_to(options.pictures).as_posix(), *row])
    print(f"{len(paths)} pictures -> {options.out}")


if __name__ == "__main__":
    main()
