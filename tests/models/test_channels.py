"""More channels than three: stored weights repeated and scaled as timm does, and what was changed is reported."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from grandmaster.errors import UserError
from grandmaster.models.adaptation import adaptation_of
from grandmaster.models.builder import build_model, count_cost
from grandmaster.models.registry import Backbone
from grandmaster.models.weights import Weights, find_weights

SHARED = Path(__file__).resolve().parents[3] / "shared" / "weights"
NONE = Weights(source="none", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def write_weights(folder: Path, name: str, **how) -> Weights:
    torch.manual_seed(3)
    save_file(timm.create_model(name, **how).state_dict(), folder / f"{name}.safetensors")
    return find_weights(
        Backbone(name=name, timm_name=name, input_size=64), weights_dir=folder, pretrained=True
    )


@pytest.fixture(params=["mobilenetv3_small_050", "mobilenetv2_100 of shared/weights"])
def start(request, tmp_path) -> tuple[str, Weights]:
    if "shared" not in request.param:
        return request.param, write_weights(tmp_path, request.param)
    if not SHARED.is_dir():
        pytest.skip("no shared weights here")
    backbone = Backbone(name="mobilenetv2_100", timm_name="mobilenetv2_100.ra_in1k", input_size=64)
    return backbone.timm_name, find_weights(backbone, weights_dir=SHARED, pretrained=True)


def test_six_channels_get_exactly_half_of_the_stored_weights_each(start):
    name, weights = start
    model = build_model(name, weights, classes=5, input_size=64, in_channels=6)
    assert weights.path is not None
    stored = load_file(weights.path)["conv_stem.weight"]
    assert torch.equal(model.conv_stem.weight[:, :3], stored / 2)
    assert torch.equal(model.conv_stem.weight[:, 3:], stored / 2)


def test_a_picture_given_twice_has_the_features_of_the_original(start):
    name, weights = start
    # Twice the precision: the sums are of another length, and forty layers of rounding would hide a small mistake.
    three = build_model(name, weights, classes=5, input_size=64).double().eval()
    six = build_model(name, weights, classes=5, input_size=64, in_channels=6).double().eval()
    pictures = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    with torch.inference_mode():
        expected = three.forward_features(pictures)
        found = six.forward_features(pictures.repeat(1, 2, 1, 1))
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_a_fourth_channel_takes_the_first_ones_weights_all_scaled_by_three_quarters(tmp_path):
    weights = write_weights(tmp_path, "mobilenetv3_small_050")
    assert weights.path is not None
    stored = load_file(weights.path)["conv_stem.weight"]
    model = build_model("mobilenetv3_small_050", weights, classes=5, input_size=64, in_channels=4)
    assert torch.equal(model.conv_stem.weight, torch.cat([stored, stored[:, :1]], 1) * 0.75)


def test_weights_that_were_trained_on_six_channels_are_taken_as_they_are(tmp_path):
    weights = write_weights(tmp_path, "test_resnet", in_chans=6)
    assert weights.path is not None
    model = build_model("test_resnet", weights, classes=5, input_size=64, in_channels=6)
    stored = load_file(weights.path)
    assert all(
        torch.equal(tensor, stored[name])
        for name, tensor in model.state_dict().items()
        if not name.startswith("fc.")
    )
    changed = adaptation_of("test_resnet", weights, classes=5, channels=6, input_size=64)
    assert changed is not None
    assert (changed.channels, changed.channel_scale) == ((6, 6), 1)


def test_a_file_with_as_many_classes_as_the_competition_gets_a_new_classifier_all_the_same(tmp_path):
    weights = write_weights(tmp_path, "test_resnet", num_classes=5)
    assert weights.path is not None
    model = build_model("test_resnet", weights, classes=5, input_size=64)
    assert not torch.equal(model.fc.weight, load_file(weights.path)["fc.weight"])
    assert model.fc.weight.std() < 0.02


def test_what_is_changed_is_reported_before_and_without_loading(tmp_path):
    weights = write_weights(tmp_path, "test_vit", num_classes=1000)
    changed = adaptation_of("test_vit", weights, classes=17, channels=6, input_size=96)
    assert changed is not None
    assert changed.classes == (1000, 17)
    assert (changed.channels, changed.channel_scale) == ((3, 6), 0.5)
    assert changed.resized == {"pos_embed": ((1, 101, 64), (1, 37, 64))}
    assert changed.loaded == changed.body == len(load_file(weights.path)) - 2  # type: ignore[arg-type]
    assert changed.missing == changed.unexpected == ()
    assert changed.text == (
        "classifier 1,000 -> 17 outputs, new; first layer 3 -> 6 channels, repeated and scaled by 0.5; "
        f"pos_embed 1x101x64 -> 1x37x64, resized; {changed.body} of {changed.body} tensors of the body loaded"
    )
    # And that is what loading does.
    model = build_model("test_vit", weights, classes=17, input_size=96, in_channels=6)
    assert model(torch.rand(1, 6, 96, 96)).shape == (1, 17)
    assert model.pos_embed.shape == (1, 37, 64)


def test_tensors_that_are_missing_or_left_over_are_named(tmp_path):
    weights = write_weights(tmp_path, "test_resnet")
    assert weights.path is not None
    stored = load_file(weights.path)
    gone = next(name for name in stored if name.endswith("bias"))
    save_file(
        {name: tensor for name, tensor in stored.items() if name != gone} | {"mine": torch.zeros(2)},
        weights.path,
    )
    changed = adaptation_of("test_resnet", weights, classes=5, channels=3, input_size=64)
    assert changed is not None
    assert (changed.missing, changed.unexpected) == ((gone,), ("mine",))
    assert f"1 missing: {gone}" in changed.text
    assert "1 unexpected: mine" in changed.text


def test_tensors_of_another_shape_are_refused_before_loading(tmp_path):
    weights = write_weights(tmp_path, "test_resnet")
    assert weights.path is not None
    stored = load_file(weights.path)
    name = next(name for name in stored if "layer1" in name and name.endswith("weight"))
    save_file(stored | {name: stored[name][:1].clone()}, weights.path)
    for act in (
        lambda: adaptation_of("test_resnet", weights, classes=5, channels=3, input_size=64),
        lambda: build_model("test_resnet", weights, classes=5, input_size=64),
    ):
        with pytest.raises(
            UserError, match=rf"1 of \d+ tensors have other shapes .*test_resnet: {name} is 1"
        ):
            act()


def test_of_the_hubs_weights_what_timm_states_is_reported():
    hub = Weights(source="hub:mobilenetv2_100.ra_in1k", mean=(0.5,) * 3, std=(0.5,) * 3)
    changed = adaptation_of("mobilenetv2_100.ra_in1k", hub, classes=17, channels=4, input_size=64)
    assert changed is not None
    assert (changed.classes, changed.channels, changed.loaded) == ((1000, 17), (3, 4), None)
    assert adaptation_of("test_resnet", NONE, classes=17, channels=4, input_size=64) is None


def test_the_hubs_weights_are_adapted_in_the_same_way(tmp_path, monkeypatch):
    """From the hub's local cache, as it lies on a disk, through timm's own way of loading it."""
    name = "test_resnet.r160_in1k"
    kept = tmp_path / "models--timm--test_resnet.r160_in1k"
    commit = "0123456789abcdef0123456789abcdef01234567"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text(commit)
    (kept / "snapshots" / commit).mkdir(parents=True)
    torch.manual_seed(3)
    stored = timm.create_model("test_resnet").state_dict()
    save_file(stored, kept / "snapshots" / commit / "model.safetensors")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    backbone = Backbone(name="test_resnet", timm_name=name, input_size=64)
    weights = find_weights(backbone, weights_dir=None, pretrained=True)
    assert (weights.source, weights.reason) == (f"hub:{name}", "in the hub's local cache")
    model = build_model(name, weights, classes=5, input_size=64, in_channels=6)
    first = next(key for key, tensor in stored.items() if tensor.ndim == 4)
    assert torch.equal(model.state_dict()[first], stored[first].repeat(1, 2, 1, 1) / 2)
    assert model.fc.weight.std() < 0.02


def test_a_random_start_takes_any_number_of_channels():
    model = build_model("test_resnet", NONE, classes=4, input_size=64, in_channels=7)
    assert model(torch.rand(2, 7, 64, 64)).shape == (2, 4)


def test_the_cost_of_further_channels_is_counted():
    three, six = (count_cost("test_resnet", 64, 5, channels) for channels in (3, 6))
    first = timm.create_model("test_resnet").state_dict()
    weight = next(tensor for name, tensor in first.items() if tensor.ndim == 4)
    assert six.parameters - three.parameters == weight.numel()
    assert six.forward_gflop > three.forward_gflop


def test_weights_of_five_channels_are_repeated_in_turn(tmp_path):
    weights = write_weights(tmp_path, "mobilenetv3_small_050", in_chans=5)
    assert weights.path is not None
    stored = load_file(weights.path)["conv_stem.weight"]
    model = build_model("mobilenetv3_small_050", weights, classes=5, input_size=64, in_channels=7)
    assert torch.equal(model.conv_stem.weight, torch.cat([stored, stored[:, :2]], 1) * (5 / 7))
