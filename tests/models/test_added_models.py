"""Models that a person adds: what a file may say, and how each mistake in it is answered."""

from __future__ import annotations

import pytest

from grandmaster.errors import UserError
from grandmaster.models.builder import build_model, count_cost
from grandmaster.models.registry import find_backbone
from grandmaster.models.registry.facts import facts_of
from grandmaster.models.registry.user_file import FILE_NAME, added_hash, added_models, read_models
from grandmaster.models.weights import find_weights

GOOD = """\
wide_tiny:
  factory: test_resnet.r160_in1k
  model_args: {act_layer: gelu, block_args: null}
  input_size: 64
  scratch_rate: 0.002
  small: true
  title: Tiny with GELU
  licence: mit
  training_modes:
    supported: [full_training]
    recommended: full_training
    requirements:
      full_training: {min_images: 10, source: my own notes}
plain_tiny: {factory: test_resnet}
"""


def written(tmp_path, text):
    path = tmp_path / FILE_NAME
    path.write_text(text, encoding="utf-8")
    return path


def test_what_the_file_says_reaches_the_model(tmp_path):
    found = read_models(written(tmp_path, GOOD.replace(", block_args: null", "")))
    assert list(found) == ["wide_tiny", "plain_tiny"]
    entry = found["wide_tiny"]
    assert (entry.title, entry.small, entry.training_modes.supported) == (
        "Tiny with GELU",
        True,
        ("full_training",),
    )
    backbone = entry.backbone
    assert (backbone.name, backbone.input_size, backbone.scratch_rate) == ("wide_tiny", 64, 0.002)
    assert find_backbone("wide_tiny", {"wide_tiny": backbone}) is backbone
    weights = find_weights(backbone, weights_dir=None, pretrained=False)
    assert weights.model_args == {"act_layer": "gelu"}
    model = build_model(backbone.timm_name, weights, classes=3, input_size=64)
    assert "GELU" in {type(part).__name__ for part in model.modules()}
    assert facts_of(entry).licence_weights == "mit"
    plain = count_cost(backbone.timm_name, 64, 3).activation_gib
    assert count_cost(backbone.timm_name, 64, 3, model_args=backbone.model_args).activation_gib > plain


def test_the_file_lies_in_the_folder_or_is_named(tmp_path):
    assert added_models(None, tmp_path) == {}
    assert added_hash(None, tmp_path) == ""
    path = written(tmp_path, "tiny: {factory: test_resnet}\n")
    assert list(added_models(None, tmp_path)) == list(added_models(str(path), None)) == ["tiny"]
    first = added_hash(None, tmp_path)
    written(tmp_path, "tiny: {factory: test_resnet, input_size: 64}\n")
    assert first not in ("", added_hash(None, tmp_path))
    assert read_models(written(tmp_path, "# nothing yet\n")) == {}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("- a\n- b\n", 1, "no list of models by name"),
        ("tiny: {factory: test_resnet}\ntiny: {factory: test_resnet}\n", 2, "'tiny' appears twice"),
        ("tiny:\n  factory: test_resnet\n  input_size: 64\n  input_size: 96\n", 4, "'input_size' appears twice"),
        ("resnet18: {factory: resnet18}\n", 1, "'resnet18' is a model of the registry"),
        ("a b: {factory: test_resnet}\n", 1, "'a b' cannot be a name"),
        ("tiny:\n", 1, "tiny has no fields"),
        ("tiny:\n  factori: test_resnet\n", 2, "unknown field 'factori' .*Did you mean 'factory'"),
        ("tiny:\n  small: true\n", 2, "missing required field `factory`"),
        ("tiny:\n  factory: test_resne\n", 2, "no backbone is called 'test_resne'.*Did you mean 'test_resnet'"),
        ("tiny:\n  factory: test_resnet\n  input_size: 8\n", 3, "input_size: Expected `int` >= 32"),
        ("tiny:\n  factory: test_resnet\n  scratch_rate: fast\n", 3, "scratch_rate: Expected `float . null`, got `str`"),
        ("tiny:\n  factory: test_resnet\n  model_args:\n    pretrained: true\n", 3, "pretrained is decided by the run"),
        ("tiny:\n  factory: test_resnet\n  model_args: {wings: 2}\n", 3, "timm does not take these model_args"),
        (
            "tiny:\n  factory: test_resnet\n  training_modes:\n    supported:\n      - fine_tuning\n      - sideways\n"
            "    recommended: fine_tuning\n",
            6,
            "training_modes.supported.*sideways",
        ),
        (
            "tiny:\n  factory: test_resnet\n  training_modes:\n    supported: [fine_tuning]\n"
            "    recommended: full_training\n",
            4,
            "recommended has full_training, which is not supported",
        ),
    ],
)  # fmt: skip
def test_each_mistake_is_one_sentence_with_its_line(tmp_path, text, line, said):
    with pytest.raises(UserError, match=said) as error:
        read_models(written(tmp_path, text))
    assert error.value.where == f"{tmp_path / FILE_NAME}, line {line}"
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["tiny: {factory: [", "tiny: !!python/object/apply:os.system ['true']\n", "\x00"]
)
def test_what_is_not_plain_yaml_is_refused_and_not_run(tmp_path, text):
    with pytest.raises(UserError, match="not valid YAML"):
        read_models(written(tmp_path, text))


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UserError, match="cannot read: No such file"):
        added_models(str(tmp_path / "nowhere.yaml"), None)
