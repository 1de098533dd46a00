"""What a fit leaves on disk: always one whole state to go on from, and the best weights.

`last.json` names the files of the newest complete state; it is replaced only after they are on disk, and older
files are removed only after that: until the last new file is there the old ones are the only whole state, so for a
moment there are two. Weights are safetensors; the rest is `torch.save`, read with `weights_only=True`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import torch
from safetensors.torch import load_file, save
from torch import nn

from grandmaster.errors import UserError
from grandmaster.models.half import rounded
from grandmaster.models.passes import Passes
from grandmaster.storage import file_sha256, read_json, read_object, write_atomic, write_json
from grandmaster.training.divergence import Ease
from grandmaster.training.epoch_choice import Leader
from grandmaster.training.optimiser import Bend

_POINTER, BEST, _BEST_FACTS = "last.json", "best.safetensors", "best.json"
_PASSES, _EASE = "passes.json", "ease.json"
_REMOVED = "removed.json"
_ANEW = "Delete the folder it lies in; the same command then trains this fit anew."


Kept = TypeVar("Kept")
Weights = dict[str, torch.Tensor]


class TrainState(msgspec.Struct, kw_only=True):
    """Where a fit stands after a whole epoch.

    Attributes:
        epoch: epochs done.
        step: optimiser steps done.
        leader, leaders: the best epoch on the selection pictures, and those by part of them, see `epoch_choice`.
        history: one dictionary an epoch, as in `metrics.jsonl`.
        optimiser, scaler: their state dictionaries.
        epochs, bends: in all, and what that made of the schedule, where a brake changed them; 0: as in the spec.
    """

    epoch: int = 0
    step: int = 0
    leader: Leader = Leader()
    leaders: list[Leader] = []
    history: list[dict[str, Any]] = []
    optimiser: dict[str, Any] = {}
    scaler: dict[str, Any] = {}
    epochs: int = 0
    bends: list[Bend] = []


class _Files(msgspec.Struct, frozen=True, kw_only=True):
    weights: str
    state: str
    average: str | None = None


class _Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `last.json`; what has a default was not written by earlier versions."""

    fit: str
    files: _Files
    epoch: int
    step: int
    best_score: float | None
    best_epoch: int
    history: list[dict[str, Any]]
    epochs: int = 0
    bends: list[Bend] = []
    leader: Leader | None = None
    leaders: list[Leader] = []


def save_state(
    folder: Path, state: TrainState, weights: Weights, average: Weights | None, *, fit_digest: str
) -> None:
    """Write a complete state, then point to it, then remove the one before.

    Args:
        weights, average: of the model and of its average, as of `weights_of`.
    """
    stem = f"epoch_{state.epoch:04d}"
    files = {"weights": f"{stem}.safetensors", "state": f"{stem}.state.pt"}
    write_atomic(folder / files["weights"], save(weights))
    if average is not None:
        files["average"] = f"{stem}.average.safetensors"
        write_atomic(folder / files["average"], save(average))
    other = {"optimiser": state.optimiser, "scaler": state.scaler}
    write_atomic(folder / files["state"], lambda file: torch.save(other, file))
    facts = {
        "epoch": state.epoch,
        "step": state.step,
        "best_score": state.leader.score,
        "best_epoch": state.leader.epoch,
        "history": state.history,
        "epochs": state.epochs,
        "bends": state.bends,
        "leader": state.leader,
        "leaders": state.leaders,
    }
    write_json(folder / _POINTER, {"fit": fit_digest, "files": files, **facts})
    needed = {*files.values(), *(_leader_file(leader.epoch) for leader in state.leaders)}
    for path in _passing_files(folder):
        if path.name not in needed:
            path.unlink()


def load_state(
    folder: Path, model: nn.Module, average: nn.Module | None, *, fit_digest: str
) -> TrainState | None:
    """Load the newest complete state into `model` and `average`; None where there is none.

    Raises:
        UserError: the state belongs to a fit with other settings, pictures or classes, or is damaged.
    """
    if not (folder / _POINTER).exists():
        return None
    pointer = _pointer(folder)
    if pointer.fit != fit_digest:
        raise UserError(
            "this checkpoint belongs to a fit with other settings, pictures or classes",
            where=folder,
            fix="Use another --experiment_name, or delete this folder to train it anew.",
        )
    files = pointer.files
    _load_weights(_file(folder, files.weights, "weights"), model)
    if average is not None:
        _load_weights(_file(folder, files.average, "averaged weights"), average)
    state_file = _file(folder, files.state, "state")
    with _damage_named(state_file):
        kept = torch.load(state_file, weights_only=True, map_location="cpu")
        optimiser, scaler = dict(kept["optimiser"]), dict(kept["scaler"])
    return TrainState(
        epoch=pointer.epoch,
        step=pointer.step,
        history=pointer.history,
        optimiser=optimiser,
        scaler=scaler,
        epochs=pointer.epochs,
        bends=pointer.bends,
        leader=pointer.leader or Leader(score=pointer.best_score, epoch=pointer.best_epoch),
        leaders=pointer.leaders,
    )


def _pointer(folder: Path) -> _Pointer:
    with _damage_named(folder / _POINTER):
        return msgspec.convert(read_json(folder / _POINTER), _Pointer)


def _file(folder: Path, name: str | None, what: str) -> Path:
    """The file that `last.json` names; it lies in the fit's own folder, or the pointer is not ours."""
    if not name or Path(name).name != name or "\0" in name:
        raise UserError(f"it names no file of {what}", where=folder / _POINTER, fix=_ANEW)
    return folder / name


def _load_weights(path: Path, model: nn.Module) -> None:
    with _damage_named(path):
        model.load_state_dict(load_file(path))


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Whatever goes wrong in reading a file is one error that names it: damaged files make anything of their parsers.

    Raises:
        UserError: the file cannot be used.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"this checkpoint is damaged, or not of this fit: {line}",
            where=path,
            fix=_ANEW,
        ) from error


def save_passes(folder: Path, passes: Passes, *, fit_digest: str) -> None:
    """Remember how small the passes had to become; not part of the digest, since the fit stays what it is."""
    write_json(folder / _PASSES, {"fit": fit_digest, **msgspec.to_builtins(passes)})


def load_passes(folder: Path, *, fit_digest: str) -> Passes | None:
    """What `save_passes` wrote for this fit; None: its memory never ran out."""
    return _kept(folder / _PASSES, Passes, fit_digest)


def save_ease(folder: Path, ease: Ease, *, fit_digest: str) -> None:
    """Remember with how much less risk the fit goes on; not part of the digest either."""
    write_json(folder / _EASE, {"fit": fit_digest, **msgspec.to_builtins(ease)})


def load_ease(folder: Path, *, fit_digest: str) -> Ease | None:
    """What `save_ease` wrote for this fit; None: it never diverged."""
    return _kept(folder / _EASE, Ease, fit_digest)


def _kept(path: Path, kind: type[Kept], fit_digest: str) -> Kept | None:
    if not path.exists():
        return None
    try:
        content = read_object(path)
        return msgspec.convert(content, kind) if content.get("fit") == fit_digest else None
    except (UserError, msgspec.ValidationError):
        return None  # damaged: what it could have told is found out again


def save_best(folder: Path, weights: Weights, facts: Mapping[str, Any]) -> None:
    """Write the weights to predict with, and beside them what they are.

    Args:
        weights: as of `weights_of`; `load_best` gives them as they are here, rounded or not.
    """
    (folder / _REMOVED).unlink(missing_ok=True)  # of a fit of this folder that was to be another
    write_atomic(folder / BEST, save(weights))
    write_json(folder / _BEST_FACTS, facts)


def load_best(folder: Path, model: nn.Module, *, fit_digest: str) -> None:
    """Load the best weights into `model`.

    Raises:
        UserError: there are none, they were removed, they belong to another fit, or they are damaged.
    """
    if read_object(folder / _BEST_FACTS).get("fit") != fit_digest:
        raise UserError("these weights belong to a fit with other settings", where=folder / _BEST_FACTS)
    if are_removed(folder):
        raise UserError(
            "the weights of this fit were removed when its predictions were on disk (keep_weights: predictions)",
            where=folder / BEST,
            fix="Delete the fit's folder to train it anew; to keep weights, start with "
            "--set run.keep_weights=half and another --experiment_name.",
        )
    _load_weights(folder / BEST, model)


def save_leader(folder: Path, weights: Weights, epoch: int) -> None:
    """Write the weights of an epoch that leads for some part of the held-out pictures; kept until no part needs them.

    Args:
        weights: as of `weights_of`, better rounded: they predict pictures once, and the disk may have room for little more
            than a state.
    """
    write_atomic(folder / _leader_file(epoch), save(weights))


def load_leader(folder: Path, model: nn.Module, epoch: int) -> None:
    """Load what `save_leader` wrote.

    Raises:
        UserError: it is not there, or damaged.
    """
    _load_weights(folder / _leader_file(epoch), model)


def _leader_file(epoch: int) -> str:
    return f"leader_{epoch:04d}.safetensors"


def _passing_files(folder: Path) -> list[Path]:
    """What only an unfinished fit needs."""
    return [path for pattern in ("epoch_*", "leader_*") for path in folder.glob(pattern)]


def mark_removed(folder: Path) -> None:
    """Say, before `remove_best`, that the best weights are not needed any more, and keep their hash."""
    if not are_removed(folder):
        write_json(folder / _REMOVED, {"sha256": file_sha256(folder / BEST)})


def are_removed(folder: Path) -> bool:
    """Whether the best weights were given up."""
    return (folder / _REMOVED).exists()


def remove_best(folder: Path) -> None:
    """Remove the best weights, after `mark_removed`."""
    assert are_removed(folder), "their hash would be lost"
    (folder / BEST).unlink(missing_ok=True)


def best_sha256(folder: Path) -> str:
    """Hash of the best weights, also after they were removed."""
    if are_removed(folder):
        known: str = read_json(folder / _REMOVED)["sha256"]
        return known
    return file_sha256(folder / BEST)


def weights_of(model: nn.Module, *, half: bool = False) -> Weights:
    """Copies in host memory, by name.

    Args:
        half: rounded to half precision, see `models.half`.
    """
    # safetensors refuses shared memory, and writes row-major whatever the memory format was.
    copies = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
    return rounded(copies, model) if half else copies


def has_state(folder: Path) -> bool:
    """Whether there is a whole epoch to go on from."""
    return (folder / _POINTER).exists()


def remove_state(folder: Path) -> None:
    """Remove what only an unfinished fit needs (weights to go on from, optimiser); the best weights stay."""
    for name in (_POINTER, _PASSES, _EASE):
        (folder / name).unlink(missing_ok=True)
    for path in _passing_files(folder):
        path.unlink()
