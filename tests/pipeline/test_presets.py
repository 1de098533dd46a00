"""The recipes of the documents: their numbers reach the fit, and they run."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from grandmaster.config import Config
from grandmaster.models.builder import build_model
from grandmaster.models.registry import find_backbone
from grandmaster.models.weights import Weights
from grandmaster.pipeline import training
from grandmaster.pipeline.recipe import fractions, rate_groups
from grandmaster.pipeline.run import run_pipeline
from grandmaster.settings import with_settings
from grandmaster.training.optimiser import Schedule, make_optimiser
from grandmaster.training.spec import FitSpec
from pipeline.small_competition import Record, request, write_competition
from presets import PRESETS
from training.training_cases import make_spec

# A preset's own numbers stay; what makes a test of hours of it is made small.
SMALL = {
    "model.backbones": "test_resnet",
    "model.image_size": "32",
    "model.pretrained": "true",
    "training.epochs": "1",
    "training.rate_groups": "conv1=1e-5,layer=5e-5,fc=1e-3",
}
NUMBERS = {
    "short_fine_tuning": {"learning_rate": 1e-5, "accumulation": 2, "batch_norm": "frozen"},
    "from_scratch": {"learning_rate": 1e-4, "accumulation": 4, "batch_norm": "train"},
    "swin_layer_rates": {"learning_rate": 1e-3, "weight_decay": 0.01, "drop_rate": 0.2, "patience": 0},
    "advanced_loss": {"micro_batch": 8, "accumulation": 8, "tta_views": 8},
}


def test_every_preset_is_tested():
    assert set(NUMBERS) == set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_runs_with_its_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    (tmp_path / "weights").mkdir()
    torch.manual_seed(0)
    save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "weights" / "test_resnet.safetensors")
    used: list[FitSpec] = []
    original = training.fit_fold

    def remember(spec, *args, **kwargs):
        used.append(spec)
        return original(spec, *args, **kwargs)

    monkeypatch.setattr(training, "fit_fold", remember)
    settings = PRESETS[name].settings
    changed = [key for key in SMALL if any(line.startswith(f"{key}=") for line in settings)]
    asked = [
        "training.effective_batch=none",
        "training.micro_batch=none",
        *settings,
        *(
            f"{key}={SMALL[key]}"
            for key in {*changed, "model.backbones", "model.image_size", "model.pretrained"}
        ),
        "training.epochs=1",
        "folds.train=1",
        f"model.weights_dir={tmp_path / 'weights'}",
    ]
    data = write_competition(tmp_path / "data")
    run_pipeline(request(data, tmp_path / "run", *asked, until="train"), Record())
    (spec,) = used
    assert {key: getattr(spec, key) for key in NUMBERS[name]} == NUMBERS[name]
    assert spec.weights.pretrained is (name != "from_scratch")
    assert spec.loss.name == ("advanced" if name == "advanced_loss" else "cross_entropy")
    assert len(spec.rate_groups) == (3 if name == "swin_layer_rates" else 0)


def test_the_documented_curve_of_100_epochs_over_the_parts_of_swin():
    settings = with_settings(Config(), PRESETS["swin_layer_rates"].settings).training
    assert settings.epochs == 100
    assert settings.learning_rate == 1e-3
    how = fractions(settings, epochs=100, learning_rate=1e-3)
    spec = make_spec(
        learning_rate=1e-3, rate_groups=rate_groups(settings), weight_decay=settings.weight_decay, **how
    )
    weights = Weights(source="none", mean=(0.5,) * 3, std=(0.5,) * 3)
    with torch.device("meta"):
        model = build_model(find_backbone("swin_large").timm_name, weights, classes=4, input_size=384)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    optimiser = make_optimiser(model, spec)
    schedule = Schedule(optimiser, spec, 100)

    def rates(step: int) -> dict[str, float]:
        schedule.set_step(step)
        return {names[id(p)]: group["lr"] for group in optimiser.param_groups for p in group["params"]}

    assert rates(0)["head.fc.weight"] == pytest.approx(1e-5)  # where the documented warm-up begins
    peak = rates(5)
    assert peak["head.fc.weight"] == peak["layers.3.blocks.1.mlp.fc1.weight"] == pytest.approx(1e-3)
    assert peak["layers.2.blocks.17.attn.qkv.weight"] == pytest.approx(5e-5)
    assert peak["patch_embed.proj.weight"] == peak["layers.1.blocks.0.norm1.weight"] == pytest.approx(1e-5)
    assert rates(50)["head.fc.weight"] == pytest.approx(5.6e-4, rel=0.05)
    assert rates(100)["head.fc.weight"] == pytest.approx(1e-6)
