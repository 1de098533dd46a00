"""`competition.yaml`: what a person says of a competition's folder, where finding it out goes wrong.

A small file in the folder, each line in place of something that is otherwise found out; nothing is required.
Its keys are the fields of `config.DataConfig`, so `--set data.kind=...` says the same for one run, and wins:

    layout: L13                        # one of L1 to L14
    train: labels.csv                  # files, relative to the folder; a COCO JSON is possible too
    test: test_meta.csv
    sample: sample_sub_v2.csv
    images: [train_768, test_768]      # only pictures in these folders count
    extra_images:                      # further images of each picture, as channels behind red, green and blue
      - {name: mask, folder: masks, mode: grey}                # or column: mask_path; ending: _mask; highest: 1
    id_column: image_id                # names the pictures
    target_columns: [diagnosis]        # of the training table
    kind: ordinal                      # multiclass | multilabel | ordinal | regression
    classes: [low, middle, high]       # grades from low to high, or labels in the order of the sample's columns
    submission_format: one_probability
    positive_class: dog
    group_column: patient_id           # the id column itself: no groups
    metric: quadratic_weighted_kappa
    top_k: 5
    separator: "|"
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import yaml

from grandmaster.competition.csv_files import first_few
from grandmaster.competition.files import inside
from grandmaster.config import DataConfig
from grandmaster.errors import UserError, did_you_mean
from grandmaster.texts import is_clean

FILE_NAME = "competition.yaml"
MOST_SIGNS, DEEPEST, MOST_SHOWN = 1_000_000, 10, 200


def described(root: Path, config: DataConfig) -> tuple[DataConfig, tuple[str, ...]]:
    """The settings, completed from the folder's `competition.yaml` where they leave something open.

    Returns:
        The settings, and lines that say what the file decided.

    Raises:
        UserError: not YAML, an unknown or repeated key, a value that is not allowed.
    """
    path = root / FILE_NAME
    other = root / "competition.yml"
    if other.is_file():
        raise UserError("this name is not looked for", where=other, fix=f"Call it {FILE_NAME}.")
    if not path.is_file():
        return config, ()
    said = _read(inside(path, root.resolve()))
    decided = {name: value for name, value in said.items() if getattr(config, name) is None}
    if not decided:
        return config, ()
    texts = (
        f"{name}: {', '.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, value in decided.items()
    )
    return msgspec.structs.replace(config, **decided), (f"{FILE_NAME} says {'; '.join(texts)}",)


def ambiguous(what: str, where: Path, choices: Sequence[tuple[str, str]]) -> UserError:
    """The error for what the files leave open, with the lines that would settle it.

    Args:
        what: what is unclear.
        where: the file or folder that leaves it open.
        choices: lines of `competition.yaml`, each with what it means.
    """
    lines = " or ".join(f"`{line}` ({meaning})" for line, meaning in choices)
    return UserError(what, where=where, fix=f"Say which in {FILE_NAME}: {lines}")


def _read(path: Path) -> dict[str, Any]:
    """The fields that the file sets."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        _refuse_monsters(text, path)
        node = yaml.compose(text, Loader=yaml.BaseLoader)
        # BaseLoader makes strings of all scalars: `001`, `NA` and `no` stay what they are, as in the CSV files.
        content = yaml.load(text, Loader=yaml.BaseLoader)
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror or error}", where=path) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        line = " ".join(str(error).split())
        raise UserError(f"not valid YAML: {line}", where=path, fix="One `key: value` a line.") from error
    if content in (None, ""):
        return {}
    if not isinstance(content, dict) or not isinstance(node, yaml.MappingNode):
        raise UserError("not a list of `key: value` lines", where=path, fix="Example: `kind: ordinal`.")
    keys = [key.value for key, _ in node.value]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise UserError(f"keys appear twice: {first_few(repeated)}", where=path)
    hints = get_type_hints(DataConfig, include_extras=True)
    found: dict[str, Any] = {}
    for key, value in content.items():
        if key not in hints:
            raise UserError(f"unknown key {_shown(key)}", where=path, fix=did_you_mean(key, hints))
        listed = any(getattr(part, "__origin__", None) is tuple for part in _parts(hints[key]))
        try:
            found[key] = msgspec.convert(
                [value] if listed and not isinstance(value, list) else value, hints[key], strict=False
            )
        except msgspec.ValidationError as error:
            raise UserError(f"{key}: {_shown(value)} is not allowed: {error}", where=path) from error
    return {key: value for key, value in found.items() if value is not None}


def _refuse_monsters(text: str, path: Path) -> None:
    """Refuse what a few lines can blow up: references to references, and brackets without end.

    Raises:
        UserError: says which.
        yaml.YAMLError: no YAML.
    """
    if len(text) > MOST_SIGNS:
        raise UserError(
            f"longer than {MOST_SIGNS:,} characters", where=path, fix="Keep only what it has to say."
        )
    depth = 0
    for event in yaml.parse(text, Loader=yaml.BaseLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            why = "refers to another (`*name`)"
        elif depth > DEEPEST:
            why = f"has more than {DEEPEST} brackets in brackets"
        elif isinstance(event, yaml.ScalarEvent) and not is_clean(event.value):
            why = "is no readable text"
        else:
            continue
        line = event.start_mark.line + 1 if event.start_mark else 1
        raise UserError(f"line {line} {why}", where=path, fix="Write out each `key: value`.")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]} ..."


def _parts(hint: Any) -> list[Any]:
    """A type and all that it is made of."""
    return [hint, *(inner for part in get_args(hint) for inner in _parts(part))]
