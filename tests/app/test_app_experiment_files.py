"""Recipes as files: found by name or path, their numbers those of the document, mistakes named with their place."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from app_fakes import FakePipeline

import experiment_files
import grandmaster_train
from grandmaster.config import Config
from grandmaster.settings import with_settings
from grandmaster.training.rate_groups import assign, read_rate_groups

ASKED = ("--mode", "quick_test", "--preset")


def test_the_documents_numbers_reach_the_settings(home: Path, pipeline: FakePipeline) -> None:
    assert grandmaster_train.main([*ASKED, "swin_rgb_mask", "--set", "model.backbones=resnet18"]) == 0
    (run,) = pipeline.runs
    config = run.config
    (mask,) = config.data.extra_images
    assert (mask.name, mask.folder, mask.channels) == ("mask", "masks", 3)
    assert (config.model.backbones, config.model.drop_rate) == (("resnet18",), 0.2)
    training = config.training
    assert (training.mode, training.epochs, training.patience) == ("fine_tuning", 100, 0)
    assert (training.warmup_epochs, training.final_rate, training.weight_decay) == (5, 1e-6, 0.01)
    assert [group.rate for group in read_rate_groups(training.rate_groups)] == [1e-5, 5e-5, 1e-3]
    assert "--preset swin_rgb_mask" in run.command


@pytest.mark.parametrize(
    ("model", "early", "middle", "late"),
    [
        (
            "swin_tiny_patch4_window7_224",
            "layers.1.blocks.0.norm1",
            "layers.2.blocks.5.mlp",
            "layers.3.blocks.1",
        ),
        ("mobilenetv2_100", "conv_stem", "blocks.4.0", "classifier"),
        ("resnet18", "layer2.0", "layer3.1", "layer4.0"),
        ("convnext_atto", "stages.0", "stages.2", "head"),
        ("vit_tiny_patch16_224", "patch_embed", "blocks.4", "blocks.11"),
        ("test_vit", "patch_embed", "blocks.5", "head"),
    ],
)
def test_early_middle_and_late_layers_are_found_in_other_backbones(
    model: str, early: str, middle: str, late: str
) -> None:
    settings = experiment_files.find_recipe("swin_rgb_mask").settings
    groups = read_rate_groups(with_settings(Config(), settings).training.rate_groups or ())
    with torch.device("meta"):
        names = [name for name, _ in timm.create_model(model).named_parameters()]
    found = dict(zip(names, assign(names, groups), strict=True))
    for number, start in enumerate((early, middle, late)):
        of = {group for name, group in found.items() if name.startswith(start)}
        assert of == {number}, (start, of)


def test_a_file_of_ones_own_is_taken_by_its_path_and_resumed_by_it(
    home: Path, pipeline: FakePipeline
) -> None:
    own = home / "own.yaml"
    own.write_text(
        "about: mine\ntraining: {epochs: 3, learning_rate: 2e-4, find_rate: false}\nmodel: {image_size: null}\n"
    )
    assert grandmaster_train.main([*ASKED, "own.yaml", "--set", "training.epochs=4"]) == 0
    (run,) = pipeline.runs
    assert (run.config.training.epochs, run.config.training.learning_rate) == (4, 2e-4)
    assert f"--preset {own}" in run.command


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("training: {epocs: 3}", "unknown field 'training.epocs' (in --preset own.yaml). Did you mean"),
        ("trainig: {epochs: 3}", "own.yaml). Did you mean 'training'"),
        ("training: {epochs: -3}", "training.epochs=-3 is not allowed"),
        ("training: 3", "training has no fields below it"),
        ("- 3", "this is no list of settings"),
        ("a: [", "not valid YAML"),
        ("training: {rate_groups: ['a,b=1e-3']}", "no comma may be in an item"),
    ],
)
def test_a_mistake_in_a_file_is_named(
    home: Path, pipeline: FakePipeline, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (home / "own.yaml").write_text(text)
    assert grandmaster_train.main([*ASKED, "own.yaml"]) == 2
    assert said in capsys.readouterr().err
    assert not pipeline.runs


def test_an_unknown_recipe_and_an_absent_file_say_what_there_is(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert grandmaster_train.main([*ASKED, "swin_rgb_masks"]) == 2
    assert "Did you mean 'swin_rgb_mask'?" in capsys.readouterr().err
    assert grandmaster_train.main([*ASKED, "absent.yaml"]) == 2
    assert "no such file: absent.yaml" in capsys.readouterr().err
