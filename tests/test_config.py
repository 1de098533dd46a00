"""Settings: documented, checked, never guessed."""

from __future__ import annotations

import msgspec
import pytest

from grandmaster.config import Config
from grandmaster.errors import UserError
from grandmaster.settings import convert, fields, with_settings


def test_every_field_says_what_it_means():
    documented = list(fields())
    assert len(documented) > 30
    assert all(info.help and info.type_text for info in documented)
    assert len({info.path for info in documented}) == len(documented)


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("training.epochs=7", "training.epochs", 7),
        ("training.epochs = 7", "training.epochs", 7),
        ("training.epochs=none", "training.epochs", None),
        ("training.learning_rate=1e-4", "training.learning_rate", 1e-4),
        ("model.backbones=convnext_large, vit_large", "model.backbones", ("convnext_large", "vit_large")),
        ("model.pretrained=no", "model.pretrained", False),
        ("prediction.tta_views=4", "prediction.tta_views", 4),
        ("hardware.precision=bf16", "hardware.precision", "bf16"),
        ("model.weights_dir=a=b", "model.weights_dir", "a=b"),
    ],
)
def test_a_setting_from_the_command_line(text, path, value):
    section, name = path.split(".")
    assert getattr(getattr(with_settings(Config(), [text]), section), name) == value


@pytest.mark.parametrize("info", list(fields()), ids=lambda info: info.path)
def test_every_field_can_be_set_to_its_default(info):
    value = info.default
    text = "none" if value is None else ",".join(value) if isinstance(value, tuple) else str(value).lower()
    assert with_settings(Config(), [f"{info.path}={text}"]) == Config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training.epochs=0", r"training.epochs=0 is not allowed .*>= 1"),
        ("training.epochs=many", r"training.epochs=many is not allowed"),
        ("training.epoch=3", "unknown field 'training.epoch'.*Did you mean 'training.epochs'"),
        ("epochs=3", "unknown field 'epochs'"),
        ("training.epochs", "is not section.field=value"),
        ("prediction.tta_views=3", r"Allowed: 1\|2\|4\|8"),
        ("training.ema_decay=1", "< 1"),
        ("augmentation.mix_probability=1.5", "<= 1"),
        ("model.pretrained=perhaps", "true|false"),
        ("training.learning_rate=nan", "is not allowed"),
    ],
)
def test_a_bad_setting_is_one_line_that_names_it(text, message):
    with pytest.raises(UserError, match=message) as error:
        with_settings(Config(), [text])
    assert "\n" not in str(error.value)


def test_a_config_survives_json_and_unknown_keys_do_not():
    config = with_settings(Config(), ["model.backbones=a,b", "training.epochs=3"])
    raw = msgspec.json.decode(msgspec.json.encode(config))
    assert convert(raw, where="config.json") == config
    raw["training"]["epoch"] = 3
    with pytest.raises(UserError, match=r"unknown field `epoch`.*config\.json"):
        convert(raw, where="config.json")


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        Config().training.epochs = 3  # type: ignore[misc]
