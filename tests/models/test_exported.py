"""Exported models: what is read back, and what ONNX Runtime says, is what the model said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from grandmaster.errors import UserError
from grandmaster.images.normalise import to_input
from grandmaster.models import exported
from grandmaster.models.exported import Exported, Predictor, read_exported, write_exported, write_onnx
from grandmaster.models.head import Head

HEADS = {
    "multiclass": Head(kind="multiclass", outputs=3),
    "one against all": Head(kind="multiclass", outputs=3, one_vs_all=True),
    "multilabel": Head(kind="multilabel", outputs=3),
    "ordinal": Head(kind="ordinal", outputs=1, mean=(1.2,), std=(0.8,), low=0.0, high=2.0),
    "regression": Head(kind="regression", outputs=2, mean=(500.0, 2.0), std=(200.0, 0.5)),
}


def describe(kind: str = "multiclass", **changes: object) -> Exported:
    head = HEADS[kind]
    values = {
        "timm_name": "test_resnet",
        "model_args": {},
        "cosine_scale": 0.0,
        "outputs": tuple(f"output {number}" for number in range(head.outputs)),
        "head": head,
        "input_size": 32,
        "store_size": 37,
        "channels": 3,
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "facts": {"score": 0.9},
    }
    return Exported(**(values | changes))  # type: ignore[arg-type]


def write(folder: Path, told: Exported) -> torch.nn.Module:
    torch.manual_seed(3)
    net = told.build()
    write_exported(folder, net, told)
    return net


@pytest.mark.parametrize("kind", HEADS)
def test_what_is_read_back_predicts_what_a_run_predicts_bit_for_bit(tmp_path, kind):
    told = describe(kind, channels=4, cosine_scale=16.0 if kind == "multiclass" else 0.0)
    net = write(tmp_path / "model", told)
    again, known = read_exported(tmp_path / "model")
    assert known == told
    pictures = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (5, 4, 32, 32), np.uint8))
    with torch.inference_mode():
        expected = told.head.activate(net(to_input(pictures, told.mean, told.std, device="cpu")))
        assert torch.equal(again(pictures), expected)


def test_files_that_predict_otherwise_are_not_passed_over(tmp_path, monkeypatch):
    original = exported.save
    spoilt = lambda tensors: original({name: value + 1e-3 for name, value in tensors.items()})  # noqa: E731
    monkeypatch.setattr(exported, "save", spoilt)
    with pytest.raises(UserError, match="predicts otherwise"):
        write(tmp_path / "model", describe(model_args={}))


@pytest.mark.parametrize("damage", ["model.json", "model.safetensors"])
def test_a_damaged_file_is_one_clear_error(tmp_path, damage):
    write(tmp_path / "model", describe())
    path = tmp_path / "model" / damage
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match=damage if damage == "model.json" else "not an exported model"):
        read_exported(tmp_path / "model")


def test_without_onnx_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    write(tmp_path / "model", describe())
    monkeypatch.setattr(exported, "_absent", lambda name: name == "onnxruntime")
    with pytest.raises(UserError, match=r"onnxruntime cannot be imported; pip install onnx onnxruntime"):
        write_onnx(tmp_path / "model")


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_onnx_predicts_the_same_for_any_number_of_pictures(tmp_path, kind):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    told = describe(kind)
    write(tmp_path / "model", told)
    assert write_onnx(tmp_path / "model") <= exported.TOLERANCE
    session = onnxruntime.InferenceSession(
        str(tmp_path / "model" / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    pictures = np.random.default_rng(1).integers(0, 256, (7, 3, 32, 32)).astype(np.float32)
    (found,) = session.run(None, {"pictures": pictures})
    predictor, _ = read_exported(tmp_path / "model")
    with torch.inference_mode():
        expected = predictor(torch.from_numpy(pictures)).numpy()
    assert found.shape == (7, told.head.outputs)
    assert np.allclose(found, expected, atol=1e-4 * max(told.head.std or (1,)))


def test_an_onnx_file_that_differs_is_refused_and_not_left(tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    write(tmp_path / "model", describe())
    monkeypatch.setattr(exported, "TOLERANCE", -1.0)
    with pytest.raises(UserError, match="would predict otherwise"):
        write_onnx(tmp_path / "model")
    assert not (tmp_path / "model" / "model.onnx").exists()


def test_the_predictor_normalises_as_training_does():
    told = describe()
    predictor = Predictor(torch.nn.Identity(), told)
    picture = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
    expected = to_input(picture, told.mean, told.std, device="cpu")
    assert torch.equal((picture.float() - predictor.mean) / predictor.std, expected)
