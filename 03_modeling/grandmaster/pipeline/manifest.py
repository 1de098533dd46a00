"""A step is done when its manifest stands, its inputs are the same and its outputs are what they were."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from grandmaster.storage import file_sha256, plain, read_bytes, write_json
from grandmaster.texts import JSON_DAMAGE


class Manifest(msgspec.Struct, frozen=True):
    """A finished step.

    Attributes:
        inputs: what it was made from.
        outputs: hash of every file, by its name below the manifest's folder.
    """

    inputs: dict[str, Any]
    outputs: dict[str, str]


def is_done(manifest: Path, inputs: dict[str, Any]) -> bool:
    """Whether a step with these inputs was finished and its files are untouched."""
    known = read_manifest(manifest)
    if known is None or known.inputs != plain(inputs):
        return False
    return all(
        (manifest.parent / name).is_file() and file_sha256(manifest.parent / name) == sha256
        for name, sha256 in known.outputs.items()
    )


def read_manifest(manifest: Path) -> Manifest | None:
    """What `mark_done` recorded; None where nothing was, or what is there is damaged: the step is to be done again.

    Raises:
        UserError: it may not be read.
    """
    if not manifest.exists():
        return None
    raw = read_bytes(manifest)
    try:
        return msgspec.json.decode(raw, type=Manifest)
    except JSON_DAMAGE:
        return None


def mark_done(manifest: Path, inputs: dict[str, Any], outputs: Iterable[Path]) -> None:
    """Record a finished step, last of all its files.

    Args:
        outputs: files below the manifest's folder.
    """
    hashes = {path.relative_to(manifest.parent).as_posix(): file_sha256(path) for path in sorted(outputs)}
    write_json(manifest, {"inputs": inputs, "outputs": hashes})


def without_output(manifest: Path, path: Path) -> None:
    """Let a finished step have one output less, before that file is removed."""
    known, name = read_manifest(manifest), path.relative_to(manifest.parent).as_posix()
    if known is not None and known.outputs.pop(name, None) is not None:
        write_json(manifest, known)
