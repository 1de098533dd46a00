"""The registry: every entry stands up to its schema, thresholds of the recommendation, words of a refusal."""

from __future__ import annotations

import gc
from types import SimpleNamespace

import msgspec
import pytest
import timm
import torch

from grandmaster.errors import UserError
from grandmaster.models.builder import build_model
from grandmaster.models.registry import BACKBONES, ENTRIES, LARGE_SEVEN, ModelEntry, find_backbone, find_entry
from grandmaster.models.registry.facts import count_parameters, download_of, facts_of, pretrained_on
from grandmaster.models.registry.guide import guide_lines
from grandmaster.models.registry.modes import (
    ADVICE,
    badge,
    mode_warnings,
    recommend,
    refusal,
    require_mode,
    require_trainable,
)
from grandmaster.models.weight_folder import search
from grandmaster.models.weights import Weights

NONE = Weights(source="none", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
TIMM = [entry for entry in ENTRIES.values() if entry.library == "timm"]
OTHERS = [entry for entry in ENTRIES.values() if entry.library != "timm"]


def named(entries):
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.id)


@named(list(ENTRIES.values()))
def test_an_entry_is_valid_and_says_where_its_figures_come_from(entry):
    again = msgspec.convert(msgspec.to_builtins(entry), ModelEntry)
    assert again == entry
    assert set(entry.training_modes.requirements) == set(entry.training_modes.supported)
    for stated in entry.training_modes.requirements.values():
        assert stated.source


@named(TIMM)
def test_facts_of_timms_models_are_read_from_timm(entry):
    facts = facts_of(entry, count=False)
    assert facts.source.startswith("counted and read from timm")
    assert "unknown" not in (facts.licence_weights, facts.licence_code, facts.pretrained_on)
    assert "ImageNet" in facts.pretrained_on


@named(TIMM)
def test_the_guide_says_where_to_fetch_a_file_and_a_name_under_which_it_is_found(entry, tmp_path):
    config = timm.get_pretrained_cfg(entry.factory)
    found = facts_of(entry, count=False).download
    assert found.repository == config.hf_hub_id
    assert found.address.startswith(f"https://huggingface.co/{config.hf_hub_id}/")
    assert found.address.endswith(f"/{found.file}")
    (tmp_path / found.save_as).write_bytes(b"")
    assert search(entry.backbone, tmp_path).path == tmp_path / found.save_as
    lines = "\n".join(guide_lines(entry, facts_of(entry, count=False)))
    for part in (found.address, found.file, found.repository, found.save_as):
        assert part in lines


@pytest.mark.parametrize(
    ("url", "save_as"),
    [
        ("https://x.org/a.pth?b=1", "resnet18.odd.pth"),
        ("https://x.org/a.pth.tar", "resnet18.odd.pth"),
        ("", None),
    ],
)
def test_weights_that_are_not_on_the_hub_are_fetched_where_timm_has_them(monkeypatch, url, save_as):
    config = SimpleNamespace(hf_hub_id=None, hf_hub_filename=None, url=url)
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda name, **how: config)
    found = download_of("resnet18.odd")
    assert (found and (found.address, found.save_as)) == (save_as and (url, save_as))


@named(OTHERS)
def test_facts_of_other_libraries_are_documented_and_nothing_is_imported(entry):
    import sys

    facts = facts_of(entry)
    assert facts.source.startswith("documented: ")
    assert facts.licence_code != "unknown"
    # What the library would have to tell is not typed.
    assert facts.licence_weights == "unknown"
    assert (facts.parameters is not None) == (entry.id == "rrdbnet_x4")
    assert entry.library not in sys.modules
    assert badge(entry) in ("extra not installed", "task not here yet")
    with pytest.raises(UserError, match="only classifiers of timm are trained here"):
        require_trainable(entry)


def test_the_registry_holds_the_models_of_the_documents():
    assert set(BACKBONES) == {entry.id for entry in TIMM}
    assert set(LARGE_SEVEN) <= set(ENTRIES)
    assert {entry.task for entry in OTHERS} == {"detection", "segmentation", "pose", "super_resolution"}
    names = "yolo11n yolo11m yolov8n yolov8s yolo11n-seg yolo11n-pose yolov8n-pose yolov8s-worldv2 yolov8m-worldv2 "
    names += "dfine_x eomt_large swin2sr_x2 swin2sr_x4 rrdbnet_x4 resnet18 resnet50 efficientnet_b0 vit_base swin_base"
    assert set(names.split()) <= set(ENTRIES)


def test_licences_counts_and_tags():
    assert facts_of(ENTRIES["resnext101_32x32d"], count=False).licence_weights == "cc-by-nc-4.0"
    assert facts_of(ENTRIES["swin_base"], count=False).licence_weights == "mit"
    assert count_parameters("resnet18.a1_in1k") == 11_176_512
    assert pretrained_on("fb_in22k_ft_in1k") == "ImageNet-22k, then ImageNet-1k"
    assert pretrained_on("mine") == "unknown"


@pytest.mark.parametrize(
    ("task", "images", "advice", "modes"),
    [
        ("classification", 999, "small", ("fine_tuning",)),
        ("classification", 1_000, "any", ("fine_tuning",)),
        ("classification", 9_999, "any", ("fine_tuning",)),
        ("classification", 10_000, "optional", ("fine_tuning", "full_training")),
        ("classification", 100_000, "optional", ("fine_tuning", "full_training")),
        ("classification", 100_001, "both", ("fine_tuning", "full_training")),
        ("detection", 499, "small", ("fine_tuning",)),
        ("detection", 500, "any", ("fine_tuning",)),
        ("detection", 4_999, "any", ("fine_tuning",)),
        ("detection", 5_000, "optional", ("fine_tuning", "full_training")),
        ("detection", 50_000, "optional", ("fine_tuning", "full_training")),
        ("detection", 50_001, "both", ("fine_tuning", "full_training")),
        ("segmentation", 299, "small", ("fine_tuning",)),
        ("segmentation", 300, "any", ("fine_tuning",)),
        ("segmentation", 3_000, "any", ("fine_tuning",)),
        ("segmentation", 3_001, "optional", ("fine_tuning", "full_training")),
        ("super_resolution", 499, "any", ("fine_tuning",)),
        ("super_resolution", 1_000_000, "any", ("fine_tuning",)),
        ("pose", 499, "small", ("fine_tuning",)),
        ("pose", 20_001, "both", ("fine_tuning", "full_training")),
    ],
)
def test_the_recommendation_on_both_sides_of_its_thresholds(task, images, advice, modes):
    found = recommend(task, images)
    assert (found.advice, found.modes) == (advice, modes)
    assert found.models
    small = {entry.id for entry in ENTRIES.values() if entry.small}
    assert task == "pose" or (set(found.models) <= small) is (advice == "small")


def test_no_pictures_at_all_are_answered_too():
    assert all(recommend(task, 0).models for task in ADVICE)


def test_an_unsupported_mode_is_refused_with_its_reason_and_what_is_supported():
    why = refusal(ENTRIES["dfine_x"], "full_training")
    assert why == (
        "dfine_x does not support full_training (not offered here, though possible: its weights come of several stages of "
        "training); supported: fine_tuning"
    )
    with pytest.raises(UserError) as error:
        require_mode(ENTRIES["dfine_x"], "full_training")
    assert error.value.what == why
    require_mode(ENTRIES["dfine_x"], "fine_tuning")
    assert any(why in line for line in guide_lines(ENTRIES["dfine_x"], facts_of(ENTRIES["dfine_x"])))


@pytest.mark.parametrize(
    ("name", "mode", "images", "said"),
    [
        ("resnet18", "full_training", 9_999, "9,999 pictures are few for full_training of resnet18 (from 100,000"),
        ("resnet18", "full_training", 10_000, None),
        ("vit_base", "full_training", 200_000, "full_training of vit_base is discouraged: it asks for from 1,000,000"),
        ("vit_base", "fine_tuning", 999, "999 pictures are few for fine_tuning of vit_base. Recommended"),
        ("vit_base", "fine_tuning", 1_000, None),
        ("resnet18", "fine_tuning", 10, None),
        ("vit_base", "inference_only", 0, None),
    ],
)  # fmt: skip
def test_what_is_warned_of(name, mode, images, said):
    found = mode_warnings([(ENTRIES[name], mode)], images)
    assert (len(found) == 0) is (said is None)
    if said:
        assert found[0].startswith(said)
        assert f"Recommended for {images:,} pictures: {recommend('classification', images).text}" in found[0]


def test_models_of_one_concern_share_a_warning():
    (warning,) = mode_warnings([(entry, "fine_tuning") for entry in TIMM if entry.id in LARGE_SEVEN], 800)
    assert warning.startswith(
        "800 pictures are few for fine_tuning of convnext_large, swin_large, beit_large, "
    )


def test_any_model_of_timms_has_an_entry_and_a_mistyped_one_its_nearest():
    entry = find_entry("test_resnet")
    assert (entry.library, entry.backbone) == ("timm", find_backbone("test_resnet"))
    with pytest.raises(UserError, match="Did you mean 'yolo11n'"):
        find_entry("yolo11")


def test_a_schema_that_contradicts_itself_is_refused():
    modes = msgspec.to_builtins(ENTRIES["resnet18"].training_modes)
    for changes, said in (
        (
            {"recommended": "inference_only", "supported": ["fine_tuning"], "requirements": {}},
            "not supported",
        ),
        ({"discouraged": ["fine_tuning"]}, "recommended and discouraged"),
        ({"supported": ["fine_tuning", "fine_tuning"], "requirements": {}}, "twice"),
        ({"supported": []}, "length"),
        ({"supported": ["sideways"]}, "Invalid enum value"),
    ):
        with pytest.raises(msgspec.ValidationError, match=said):
            msgspec.convert(modes | changes, type(ENTRIES["resnet18"].training_modes))


@pytest.mark.slow
@named([entry for entry in TIMM if entry.id not in LARGE_SEVEN])
def test_every_model_of_timms_takes_a_training_step(entry):
    """The seven large ones do in test_seven_backbones."""
    # Transformers at their own size: with another they have other tables of positions.
    size = 224 if entry.id in ("vit_base", "swin_base") else 64
    model = build_model(entry.factory, NONE, classes=5, input_size=size).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    loss = torch.nn.functional.cross_entropy(model(torch.randn(2, 3, size, size)), torch.tensor([3, 1]))
    loss.backward()
    optimiser.step()
    assert torch.isfinite(loss)
    changed = [not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)]
    assert sum(changed) > 0.2 * len(changed)
    counted = sum(parameter.numel() for parameter in model.parameters())
    head = sum(parameter.numel() for parameter in model.get_classifier().parameters())
    assert counted - head == facts_of(entry).parameters
    del model, optimiser, before
    gc.collect()
