"""The documented fine-tuning on picture and mask, through the command line, with a Swin of a few thousand weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

import grandmaster_train
from grandmaster.storage import read_jsonl
from pipeline.masked_competition import write_competition

TINY = {"embed_dim": 16, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2)}
SMALL = (
    *("model.backbones=tiny_swin", "model.image_size=224", "training.epochs=3", "training.micro_batch=8"),
    *(
        "training.effective_batch=8",
        "folds.count=2",
        "prediction.tta_views=1",
        "ensemble.bootstrap_rounds=100",
    ),
    *("hardware.workers=0", "hardware.threads=1", "inspect.shift_effort=0.1", "inspect.shift_pictures=40"),
)


@pytest.fixture
def command(home: Path) -> list[str]:
    folder = write_competition(home / "data" / "masked", train=24, test=4)
    (folder / "models.yaml").write_text(
        "tiny_swin: {factory: swin_tiny_patch4_window7_224, small: true, "
        "model_args: {embed_dim: 16, depths: [1, 1, 1, 1], num_heads: [1, 1, 2, 2]}}\n"
    )
    (home / "weights").mkdir()
    torch.manual_seed(0)
    net = timm.create_model("swin_tiny_patch4_window7_224", **TINY)
    save_file(net.state_dict(), home / "weights" / "swin_tiny_patch4_window7_224.safetensors")
    settings = [word for setting in SMALL for word in ("--set", setting)]
    return [
        *("--mode", "quick_test", "--preset", "swin_rgb_mask", "--data_path", "data/masked"),
        *("--experiment_name", "masked", "--weights_dir", "weights", "--plain", *settings),
    ]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_recipe_of_six_channels_runs_with_its_rates_and_tells_what_moved(
    home: Path, command: list[str]
) -> None:
    before = torch.get_num_threads()
    assert grandmaster_train.main(command) == 0
    torch.set_num_threads(before)
    run = home / "runs" / "masked"
    plan = read(run / "plan.json")
    assert plan["decisions"]["channels"]["value"] == 6
    (model,) = plan["models"]
    assert model["adaptation"]["channels"] == [3, 6]
    fit = run / "fold_0" / "tiny_swin"
    spec = read(fit / "spec.json")
    assert (spec["learning_rate"], spec["weight_decay"], spec["drop_rate"]) == (1e-3, 0.01, 0.2)
    best = load_file(fit / "checkpoint" / "best.safetensors")
    assert best["patch_embed.proj.weight"].shape[1] == 6

    moved = {layer["layer"]: layer for layer in read(fit / "weight_change.json")["layers"]}
    rates = {name: layer["rate"] for name, layer in moved.items()}
    assert rates == {
        **dict.fromkeys(("patch_embed", "layers.0", "layers.1"), pytest.approx(1e-5)),
        "layers.2": pytest.approx(5e-5),
        **dict.fromkeys(("layers.3", "norm", "head"), pytest.approx(1e-3)),
    }
    assert moved["layers.0"]["relative"] < moved["layers.2"]["relative"] < moved["layers.3"]["relative"]

    scores = [line["val_score"] for line in read_jsonl(fit / "metrics.jsonl")]
    assert len(scores) == 3, "no fit is stopped early"
    assert read(fit / "result.json")["best_epoch"] == 1 + scores.index(max(scores))
    assert "How far each layer moved" in (run / "report.html").read_text(encoding="utf-8")


def test_a_missing_mask_is_an_error_that_names_it(
    home: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "data" / "masked" / "masks" / "train003.png").unlink()
    assert grandmaster_train.main(command) == 2
    said = capsys.readouterr().err
    assert "mask" in said
    assert "train003" in said
    assert not (home / "runs" / "masked" / "plan.json").exists()
