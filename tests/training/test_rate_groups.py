"""Rates by names of parameters: at the start, at the peak, at the end; what is not decayed; what is refused."""

from __future__ import annotations

import pytest
import timm
from training_cases import make_spec

from grandmaster.errors import UserError
from grandmaster.training.optimiser import Schedule, make_optimiser
from grandmaster.training.rate_groups import RateGroup, assign, read_rate_groups

TEXTS = (r"patch_embed|blocks\.0=1e-5", "blocks=5e-5", "head=1e-3")


def rates_at(step: int, spec, steps: int = 100) -> dict[str, float]:
    model = timm.create_model("test_vit", num_classes=3)
    optimiser = make_optimiser(model, spec)
    Schedule(optimiser, spec, steps).set_step(step)
    rate = {id(parameter): group["lr"] for group in optimiser.param_groups for parameter in group["params"]}
    decay = {id(p): group["weight_decay"] for group in optimiser.param_groups for p in group["params"]}
    names = dict(model.named_parameters())
    assert len(rate) == len(names)
    for name, parameter in names.items():
        # biases, norms, and what the model exempts, as without groups
        kept = parameter.ndim > 1 and name not in model.no_weight_decay()
        assert decay[id(parameter)] == (spec.weight_decay if kept else 0), name
    return {name: rate[id(parameter)] for name, parameter in names.items()}


def test_each_pattern_has_its_rate_from_warm_up_to_the_end():
    spec = make_spec(
        learning_rate=1e-3, rate_groups=read_rate_groups(TEXTS), warmup_fraction=0.1, final_rate_fraction=1e-3
    )
    for step, share in ((0, 0.01), (10, 1.0), (100, 1e-3)):
        rates = rates_at(step, spec)
        # timm's cosine ends at step 99 of 100; the floor holds from there
        assert rates["patch_embed.proj.weight"] == pytest.approx(1e-5 * share, rel=1e-4)
        assert rates["blocks.0.attn.qkv.bias"] == pytest.approx(1e-5 * share, rel=1e-4)
        assert rates["blocks.1.attn.qkv.weight"] == pytest.approx(5e-5 * share, rel=1e-4)
        assert rates["head.weight"] == pytest.approx(1e-3 * share, rel=1e-4)
        assert rates["pos_embed"] == pytest.approx(1e-3 * share, rel=1e-4)  # in no group: learning_rate


def test_the_first_pattern_that_is_found_wins():
    groups = read_rate_groups(("norm=1e-4", "head=1e-3"))
    assert assign(["head.norm.weight", "head.fc.weight", "stem"], groups) == [0, 1, None]


def test_a_pattern_without_a_parameter_is_an_error_that_shows_names():
    spec = make_spec(rate_groups=read_rate_groups(("stem=1e-5",)))
    with pytest.raises(UserError, match=r"'stem' finds no parameter .*patch_embed.proj.weight.*head.weight"):
        make_optimiser(timm.create_model("test_vit", num_classes=3), spec)
    with pytest.raises(UserError, match="'head' finds only what earlier patterns have taken"):
        assign(["head.weight"], read_rate_groups((".=1e-5", "head=1e-3")))


def test_texts_are_read_from_the_right():
    assert read_rate_groups((" a=b = 1e-4 ",)) == (RateGroup(pattern="a=b", rate=1e-4),)
    for bad in ("head", "head=fast", "=1e-3", "he(ad=1e-3", "head=2"):
        with pytest.raises(UserError, match="is not REGEX=RATE"):
            read_rate_groups((bad,))
