"""Recipes as files: a YAML of settings, section by section, that `--preset` takes by name or path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

import data_loader
from grandmaster.config import Config
from grandmaster.errors import UserError, did_you_mean
from presets import PRESETS, Preset

FOLDER = Path(__file__).resolve().with_name("experiments")
_ENDINGS = (".yaml", ".yml")
_FIX = "A file has `about`, and settings as `training:` with `epochs: 5` below it."


def known_recipes() -> dict[str, Preset]:
    """The presets, and the files of `experiments/`, by name."""
    files = {path.stem: read_experiment(path) for path in sorted(FOLDER.glob("*.yaml"))}
    assert not files.keys() & PRESETS.keys(), "an experiment has the name of a preset"
    return {**PRESETS, **files}


def find_recipe(given: str) -> Preset:
    """The preset or experiment of that name, or the file at that path; its name is then an absolute path.

    Raises:
        UserError: there is none, or the file is not one; names the nearest.
    """
    if given.endswith(_ENDINGS):
        path = data_loader.resolve(given)
        if not path.is_file():
            raise UserError(f"no such file: {given}", where="--preset", fix="Give the path of a YAML file.")
        return read_experiment(path, name=str(path))
    if given not in PRESETS and (FOLDER / f"{given}.yaml").is_file():
        return read_experiment(FOLDER / f"{given}.yaml")
    if given not in PRESETS:
        raise UserError(
            f"unknown value {given!r}", where="--preset", fix=did_you_mean(given, known_recipes())
        )
    return PRESETS[given]


def read_experiment(path: Path, name: str | None = None) -> Preset:
    """The settings of a file, as `--set` would have them. Their values are checked where they are applied.

    Args:
        name: of the recipe; None: the file's.

    Raises:
        UserError: it cannot be read, or it is not of that form; names the file and the place.
    """
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise UserError(
            f"cannot be read: {error.strerror or error}", where=path, fix="Mend --preset."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"not valid YAML: {' '.join(str(error).split())}", where=path, fix=_FIX) from error
    if not isinstance(content, dict):
        raise UserError("this is no list of settings", where=path, fix=_FIX)
    sections = Config.__struct_fields__
    settings = []
    for section, fields in content.items():
        if section == "about":
            continue
        if section not in sections:
            raise UserError(
                f"unknown section {section!r}", where=path, fix=did_you_mean(str(section), sections)
            )
        if not isinstance(fields, dict):
            raise UserError(f"{section} has no fields below it", where=path, fix=_FIX)
        settings += [
            f"{section}.{field}={_text(value, path, f'{section}.{field}')}" for field, value in fields.items()
        ]
    about = " ".join(str(content.get("about", "")).split())
    return Preset(name=name or path.stem, about=about, settings=tuple(settings))


def _text(value: Any, path: Path, field: str) -> str:
    """A value as it is written on the command line."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return msgspec.json.encode(value).decode()
    if isinstance(value, list):
        items = [str(item) for item in value]
        if any("," in item for item in items):
            raise UserError(f"{field}: no comma may be in an item", where=path, fix="Write it otherwise.")
        return ",".join(items)
    return str(value)
