"""One picture, seen by the models of a finished run."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from grandmaster.competition.table import Competition
from grandmaster.errors import UserError
from grandmaster.images.decode import PictureError, decode_picture
from grandmaster.images.shown import jpeg_of, reduced
from grandmaster.page.places import find_run
from grandmaster.pipeline.finished import FinishedRun, open_run
from grandmaster.pipeline.fitted import as_fed, as_input, load_fitted
from grandmaster.pipeline.members import Member, finished_members
from grandmaster.pipeline.outcome import read_rule
from grandmaster.prediction import heat_map
from grandmaster.prediction.tta import predict_views, views
from grandmaster.prediction.weights import equal
from grandmaster.storage import file_sha256, read_json
from grandmaster.training.spec import FitSpec

MOST_MB = 50
SHOWN_SIDE, QUALITY = 360, 85  # px, and of JPEG, of the picture on the page
_KEPT_NETS = 4
Values = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class FitSays:
    """What one fit says of a picture.

    Attributes:
        views: names of the views.
        values: float32 (views, outputs).
        weights: of the views, (views,): as the run chose them.
    """

    name: str
    views: tuple[str, ...]
    values: Values
    weights: npt.NDArray[np.float64]

    @property
    def mean(self) -> Values:
        """Over the views, (outputs,)."""
        return np.asarray(self.weights @ self.values, np.float32)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the models of a run say of a picture.

    Attributes:
        names: of the outputs, for people.
        values: the mean over fits, (outputs,).
        shares: they are probabilities.
        decided: what would be handed in, in words; empty where the values are.
        blend: how the submission blends its models; None: as here.
        picture, heat: `data:` URIs; heat is None where there is none, `no_heat` then says why.
        heat_of: (model, output, method).
    """

    names: tuple[str, ...]
    values: Values
    shares: bool
    decided: str
    fits: tuple[FitSays, ...]
    blend: str | None
    picture: str
    heat: str | None
    heat_of: tuple[str, str, str]
    no_heat: str


def predict_picture(results: Path, run: str, file_name: str, content: bytes, *, all_folds: bool) -> Said:
    """Predict an uploaded picture as the run predicts a test picture.

    Args:
        all_folds: by every fit; else by one of each model, which is faster.

    Raises:
        UserError: no such run, not finished, its weights were not kept, or no picture that can be used.
    """
    if len(content) > MOST_MB * 2**20:
        raise UserError(f"the file has more than {MOST_MB} MB")
    found = open_run(find_run(results, run))
    competition = found.context.competition
    if competition.channels != 3:
        raise UserError(
            "this run's models want further images of each picture (masks), which one file does not hold",
            where=run,
        )
    members = finished_members(found.context)
    if not all_folds:
        members = list({member.group: member for member in reversed(members)}.values())[::-1]
    specs = [_spec(member) for member in members]
    weights = _view_weights(found.folder)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    fits = []
    for member, spec in zip(members, specs, strict=True):
        square = _square(file_name, content, spec)
        fits.append(_ask(member, spec, square, weights, device))
    mean = np.stack([fit.mean for fit in fits]).mean(axis=0, dtype=np.float64).astype(np.float32)
    names = _names(competition)
    heat, heat_of, no_heat = _heat(
        members[0], specs[0], _square(file_name, content, specs[0]), mean, device, names
    )
    return Said(
        names=names,
        values=mean,
        shares=competition.kind in ("multiclass", "multilabel"),
        decided=_decided(found, mean, names),
        fits=tuple(fits),
        blend=_other_blend(found),
        picture=_uri(_shown(file_name, content)),
        heat=heat,
        heat_of=heat_of,
        no_heat=no_heat,
    )


def _spec(member: Member) -> FitSpec:
    return msgspec.convert(read_json(member.folder / "spec.json"), FitSpec)


def _square(file_name: str, content: bytes, spec: FitSpec) -> npt.NDArray[np.uint8]:
    """(side, side, 3), made as the run makes it of a test picture: by way of the size that it stores."""
    try:
        pixels = decode_picture(file_name, content, at_least=spec.store_size).pixels
    except PictureError as error:
        raise UserError(f"this picture cannot be used: {error.reason}", where=file_name) from error
    return as_fed(pixels, spec)


def _shown(file_name: str, content: bytes) -> npt.NDArray[np.uint8]:
    """The picture with its own proportions, its longer side at most `SHOWN_SIDE`."""
    pixels = decode_picture(file_name, content, at_least=SHOWN_SIDE, side="longer").pixels
    return reduced(pixels, SHOWN_SIDE)


def _ask(
    member: Member,
    spec: FitSpec,
    square: npt.NDArray[np.uint8],
    weights: Mapping[str, npt.NDArray[np.float64]],
    device: str,
) -> FitSays:
    count = read_json(member.folder / "result.json").get("views", spec.tta_views)
    net = _net(member.folder, file_sha256(member.folder / "manifest.json"), device)
    with torch.inference_mode():
        values = predict_views(
            lambda batch: spec.head.activate(net(batch)), as_input(square, spec, device), count
        )
    model = member.model.backbone + (f" ({member.variant})" if member.variant else "")
    chosen = weights.get(model, equal(count))
    return FitSays(
        name=member.name,
        views=tuple(view.name for view in views(count)),
        values=values[:, 0].cpu().numpy(),
        weights=chosen[:count] / chosen[:count].sum() if chosen[:count].sum() > 0 else equal(count),
    )


@functools.lru_cache(maxsize=_KEPT_NETS)
def _net(folder: Path, manifest: str, device: str) -> nn.Module:
    """A fit's model; `manifest` (a hash) makes it load anew where the fit was made anew."""
    spec = msgspec.convert(read_json(folder / "spec.json"), FitSpec)
    return load_fitted(spec, folder).to(device)


def _view_weights(run: Path) -> dict[str, npt.NDArray[np.float64]]:
    """By model, as the run chose them; empty where nothing was chosen."""
    path = run / "ensemble" / "tta.json"
    if not path.is_file():
        return {}
    lines: Sequence[dict[str, Any]] = read_json(path)["models"]
    return {
        line["model"]: np.array(list(line["weights"].values()), np.float64)
        for line in lines
        if line.get("weights")
    }


def _names(competition: Competition) -> tuple[str, ...]:
    has_classes = competition.kind in ("multiclass", "multilabel")
    return competition.class_names if has_classes else competition.outputs


def _decided(found: FinishedRun, values: Values, names: tuple[str, ...]) -> str:
    """By the rule that the submission was made with."""
    rule, _ = read_rule(found.context)
    decision = rule.decide(values[None])[0]
    if rule.name == "argmax":
        return names[int(decision)]
    if rule.name == "thresholds":
        return ", ".join(name for name, on in zip(names, decision, strict=True) if on) or "–"
    if rule.name == "cut_points":
        return found.context.competition.class_names[int(decision)]
    return ""


def _other_blend(found: FinishedRun) -> str | None:
    """How the submission is blended, where that is more than a plain mean."""
    method = str(found.results.get("ensemble", {}).get("method", ""))
    return None if not method or method.startswith("mean of") else method


def _heat(
    member: Member,
    spec: FitSpec,
    square: npt.NDArray[np.uint8],
    values: Values,
    device: str,
    names: tuple[str, ...],
) -> tuple[str | None, tuple[str, str, str], str]:
    """The painted picture, of whom and what it is; or why there is none."""
    why = heat_map.missing()
    if why is not None:
        return None, ("", "", ""), why
    output = int(values.argmax()) if spec.head.kind in ("multiclass", "multilabel") else 0
    net = _net(member.folder, file_sha256(member.folder / "manifest.json"), device)
    found = heat_map.heat_map(net, as_input(square, spec, device), output)
    large = np.asarray(cv2.resize(square, (SHOWN_SIDE, SHOWN_SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)
    painted = heat_map.painted(large, found.values)
    return _uri(painted), (member.name, names[output], found.method), ""


def _uri(picture: npt.NDArray[np.uint8]) -> str:
    """A `data:` URI of a JPEG."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg_of(picture, QUALITY)).decode('ascii')}"
