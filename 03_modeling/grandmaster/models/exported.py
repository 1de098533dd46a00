"""A trained model as files that need nothing of a run: safetensors, JSON of all that prediction needs, ONNX."""

from __future__ import annotations

import importlib
import tempfile
import warnings
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from grandmaster.errors import UserError
from grandmaster.models.builder import build_model
from grandmaster.models.head import Head
from grandmaster.models.weights import Weights
from grandmaster.storage import read_json, write_atomic, write_json

WEIGHTS, DESCRIPTION, ONNX = "model.safetensors", "model.json", "model.onnx"
# What ONNX Runtime's arithmetic may differ from torch's, in the model's values (of numbers: times their spread).
TOLERANCE = 1e-4
OPSET = 17
_INPUT, _OUTPUT = "pictures", "values"


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be known of a model to predict with it; the content of `model.json`.

    Attributes:
        timm_name, model_args: what to build with timm.
        cosine_scale: of its cosine classifier; 0: a linear one.
        outputs: names of the values, in order; classes for multiclass.
        head: what they mean.
        input_size: side of the square input, px. Aspect ratios are not kept; pictures shrink by averaging.
        store_size: side that pictures had before they were made that small, px.
        channels: of the input: red, green and blue, and those of further images.
        mean, std: of channels scaled to 0..1, (channels,) or repeated in turn.
        facts: where it comes from and what it scored.
    """

    format: int = 1
    timm_name: str
    model_args: dict[str, Any]
    cosine_scale: float
    outputs: tuple[str, ...]
    head: Head
    input_size: int
    store_size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    facts: dict[str, Any]

    def build(self) -> nn.Module:
        """The bare network, from random weights, in evaluation mode."""
        weights = Weights(source="none", mean=self.mean, std=self.std, model_args=self.model_args)
        net = build_model(
            self.timm_name,
            weights,
            classes=len(self.outputs),
            input_size=self.input_size,
            in_channels=self.channels,
            cosine_scale=self.cosine_scale,
        )
        return net.eval()


class Predictor(nn.Module):
    """From the bytes of pictures to values: normalisation, network, activation.

    (b, channels, side, side) of 0 to 255, any number type -> float32 (b, outputs): probabilities, or values in the target's
    own unit.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, told: Exported) -> None:
        super().__init__()
        self.net, self._head = net, told.head
        for name, values in (("mean", told.mean), ("std", told.std)):
            repeated = [values[place % len(values)] for place in range(told.channels)]
            self.register_buffer(name, torch.tensor(repeated).view(1, -1, 1, 1) * 255, persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        values: Tensor = self._head.activate(self.net((pictures.float() - self.mean) / self.std))
        return values


def write_exported(folder: Path, net: nn.Module, told: Exported) -> None:
    """Write `model.safetensors` and `model.json`, read them back, and see that they predict the same, bit for bit.

    Raises:
        UserError: they do not.
    """
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in net.state_dict().items()}
    write_atomic(folder / WEIGHTS, save(tensors))
    write_json(folder / DESCRIPTION, told)
    again, _ = read_exported(folder)
    pictures = torch.from_numpy(_noise(told, 3))
    with torch.inference_mode():
        first, second = Predictor(net, told).eval()(pictures), again(pictures)
    if not torch.equal(first, second):
        away = float((first - second).abs().max())
        raise UserError(
            f"the model read back from its files predicts otherwise, by up to {away:.2g}", where=folder
        )


def read_exported(folder: Path) -> tuple[Predictor, Exported]:
    """The model that `write_exported` wrote.

    Raises:
        UserError: a file is missing or does not belong to the other.
    """
    try:
        told = msgspec.convert(read_json(folder / DESCRIPTION), Exported)
        net = told.build()
        net.load_state_dict(load_file(folder / WEIGHTS))
    except (msgspec.ValidationError, SafetensorError, OSError, RuntimeError) as error:
        raise UserError(f"not an exported model: {str(error).splitlines()[0]}", where=folder) from error
    return Predictor(net, told).eval(), told


def onnx_missing() -> str | None:
    """What is to be installed for ONNX, as one sentence; None: nothing."""
    missing = [name for name in ("onnx", "onnxruntime") if _absent(name)]
    if not missing:
        return None
    return f"no ONNX file: {' and '.join(missing)} cannot be imported; pip install onnx onnxruntime"


def _absent(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return True
    return False


def write_onnx(folder: Path) -> float:
    """Write `model.onnx` of an exported model, for any number of pictures, and see that ONNX Runtime predicts the same.

    Its input "pictures" is float32 (b, channels, side, side) of 0 to 255, its output "values" float32 (b, outputs):
    normalisation and activation are inside.

    Returns:
        The largest difference from torch, of `TOLERANCE` at most.

    Raises:
        UserError: the packages are missing, torch cannot export this model, or values differ; there is no file then.
    """
    missing = onnx_missing()
    if missing is not None:
        raise UserError(missing, where=folder / ONNX)
    predictor, told = read_exported(folder)
    path = folder / ONNX
    path.unlink(missing_ok=True)
    try:
        with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
            partly = Path(place) / ONNX
            # That this exporter is old; the new one (dynamo) needs another package, takes longer, and fails for BEiT.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                predictor,
                (torch.from_numpy(_noise(told, 2)),),
                partly,
                dynamo=False,
                opset_version=OPSET,
                input_names=[_INPUT],
                output_names=[_OUTPUT],
                dynamic_axes={_INPUT: {0: "batch"}, _OUTPUT: {0: "batch"}},
            )
            content = partly.read_bytes()
    except Exception as error:
        raise UserError(
            f"torch cannot export {told.timm_name} to ONNX: {str(error).splitlines()[0]}",
            where=path,
            fix="Use model.safetensors.",
        ) from error
    away = _difference(content, predictor.eval(), told)
    if not away <= TOLERANCE:
        raise UserError(
            f"the ONNX file would predict otherwise than the model, by up to {away:.2g} (allowed: {TOLERANCE:g})",
            where=path,
            fix="It was not written; use model.safetensors.",
        )
    write_atomic(path, content)
    return away


def _difference(content: bytes, predictor: Predictor, told: Exported) -> float:
    """Largest difference on batches of several sizes, of numbers in units of their spread."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    spread = np.array(told.head.std or (1.0,), np.float64)
    away = 0.0
    for count in (1, 3, 8):
        pictures = _noise(told, count)
        (found,) = session.run([_OUTPUT], {_INPUT: pictures})
        with torch.inference_mode():
            expected = predictor(torch.from_numpy(pictures)).numpy()
        if found.shape != expected.shape:
            return float("inf")
        away = max(away, float((np.abs(found - expected) / spread).max()))
    return away


def _noise(told: Exported, count: int) -> npt.NDArray[np.float32]:
    """Pictures of noise, blurred so that some of them are smooth."""
    rng = np.random.default_rng(count)
    shape = (count, told.channels, told.input_size, told.input_size)
    noise = rng.integers(0, 256, shape).astype(np.float32)
    low = rng.integers(0, 256, (count, told.channels, 1, 1)).astype(np.float32)
    share = np.linspace(0, 1, count, dtype=np.float32).reshape(-1, 1, 1, 1)
    return np.round(noise * share + low * (1 - share)).astype(np.float32)
