"""Where weights come from, and that they are really loaded."""

from __future__ import annotations

import json
import math
import socket
import time

import pytest
import timm
import torch
from safetensors.torch import save_file

from grandmaster.errors import UserError
from grandmaster.models import weights as weights_module
from grandmaster.models.builder import build_model
from grandmaster.models.registry import Backbone, find_backbone
from grandmaster.models.weights import Weights, architectures_at_hand, find_weights, hub_reachable

TINY = Backbone(name="test_resnet", timm_name="test_resnet.r160_in1k", input_size=64)
NONE = Weights(source="none", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(3)
    model = timm.create_model("test_resnet", num_classes=1000)
    save_file(model.state_dict(), tmp_path / "test_resnet.r160_in1k.safetensors")
    return tmp_path


def test_a_file_is_found_by_name_and_loaded_with_a_new_head(folder):
    found = find_weights(TINY, weights_dir=folder, pretrained=True)
    assert found.source == f"file:{folder / 'test_resnet.r160_in1k.safetensors'}"
    model = build_model(TINY.timm_name, found, classes=5, input_size=64)
    torch.manual_seed(3)
    stored = timm.create_model("test_resnet", num_classes=1000).state_dict()
    for name, tensor in model.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(tensor, stored[name]), name
    assert model(torch.rand(2, 3, 64, 64)).shape == (2, 5)


def test_a_new_head_on_loaded_weights_starts_at_the_loss_of_guessing(folder):
    found = find_weights(TINY, weights_dir=folder, pretrained=True)
    model = build_model(TINY.timm_name, found, classes=5, input_size=64).eval()
    loss = torch.nn.functional.cross_entropy(model(torch.rand(8, 3, 64, 64)), torch.arange(8) % 5)
    assert float(loss.detach()) == pytest.approx(math.log(5), abs=0.1)


def test_a_file_of_another_architecture_is_refused_not_half_loaded(tmp_path):
    other = timm.create_model("test_vit", num_classes=10)
    save_file(other.state_dict(), tmp_path / "test_resnet.safetensors")
    found = find_weights(TINY, weights_dir=tmp_path, pretrained=True)
    with pytest.raises(UserError, match=r"tensors of test_resnet are in this file|cannot be loaded"):
        build_model(TINY.timm_name, found, classes=5, input_size=64)


def test_two_files_that_fit_equally_are_asked_about(folder):
    model = timm.create_model("test_resnet", num_classes=10)
    save_file(model.state_dict(), folder / "test_resnet_mine.safetensors")
    (folder / "test_resnet.r160_in1k.safetensors").rename(folder / "test_resnet_other.safetensors")
    with pytest.raises(UserError, match="2 files fit test_resnet: test_resnet_mine"):
        find_weights(TINY, weights_dir=folder, pretrained=True)


def test_a_longer_architecture_owns_its_file(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "resnet18d_ra2.safetensors")
    assert architectures_at_hand(tmp_path, [find_backbone("resnet18"), find_backbone("resnet18d")]) == [
        find_backbone("resnet18d")
    ]


def test_a_json_beside_the_file_states_its_normalisation(folder):
    (folder / "test_resnet.r160_in1k.json").write_text(
        json.dumps({"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1]})
    )
    found = find_weights(TINY, weights_dir=folder, pretrained=True)
    assert found.mean == (0.1, 0.2, 0.3)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        find_weights(TINY, weights_dir=tmp_path / "nowhere", pretrained=True)


def test_without_hub_and_folder_the_start_is_random_and_says_why(monkeypatch):
    monkeypatch.setattr(weights_module, "hub_reachable", lambda: False)
    monkeypatch.setattr(weights_module, "_in_hub_cache", lambda config: False)
    found = find_weights(TINY, weights_dir=None, pretrained=True)
    assert not found.pretrained
    assert "the hub cannot be reached" in found.reason


def test_the_hub_is_used_when_it_answers(monkeypatch):
    monkeypatch.setattr(weights_module, "hub_reachable", lambda: True)
    monkeypatch.setattr(weights_module, "_in_hub_cache", lambda config: False)
    assert find_weights(TINY, weights_dir=None, pretrained=True).source == "hub:test_resnet.r160_in1k"


def test_pretrained_false_asks_nobody(monkeypatch, folder):
    monkeypatch.setattr(weights_module, "hub_reachable", lambda: pytest.fail("asked the network"))
    assert find_weights(TINY, weights_dir=folder, pretrained=False).source == "none"


def test_finding_out_that_there_is_no_hub_takes_at_most_five_seconds(monkeypatch):
    def name_server_that_never_answers(*args, **kwargs):
        time.sleep(30)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", name_server_that_never_answers)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    started = time.monotonic()
    assert hub_reachable() is False
    assert time.monotonic() - started < 5


def test_offline_by_wish_asks_nobody(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(socket, "create_connection", lambda *a, **k: pytest.fail("asked the network"))
    assert hub_reachable() is False


def test_fixed_size_transformers_are_built_at_the_size_asked_for():
    model = build_model("vit_tiny_patch16_224", NONE, classes=4, input_size=96, drop_path=0.1)
    assert model(torch.rand(1, 3, 96, 96)).shape == (1, 4)
    assert model.patch_embed.grid_size == (6, 6)
