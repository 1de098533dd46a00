"""How far a network moved, layer by layer: on tensors whose change is known, and on a fit whose rates are."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch
from training_cases import RANDOM, make_spec

from grandmaster.models.weight_change import FILE_NAME, layer_of, read_weight_change, weight_change
from grandmaster.training.fit import start_model
from grandmaster.training.moved import tell_weight_change
from grandmaster.training.rate_groups import RateGroup


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("layers.2.blocks.7.attn.qkv.weight", "layers.2"),
        ("patch_embed.proj.weight", "patch_embed"),
        ("layer1.0.conv1.weight", "layer1"),
        ("blocks.0.0.bn1.bias", "blocks.0"),
        ("encoder.layers.3.attn.weight", "encoder.layers.3"),
        ("head.fc.weight", "head"),
        ("cls_token", "cls_token"),
        ("model.1.sub.0.RDB1.conv1.0.weight", "model.1"),
    ],
)
def test_a_tensor_belongs_to_its_stage(name, layer):
    assert layer_of(name) == layer


def test_the_change_of_known_tensors():
    start = {
        "a.weight": torch.tensor([3.0, 4.0]),
        "a.running_var": torch.tensor([2.0]),
        "a.count": torch.tensor(7),
        "b.weight": torch.zeros(2),
    }
    end = {
        "a.weight": torch.tensor([3.0, 4.5]),
        "a.running_var": torch.tensor([3.0]),
        "a.count": torch.tensor(9),
        "b.weight": torch.tensor([0.0, -2.0]),
    }
    found = weight_change(start, end, ["a.weight", "b.weight"], {"a.weight": 1e-5, "b.weight": 1e-3})
    first, second = found.layers
    assert (first.layer, first.parameters, first.before, first.difference) == ("a", 2, 5.0, 0.5)
    assert (first.relative, first.largest, first.statistics, first.rate) == (0.1, 0.5, 0.5, 1e-5)
    assert (second.relative, second.difference, second.statistics, second.rate) == (None, 2.0, None, 1e-3)
    assert found.total.relative == pytest.approx(np.sqrt(0.25 + 4) / 5, rel=1e-5)
    with pytest.raises(ValueError, match="of one only"):
        weight_change(start, {"a.weight": start["a.weight"]}, [])
    with pytest.raises(ValueError, match="weight has shape"):
        weight_change(start, end | {"b.weight": torch.zeros(3)}, [])


def test_a_fits_change_is_counted_from_where_it_began(tmp_path):
    groups = (RateGroup(pattern="^conv1", rate=1e-5), RateGroup(pattern="^fc", rate=2e-3))
    spec = make_spec(rate_groups=groups)
    model = start_model(spec, grad_checkpointing=False)
    with torch.no_grad():
        model.fc.weight.mul_(1.5)
    before = torch.random.get_rng_state()
    assert tell_weight_change(spec, model, tmp_path) == ""
    assert torch.equal(torch.random.get_rng_state(), before)
    found = read_weight_change(tmp_path)
    assert found is not None
    layers = {layer.layer: layer for layer in found.layers}
    assert layers["layer1"].relative == layers["conv1"].relative == 0
    assert layers["fc"].relative == pytest.approx(0.5, rel=0.2)  # its bias begins elsewhere
    assert {name: layers[name].rate for name in ("conv1", "layer1", "fc")} == {
        "conv1": 1e-5,
        "layer1": 3e-3,
        "fc": pytest.approx(2e-3),
    }
    (tmp_path / FILE_NAME).write_text("{")
    assert read_weight_change(tmp_path) is None


def test_weights_that_are_gone_cost_no_trained_fit(tmp_path):
    gone = msgspec.structs.replace(RANDOM, source=f"file:{tmp_path / 'gone.safetensors'}")
    model = start_model(make_spec(), grad_checkpointing=False)
    assert "how far its layers moved is not told" in tell_weight_change(
        make_spec(weights=gone), model, tmp_path
    )
    assert read_weight_change(tmp_path) is None
