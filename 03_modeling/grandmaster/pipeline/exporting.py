"""From a fit of a run to files that need nothing of the run."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from grandmaster.competition.predictions import Predictions
from grandmaster.errors import UserError
from grandmaster.models import predict_exported
from grandmaster.models.exported import Exported, onnx_missing, write_exported, write_onnx
from grandmaster.pipeline.fitted import load_fitted
from grandmaster.storage import plain, read_json
from grandmaster.training.spec import FitSpec


def export_fit(fit: Path, target: Path) -> str:
    """Write a fit's best model to `target`: `model.safetensors`, `model.json`, `predict.py` and, where ONNX is at hand,
    `model.onnx`.

    Args:
        fit: the fit's folder.

    Returns:
        What was written and how it was checked, in a sentence.

    Raises:
        UserError: there is no finished fit in the folder, or what was written predicts otherwise.
    """
    if not (fit / "manifest.json").exists() or not (fit / "spec.json").exists():
        raise UserError(
            "no finished fit lies here", where=fit, fix="Fits of earlier versions cannot be exported."
        )
    spec = msgspec.convert(read_json(fit / "spec.json"), FitSpec)
    result = read_json(fit / "result.json")
    outputs = Predictions.load(fit / "oof.npz").outputs
    told = Exported(
        timm_name=spec.timm_name,
        model_args=spec.weights.model_args,
        cosine_scale=spec.loss.cosine_scale,
        outputs=outputs,
        head=spec.head,
        input_size=spec.input_size,
        store_size=spec.store_size,
        channels=spec.in_channels,
        mean=spec.weights.mean,
        std=spec.weights.std,
        facts={
            "fit": spec.digest,
            "backbone": spec.backbone,
            "fold": spec.fold,
            "metric": spec.metric,
            "score": result["score"],
            "parameters": result["parameters"],
            "weights": result["weights"],
            "licence": result["licence"],
        },
    )
    write_exported(target, load_fitted(spec, fit), msgspec.convert(plain(told), Exported))
    shutil.copyfile(predict_exported.__file__, target / "predict.py")
    written = "predict.py, model.safetensors (read back: predicts the same, bit for bit) and model.json"
    missing = onnx_missing()
    if missing is not None:
        return f"{written}; {missing}"
    return f"{written}, model.onnx (differs from torch by {write_onnx(target):.1g} at most)"
