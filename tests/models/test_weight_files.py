"""Files of weights: what is read, what is refused, which of them is taken, and under which licence."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from grandmaster.errors import UserError
from grandmaster.models import weight_folder
from grandmaster.models.adaptation import adaptation_of
from grandmaster.models.builder import build_model
from grandmaster.models.registry import LARGE_SEVEN, Backbone
from grandmaster.models.weight_files import read_tensors, tensor_shapes
from grandmaster.models.weight_folder import KnownFile, search
from grandmaster.models.weights import Weights, find_weights, licence_of, non_commercial

TINY = Backbone(name="test_resnet", timm_name="test_resnet.r160_in1k", input_size=64)


def tiny(**how):
    torch.manual_seed(3)
    return timm.create_model("test_resnet", num_classes=10, **how).state_dict()


class Malicious:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "run"))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "optimizer": {"lr": 0.1}},
        lambda state: {"model": tiny(in_chans=1), "model_ema": state},
        lambda state: {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}},
        lambda state: {f"_orig_mod.{name}": tensor for name, tensor in state.items()},
    ],
    ids=["bare", "state_dict", "model", "model_ema", "module", "compiled"],
)
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin"])
def test_usual_wrappings_are_taken_off(tmp_path, wrap, suffix):
    path = tmp_path / f"test_resnet{suffix}"
    torch.save(wrap(tiny()), path)
    found = find_weights(TINY, weights_dir=tmp_path, pretrained=True)
    model = build_model(TINY.timm_name, found, classes=5, input_size=64)
    for name, tensor in tiny().items():
        if not name.startswith("fc."):
            assert torch.equal(model.state_dict()[name], tensor), name
    assert tensor_shapes(path)["conv1.weight" if "conv1.weight" in tiny() else "conv1.0.weight"][1] == 3


@pytest.mark.fault(36, "a checkpoint that runs code")
def test_a_malicious_pickle_is_refused_by_name_and_does_not_run(tmp_path):
    proof, path = tmp_path / "proof.txt", tmp_path / "test_resnet.pth"
    torch.save({"state_dict": tiny(), "extra": Malicious(proof)}, path)
    found = find_weights(TINY, weights_dir=tmp_path, pretrained=True)
    with pytest.raises(UserError, match=r"refused: .*code.*test_resnet\.pth"):
        build_model(TINY.timm_name, found, classes=5, input_size=64)
    with pytest.raises(UserError, match=r"refused: .*code.*test_resnet\.pth"):  # and so the plan is not made
        adaptation_of(TINY.timm_name, found, classes=5, channels=3, input_size=64)
    assert not proof.exists()
    # It is a real one: a plain unpickling of the same object would have run it.
    pickle.loads(pickle.dumps(Malicious(proof)))
    assert proof.exists()


@pytest.mark.fault(36, "a pickle that runs code")
def test_a_bare_malicious_pickle_is_refused_too(tmp_path):
    proof, path = tmp_path / "proof.txt", tmp_path / "test_resnet.bin"
    path.write_bytes(pickle.dumps(Malicious(proof)))
    with pytest.raises(UserError, match=r"test_resnet\.bin"):
        read_tensors(path)
    assert not proof.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_damaged_file_is_named(tmp_path, suffix):
    path = tmp_path / f"test_resnet{suffix}"
    if suffix == ".pth":
        torch.save(tiny(), path)
    else:
        save_file(tiny(), path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match=rf"damaged.*test_resnet\{suffix}"):
        tensor_shapes(path)


def test_a_file_without_tensors_is_named(tmp_path):
    torch.save({"state_dict": {"epoch": 3}}, tmp_path / "test_resnet.pth")
    with pytest.raises(UserError, match="no tensors in this file"):
        read_tensors(tmp_path / "test_resnet.pth")


def test_of_one_name_the_safetensors_file_counts(tmp_path):
    torch.save(tiny(), tmp_path / "test_resnet.pth")
    save_file(tiny(), tmp_path / "test_resnet.safetensors")
    assert search(TINY, tmp_path).path == tmp_path / "test_resnet.safetensors"


def test_a_name_that_promises_a_hash_is_held_to_it(tmp_path):
    path = tmp_path / "test_resnet.safetensors"
    save_file(tiny(), path)
    sha256 = weight_folder.file_sha256(path)
    good = path.rename(tmp_path / f"test_resnet-{sha256[:8]}.safetensors")
    assert search(TINY, tmp_path).path == good
    good.rename(tmp_path / "test_resnet-00c0ffee.safetensors")
    with pytest.raises(UserError, match=f"promises a sha256 of 00c0ffee..., it has {sha256[:8]}"):
        search(TINY, tmp_path)


def test_a_json_beside_the_file_may_state_its_hash(tmp_path):
    save_file(tiny(), tmp_path / "test_resnet.safetensors")
    (tmp_path / "test_resnet.json").write_text(json.dumps({"sha256": "0" * 64}))
    with pytest.raises(UserError, match=r"test_resnet\.json states sha256 00000000"):
        find_weights(TINY, weights_dir=tmp_path, pretrained=True)


def test_a_file_that_changed_or_went_since_it_was_chosen_is_refused(tmp_path):
    path = tmp_path / "test_resnet.safetensors"
    save_file(tiny(), path)
    found = find_weights(TINY, weights_dir=tmp_path, pretrained=True)
    build_model(TINY.timm_name, found, classes=5, input_size=64)
    changed = tiny()
    changed["fc.bias"] += 1
    save_file(changed, path)
    with pytest.raises(UserError, match=r"has changed since it was chosen.*test_resnet\.safetensors"):
        build_model(TINY.timm_name, found, classes=5, input_size=64)
    path.unlink()
    with pytest.raises(UserError, match=r"is gone .*test_resnet\.safetensors"):
        build_model(TINY.timm_name, found, classes=5, input_size=64)


def test_a_known_file_is_known_under_any_name(tmp_path, monkeypatch):
    path = tmp_path / "weights_v2_final.safetensors"
    save_file({"x": torch.zeros(3)}, path)
    known = KnownFile(
        architecture="test_resnet",
        size=path.stat().st_size,
        mean=(0.1, 0.2, 0.3),
        std=(1.0, 1.0, 1.0),
        model_args={"in_chans": 3},
        licence="mit",
    )
    monkeypatch.setitem(weight_folder.KNOWN_FILES, weight_folder.file_sha256(path), known)
    found = find_weights(TINY, weights_dir=tmp_path, pretrained=True)
    assert (found.path, found.mean, found.model_args) == (path, (0.1, 0.2, 0.3), {"in_chans": 3})
    assert "known by its content" in found.reason
    assert licence_of(TINY.timm_name, found) == "mit"


def test_a_file_without_a_telling_name_is_known_by_its_tensors(tmp_path):
    save_file(tiny(), tmp_path / "model.safetensors")
    found = search(TINY, tmp_path)
    assert found.path == tmp_path / "model.safetensors"
    assert "no file is named for it, but model.safetensors has its tensors" in found.reason


def test_files_that_do_not_fit_are_named_with_the_reason(tmp_path, monkeypatch):
    save_file(tiny(in_chans=4), tmp_path / "model.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "best.safetensors")
    save_file(tiny(), tmp_path / "resnet18.a1_in1k.safetensors")
    monkeypatch.setattr("grandmaster.models.weights.hub_reachable", lambda: False)
    monkeypatch.setattr("grandmaster.models.weights._in_hub_cache", lambda config: False)
    found = find_weights(TINY, weights_dir=tmp_path, pretrained=True)
    assert not found.pretrained
    for part in (
        "best.safetensors (another number of weights)",
        "tensors agree)",
        "resnet18.a1_in1k.safetensors (of resnet18)",
    ):
        assert part in found.reason
    # A file that says another architecture is not taken for ours, however well its tensors fit.
    (tmp_path / "model.safetensors").unlink()
    assert search(TINY, tmp_path).path is None


def test_an_unnamed_file_with_code_in_it_is_passed_over_with_the_reason(tmp_path):
    proof = tmp_path / "proof.txt"
    torch.save({"state_dict": tiny(), "extra": Malicious(proof)}, tmp_path / "best.pth")
    found = search(TINY, tmp_path)
    assert found.path is None
    assert found.passed_over == (
        "best.pth (refused: this file holds code to be run on loading, not weights alone)",
    )
    assert not proof.exists()


def test_two_files_with_the_same_tensors_are_asked_about(tmp_path):
    for name in ("best", "last"):
        save_file(tiny(), tmp_path / f"{name}.safetensors")
    with pytest.raises(UserError, match=r"2 files fit test_resnet: best\.safetensors, last\.safetensors"):
        search(TINY, tmp_path)


def test_one_of_the_seven_is_not_for_commercial_use():
    licences = {}
    for backbone in LARGE_SEVEN.values():
        hub = Weights(source=f"hub:{backbone.timm_name}", mean=(0.5,) * 3, std=(0.5,) * 3)
        licences[backbone.name] = licence_of(backbone.timm_name, hub)
    assert "unknown" not in licences.values()
    assert [name for name, licence in licences.items() if non_commercial(licence)] == ["resnext101_32x32d"]


def test_the_licence_of_a_file_is_only_said_where_it_is_known(tmp_path):
    name = "resnext101_32x32d.fb_wsl_ig1b_ft_in1k"

    def licence(file: str, timm_name: str = name, **stated: str) -> str:
        path = tmp_path / file
        if stated:
            path.with_suffix(".json").write_text(json.dumps(stated))
        start = Weights(source=f"file:{path}", sha256="0", mean=(0.5,) * 3, std=(0.5,) * 3)
        return licence_of(timm_name, start)

    assert licence(f"{name}.safetensors") == "cc-by-nc-4.0"
    assert licence("resnext101_32x32d.pth") == "cc-by-nc-4.0"  # timm knows weights of one licence only
    assert licence("resnext101_32x32d_mine.pth") == "unknown"
    assert licence("resnext101_32x32d_ours.pth", license="mit") == "mit"
    assert licence_of(name, Weights(source="none", mean=(0.5,) * 3, std=(0.5,) * 3)) == ""


@pytest.mark.parametrize(
    ("licence", "forbidden"),
    [("cc-by-nc-4.0", True), ("CC BY-NC-SA 4.0", True), ("apache-2.0", False), ("unknown", False)],
)
def test_licences_that_forbid_commercial_use(licence, forbidden):
    assert non_commercial(licence) is forbidden
