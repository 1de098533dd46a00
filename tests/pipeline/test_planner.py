"""Decisions: what fits, what is said, and what the person set is obeyed."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import timm
from safetensors.torch import save_file
from small_competition import write_competition

from grandmaster.competition.reader import read_competition
from grandmaster.config import Config, DataConfig, InspectConfig
from grandmaster.eda.fingerprint import make_fingerprint
from grandmaster.errors import UserError
from grandmaster.models import weights
from grandmaster.models.registry import find_backbone
from grandmaster.models.weights import Weights
from grandmaster.pipeline import planner
from grandmaster.pipeline.hardware import Hardware, read_hardware
from grandmaster.pipeline.plan import Plan, read_plan, write_plan
from grandmaster.pipeline.planner import make_plan
from grandmaster.pipeline.recipe import fractions
from grandmaster.pipeline.speed import StepChoice
from grandmaster.pipeline.starts import start_notes
from grandmaster.pipeline.targets import target_text
from grandmaster.progress import SilentProgress
from grandmaster.settings import with_settings
from grandmaster.storage import plain
from grandmaster.training.timed_step import StepSettings

CPU = Hardware(
    device="cpu",
    device_reason="no CUDA device found",
    precision="fp32",
    precision_reason="of the device",
    gpu_name="",
    vram_gb=0.0,
    capability=None,
    cores=2,
    memory_gb=24.0,
    shm_gb=10.0,
)
GPU_16 = Hardware(
    device="cuda",
    device_reason="a GPU",
    precision="bf16",
    precision_reason="of the device",
    gpu_name="a GPU",
    vram_gb=16.0,
    capability=(8, 9),
    cores=8,
    memory_gb=32.0,
    shm_gb=10.0,
)


@pytest.fixture(scope="module")
def known(tmp_path_factory) -> tuple[Any, dict[str, Any]]:
    competition = read_competition(
        write_competition(tmp_path_factory.mktemp("data") / "squares"), DataConfig()
    )
    return competition, make_fingerprint(competition, InspectConfig(), SilentProgress())


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setattr(weights, "hub_reachable", lambda: False)
    monkeypatch.setattr(weights, "_in_hub_cache", lambda config: False)


@pytest.fixture(autouse=True)
def _told_speed(monkeypatch):
    """Speed is told, not measured: the tests must not depend on this machine, and the GPU is not here."""
    monkeypatch.setattr(planner, "images_per_second", lambda *args, size, **others: 40.0 * (160 / size) ** 2)
    told = StepChoice(
        settings=StepSettings(memory_format="channels_last", fused=False), reasons={"fused": "told"}
    )
    monkeypatch.setattr(planner, "choose_step", lambda *args, **how: told)


def repeated(competition, times: int):
    """The same pictures over and over."""
    return dataclasses.replace(
        competition,
        train=pd.concat([competition.train] * times, ignore_index=True),
        targets=np.tile(competition.targets, times),
    )


ALIKE = {
    "adversarial": {"auc": 0.5, "low": 0.46, "high": 0.54, "features": []},
    "embedding": None,
    "reading": None,
}


def plan(known, hardware: Hardware, *settings: str, wanted: int = 1, shift: dict[str, Any] = ALIKE) -> Plan:
    competition, fingerprint = known
    config = with_settings(Config(), settings)
    return make_plan(competition, fingerprint, shift, hardware, config, models_wanted=wanted)


@pytest.mark.slow
def test_seven_large_models_fit_16_gb_with_the_effective_batch_kept(known):
    made = plan(known, GPU_16, wanted=7)
    assert len(made.models) == 7
    for model in made.models:
        assert model.input_size == 384
        assert model.micro_batch * model.accumulation == 64
        assert model.memory_gb < 15.0, model.backbone
    by_name = {model.backbone: model for model in made.models}
    # Only these two exceed 16 GB without recomputing activations; their BatchNorm, which learns here, keeps its 8.
    recomputing = {name for name, model in by_name.items() if model.grad_checkpointing}
    assert recomputing == {"maxvit_large", "resnext101_32x32d"}
    assert {model.micro_batch for model in made.models} == {8}
    assert "not 8 a pass without checkpointing 18.4 GB" in by_name["resnext101_32x32d"].reasons["micro_batch"]


def test_less_memory_means_smaller_steps_not_another_batch(known):
    small = msgspec.structs.replace(GPU_16, vram_gb=7.0)
    made = plan(known, small, "model.backbones=convnext_large")
    assert made.models[0].micro_batch * made.models[0].accumulation == 64
    assert made.models[0].micro_batch < 8
    assert made.models[0].memory_gb <= 7.0 * 15 / 16


def test_without_gpu_and_weights_a_small_backbone_starts_from_scratch_and_says_so(known):
    made = plan(known, CPU, wanted=7)
    assert [model.backbone for model in made.models] == ["resnet10t"]
    assert "no GPU and no pretrained weights" in made.decisions.backbones.reason
    assert any("RANDOM" in note for note in made.notes)
    assert 12 <= made.models[0].epochs <= 60
    assert made.models[0].batch_norm == "train"


def test_without_gpu_weights_at_hand_are_preferred(known, tmp_path):
    model = timm.create_model("mobilenetv3_large_100")
    save_file(model.state_dict(), tmp_path / "mobilenetv3_large_100.safetensors")
    made = plan(known, CPU, f"model.weights_dir={tmp_path}")
    assert [model.backbone for model in made.models] == ["mobilenetv3_large_100"]
    assert "weights are in the folder" in made.decisions.backbones.reason
    assert made.models[0].weights.source == f"file:{tmp_path / 'mobilenetv3_large_100.safetensors'}"
    assert made.models[0].batch_norm == "frozen"
    assert made.notes == ()


def test_more_minutes_more_epochs_or_pixels(known):
    # A competition so small that both plans would reach the most epochs is no test: count them as thousands.
    competition, fingerprint = known
    large = repeated(competition, 40)
    short, long = (plan((large, fingerprint), CPU, f"run.minutes={minutes}") for minutes in (2, 60))
    work = [made.models[0].epochs * made.models[0].input_size ** 2 for made in (short, long)]
    assert work[1] > work[0]


@pytest.mark.parametrize(("epochs", "said"), [((), "the fewest epochs"), (("training.epochs=9",), "set")])
def test_too_few_minutes_are_told_what_happens_and_which_limit_is_kept(known, epochs, said):
    competition, fingerprint = known
    large = repeated(competition, 40)
    made = plan((large, fingerprint), CPU, "run.minutes=0.1", *epochs)
    (note,) = [note for note in made.notes if "run.minutes" in note]
    assert said in note
    assert "takes longer" in note
    assert "--time_limit 0.1m" in note


def test_with_loaded_weights_pixels_come_before_epochs(known, tmp_path):
    save_file(
        timm.create_model("mobilenetv3_large_100").state_dict(),
        tmp_path / "mobilenetv3_large_100.safetensors",
    )
    competition, fingerprint = known
    large = repeated(competition, 40)
    made = plan((large, fingerprint), CPU, f"model.weights_dir={tmp_path}", "folds.train=1").models[0]
    assert (made.input_size, 8 <= made.epochs < 12) == (160, True)
    scratch = plan(
        (large, fingerprint), CPU, "model.backbones=mobilenetv3_large_100", "folds.train=1"
    ).models[0]
    assert scratch.input_size == 96


@pytest.mark.parametrize(
    ("setting", "field", "value"),
    [
        ("training.epochs=3", "epochs", 3),
        ("model.image_size=64", "input_size", 64),
        ("training.learning_rate=0.01", "learning_rate", 0.01),
        ("training.micro_batch=4", "micro_batch", 4),
        ("training.ema_decay=0", "ema_decay", 0.0),
        ("training.grad_checkpointing=true", "grad_checkpointing", True),
        ("training.batch_norm=frozen", "batch_norm", "frozen"),
        ("training.layer_decay=0.9", "layer_decay", 0.9),
        ("prediction.batch_size=5", "prediction_batch", 5),
    ],
)
def test_what_the_person_set_is_obeyed(known, setting, field, value):
    made = plan(
        known, CPU, "model.backbones=test_resnet", "model.image_size=32", "training.epochs=1", setting
    )
    assert getattr(made.models[0], field) == value


def test_alike_train_and_test_stay_mild(known):
    made = plan(known, CPU, "model.backbones=test_resnet", "model.image_size=32")
    assert made.decisions.augmentation.value == "light"
    assert made.corruption == ()
    assert made.decisions.selection.value == "clean"
    none = plan(known, CPU, "model.backbones=test_resnet", "model.image_size=32", "augmentation.policy=none")
    assert none.operations == ()


def test_a_model_that_cannot_fit_is_said(known):
    tiny = msgspec.structs.replace(GPU_16, vram_gb=3.0)
    made = plan(known, tiny, "model.backbones=vit_large")
    assert any("vit_large may not fit" in note for note in made.notes)
    assert not any("may not fit" in note for note in plan(known, GPU_16, "model.backbones=vit_large").notes)


@pytest.mark.parametrize("names", ["test_resnet,test_resnet", ","])
def test_backbones_are_named_once(known, names):
    with pytest.raises(UserError, match="name each backbone once"):
        plan(known, CPU, f"model.backbones={names}")


def test_every_decision_has_a_reason_on_a_line_of_its_own(known, tmp_path):
    competition, _ = known
    made = plan(known, CPU, "model.backbones=test_resnet", "model.image_size=32")
    assert all(reason for _, _, reason in made.lines())
    write_plan(tmp_path / "plan.json", made)
    lines = (tmp_path / "plan.json").read_text().splitlines()
    for name, _, _ in made.lines():
        assert sum(line.strip().startswith(f'"{name}": {{"value":') for line in lines) == 1
    assert plain(read_plan(tmp_path / "plan.json", competition)) == plain(made)


def test_hardware_that_is_not_there_is_refused():
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match="no usable CUDA device"):
        read_hardware(with_settings(Config(), ["hardware.device=cuda"]).hardware)
    with pytest.raises(UserError, match="fp16 cannot train on a CPU"):
        read_hardware(with_settings(Config(), ["hardware.precision=fp16"]).hardware)


def test_the_way_of_a_step_is_in_the_plan_with_its_reason(known):
    made = plan(known, CPU, "model.backbones=test_resnet", "model.image_size=32").models[0]
    assert (made.memory_format, made.fused, made.compile) == ("channels_last", False, False)
    assert made.reasons["fused"] == "told"


def of_kind(competition, kind: str, metric: str):
    """The same pictures with another kind of target."""
    grades = competition.targets[:, None].astype(np.float32)
    sets = np.concatenate([grades == 0, grades != 1], axis=1).astype(np.float32)
    changes = {"kind": kind, "metric": metric, "targets": sets if kind == "multilabel" else grades}
    if kind == "multilabel":
        changes |= {"classes": ("a", "b"), "class_names": ("a", "b")}
    elif kind == "regression":
        changes |= {"classes": (), "class_names": ()}
    return dataclasses.replace(competition, **changes)


@pytest.mark.parametrize(
    ("kind", "metric", "share"),
    [
        ("multilabel", "sample_f1", 0.1),
        ("ordinal", "quadratic_weighted_kappa", 0.0),
        ("regression", "rmse", 0.0),
    ],
)
def test_mixing_is_off_where_values_are_estimated_unless_set(known, kind, metric, share):
    competition, fingerprint = known
    made = plan((of_kind(competition, kind, metric), fingerprint), CPU)
    assert made.decisions.mix_probability.value == share
    assert ("estimated values" in made.decisions.mix_probability.reason) == (share == 0)
    asked = plan((of_kind(competition, kind, metric), fingerprint), CPU, "augmentation.mix_probability=0.4")
    assert asked.decisions.mix_probability.value == 0.4


def test_a_metric_for_other_targets_is_refused_with_those_that_fit(known):
    competition, fingerprint = known
    with pytest.raises(
        UserError, match=r"RMSE scores ordinal or regression targets, these are multiclass.*macro_f1"
    ):
        plan((dataclasses.replace(competition, metric="rmse"), fingerprint), CPU)
    with pytest.raises(UserError, match=r"ROC AUC is for two classes, there are 3.*macro_roc_auc"):
        plan((dataclasses.replace(competition, metric="roc_auc"), fingerprint), CPU)


def test_rows_whose_pictures_disagree_are_told(known):
    competition, fingerprint = known
    rows = competition.train["id"].to_numpy(object).copy()
    rows[:3] = "left"
    shared = dataclasses.replace(competition, train=competition.train.assign(row=rows))
    notes = plan((shared, fingerprint), CPU).notes
    assert "1 row has pictures with different targets, 'left': scored as the highest of them" in notes
    assert not [note for note in plan(known, CPU).notes if "different targets" in note]


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("multiclass", "3 classes"),
        ("multilabel", "2 labels"),
        ("ordinal", "3 grades"),
        ("regression", "1 number"),
    ],
)
def test_what_is_predicted_in_words(known, kind, says):
    competition = known[0] if kind == "multiclass" else of_kind(known[0], kind, "rmse")
    assert target_text(competition) == says


TINY = ("model.backbones=test_resnet", "model.image_size=32", "training.epochs=10")


def test_the_loss_is_chosen_by_the_kind_of_target_and_can_be_set(known):
    made = plan(known, CPU, *TINY)
    assert (made.decisions.loss.value, made.decisions.class_balance.value) == ("cross_entropy", "off")
    made = plan(known, CPU, *TINY, "training.loss=advanced", "training.class_balance=sampling")
    assert (made.decisions.loss.value, made.decisions.loss.reason) == ("advanced", "as set")
    assert made.decisions.class_balance.value == "sampling"


@pytest.mark.parametrize(
    ("rarest", "metric", "balance", "why"),
    [
        (
            3,
            "macro_f1",
            "sampling",
            "macro F1 counts every class the same, and the largest class has 16 pictures",
        ),
        (4, "macro_f1", "off", "classes are even enough: the largest class has 16 pictures, the smallest 4"),
        (3, "balanced_accuracy", "sampling", "the smallest 3"),
        (3, "accuracy", "off", "every picture counts the same in the metric"),
        (3, "log_loss", "off", "every picture counts the same in the metric"),
    ],
)
def test_uneven_classes_that_count_the_same_are_seen_equally_often(known, rarest, metric, balance, why):
    competition, fingerprint = known
    targets = np.array([0] * 16 + [1] * 12 + [2] * rarest)
    uneven = dataclasses.replace(
        competition, train=competition.train.iloc[: len(targets)], targets=targets, metric=metric
    )
    decided = plan((uneven, fingerprint), CPU, *TINY).decisions.class_balance
    assert decided.value == balance
    assert why in decided.reason
    set_so = plan((uneven, fingerprint), CPU, *TINY, "training.class_balance=off").decisions.class_balance
    assert (set_so.value, set_so.reason) == ("off", "as set")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (("training.loss=squared_error",), "squared_error is not for multiclass targets"),
        (("training.rate_groups=stem=1e-5",), r"'stem' finds no parameter .*Names are like conv1"),
        (("training.rate_groups=fc=1e-3", "training.layer_decay=0.8"), "both set the rates of layers"),
        (("training.mode=fine_tuning",), "test_resnet has no weights to fine-tune"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_before_anything_runs(known, settings, told):
    with pytest.raises(UserError, match=told):
        plan(known, CPU, *TINY, *settings)


def test_losses_and_balance_of_other_targets_are_refused(known):
    competition, fingerprint = known
    labels = of_kind(competition, "multilabel", "macro_roc_auc"), fingerprint
    assert plan(labels, CPU, *TINY).decisions.loss.value == "bce"
    assert plan(labels, CPU, *TINY, "training.loss=focal").decisions.loss.value == "focal"
    with pytest.raises(UserError, match="arcface is not for multilabel targets"):
        plan(labels, CPU, *TINY, "training.loss=arcface")
    with pytest.raises(UserError, match="weights needs one class a picture"):
        plan(labels, CPU, *TINY, "training.class_balance=weights")


def test_rate_groups_take_the_place_of_layer_decay(known):
    made = plan(known, CPU, *TINY, "training.rate_groups=conv1=1e-5,fc=1e-3")
    assert made.models[0].layer_decay == 1.0
    assert "rate_groups" in made.models[0].reasons["layer_decay"]


def test_full_training_starts_from_random_weights_though_there_are_some(known, tmp_path):
    model = timm.create_model("mobilenetv3_large_100")
    save_file(model.state_dict(), tmp_path / "mobilenetv3_large_100.safetensors")
    at_hand = ("model.backbones=mobilenetv3_large_100", f"model.weights_dir={tmp_path}")
    tuned = plan(known, CPU, *at_hand, "training.mode=fine_tuning").models[0]
    scratch = plan(known, CPU, *at_hand, "training.mode=full_training")
    assert (tuned.weights.pretrained, tuned.batch_norm) == (True, "frozen")
    (note,) = scratch.notes
    assert note.startswith("48 pictures are few for full_training of mobilenetv3_large_100")
    assert "Recommended for 48 pictures: fine_tuning of a small model such as resnet18" in note
    assert scratch.decisions.training_mode.value == "full_training"
    assert ("training_mode", "from scratch (full_training)") in [line[:2] for line in scratch.lines()]
    assert scratch.decisions.training_mode.reason.startswith(
        "as set; recommended for 48 pictures: fine_tuning"
    )
    (model,) = scratch.models
    assert (model.weights.source, model.batch_norm, model.layer_decay) == ("none", "train", 1.0)
    assert model.weights.reason == "training.mode is full_training"
    assert model.learning_rate > tuned.learning_rate
    assert model.epochs > tuned.epochs


def test_warm_up_in_epochs_and_an_absolute_last_rate():
    settings = with_settings(Config(), ["training.warmup_epochs=5", "training.final_rate=1e-6"]).training
    found = fractions(settings, epochs=100, learning_rate=1e-3)
    assert found == {"warmup_fraction": pytest.approx(0.05), "final_rate_fraction": pytest.approx(1e-3)}
    assert fractions(settings, epochs=3, learning_rate=1e-3)["warmup_fraction"] == 1.0
    assert fractions(Config().training, epochs=3, learning_rate=1.0)["warmup_fraction"] == 0.1


def test_backbones_that_start_from_random_weights_for_one_reason_share_a_warning():
    chosen = tuple(find_backbone(name) for name in ("resnet10t", "resnet18", "mobilenetv2_100"))
    lost = [Weights(source="none", mean=(0.5,), std=(0.5,), reason=reason) for reason in ("no hub", "odd")]
    starts = dict(zip([backbone.name for backbone in chosen], [lost[0], lost[1], lost[0]], strict=True))
    first, second = start_notes(chosen, starts, Config())
    assert first.startswith("resnet10t, mobilenetv2_100 start from RANDOM weights: no hub.")
    assert second.startswith("resnet18 starts from RANDOM weights: odd.")
    assert start_notes(chosen, starts, with_settings(Config(), ["model.pretrained=false"])) == []
