"""A step is done when its manifest stands, its inputs are the same and its outputs are what they were."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from grandmaster.errors import UserError
from grandmaster.storage import file_sha256, plain, read_json, write_json


def is_done(manifest: Path, inputs: dict[str, Any]) -> bool:
    """Whether a step with these inputs was finished and its files are untouched."""
    if not manifest.exists():
        return False
    try:
        known = read_json(manifest)
    except UserError:
        return False  # half written by something else, or edited to nonsense: do the step again
    if not isinstance(known, dict) or known.get("inputs") != plain(inputs):
        return False
    outputs: dict[str, str] = known.get("outputs", {})
    return all(
        (manifest.parent / name).is_file() and file_sha256(manifest.parent / name) == sha256
        for name, sha256 in outputs.items()
    )


def mark_done(manifest: Path, inputs: dict[str, Any], outputs: Iterable[Path]) -> None:
    """Record a finished step, last of all its files.

    Args:
        outputs: files below the manifest's folder.
    """
    hashes = {path.relative_to(manifest.parent).as_posix(): file_sha256(path) for path in sorted(outputs)}
    write_json(manifest, {"inputs": inputs, "outputs": hashes})


def without_output(manifest: Path, path: Path) -> None:
    """Let a finished step have one output less, before that file is removed."""
    known = read_json(manifest)
    if known["outputs"].pop(path.relative_to(manifest.parent).as_posix(), None) is not None:
        write_json(manifest, known)
