"""Embeddings of a backbone whose weights lie at hand, or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from grandmaster.config import Config
from grandmaster.pipeline.embedding import find_embedder
from grandmaster.settings import with_settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights under the name of a small backbone."""
    path = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_file(timm.create_model("resnet10t", num_classes=10).state_dict(), path / "resnet10t.safetensors")
    return path


def config(folder: Path | None, *changes: str) -> Config:
    where = [] if folder is None else [f"model.weights_dir={folder}"]
    return with_settings(Config(), [*where, "model.pretrained=true", *changes])


def test_without_weights_at_hand_there_is_none(folder: Path, tmp_path: Path) -> None:
    assert find_embedder(config(None), "cpu") is None
    assert find_embedder(config(tmp_path / "missing"), "cpu") is None
    assert find_embedder(config(tmp_path), "cpu") is None
    assert find_embedder(config(folder, "model.pretrained=false"), "cpu") is None


def test_pictures_of_any_size_are_embedded_in_their_order(folder: Path) -> None:
    embed = find_embedder(config(folder), "cpu")
    assert embed is not None
    assert embed.name == "resnet10t"
    rng = np.random.default_rng(0)
    sizes = [(40 + 3 * number, 60) for number in range(66)]  # more than one batch
    pictures = [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    pictures[65] = pictures[0]
    found = embed(pictures)
    assert found.shape == (66, 512)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[65], found[0], atol=1e-4)
    np.testing.assert_allclose(embed(pictures[3:5]), found[3:5], atol=1e-4)
    assert np.abs(found[3] - found[4]).max() > 1e-2


def test_doubtful_weights_are_passed_over(folder: Path, tmp_path: Path) -> None:
    """Two files for one backbone, another architecture's content for the next: comparing goes on with the third."""
    tensors = timm.create_model("resnet10t", num_classes=10).state_dict()
    for name in ("mobilenetv2_100.a", "mobilenetv2_100.b", "resnet18"):
        save_file(tensors, tmp_path / f"{name}.safetensors")
    assert find_embedder(config(tmp_path), "cpu") is None
    (tmp_path / "resnet10t.safetensors").write_bytes((folder / "resnet10t.safetensors").read_bytes())
    found = find_embedder(config(tmp_path), "cpu")
    assert found is not None
    assert found.name == "resnet10t"
