"""Where the models look: out-of-fold pictures under the heat of a model that did not see them in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from grandmaster.competition.predictions import Predictions
from grandmaster.images.decode import PictureError, read_picture
from grandmaster.images.shown import jpeg_of
from grandmaster.models.passes import free_memory, is_out_of_memory
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.fitted import as_fed, as_input, load_fitted
from grandmaster.pipeline.manifest import is_done, mark_done
from grandmaster.pipeline.members import Member, finished_members, member_spec
from grandmaster.prediction.heat_map import heat_map, missing, painted
from grandmaster.storage import file_sha256, write_atomic, write_json
from grandmaster.training.checkpoint import best_sha256
from grandmaster.training.spec import FitSpec

FOLDER = "looks"
WRONG, RIGHT = 8, 4  # pictures
SIDE, QUALITY = 240, 82  # px, of JPEG
# To have left before it begins.
LEAST_SECONDS = 45.0


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A picture to be looked at.

    Attributes:
        place: among the out-of-fold predictions.
        output: whose heat is shown.
        right: the answer is.
    """

    place: int
    output: int
    right: bool


def look(context: RunContext) -> None:
    """Heat maps of the surest wrong and right answers -> `looks/*.jpg`, `looks/looks.json`.

    None where captum is not installed, weights were not kept, or the time limit leaves no time; the page then says so.
    """
    folder = context.folder / FOLDER
    members = _by_fold(context)
    if missing() is not None or context.plan.keep_weights == "predictions" or not members:
        return
    inputs = {
        "out_of_fold": file_sha256(context.folder / "ensemble" / "oof.npz"),
        "weights": {str(fold): best_sha256(member.folder / "checkpoint") for fold, member in members.items()},
        "data": context.data_hash,
        "how": [WRONG, RIGHT, SIDE, QUALITY],
    }
    manifest = folder / "manifest.json"
    if is_done(manifest, inputs) or context.clock.left() < LEAST_SECONDS:
        return
    oof = Predictions.load(context.folder / "ensemble" / "oof.npz")
    known = context.competition.train.set_index("id")
    folds = context.trainable.set_index("id")["fold"]
    chosen = choose(oof, _truth(context, oof), context.competition.kind)
    lines: list[dict[str, Any]] = []
    for fold, member in members.items():
        of_fold = [one for one in chosen if int(folds[oof.ids[one.place]]) == fold]
        try:
            with _Looker(context, member) as looker:
                for one in of_fold:
                    picture_id = oof.ids[one.place]
                    name = f"{chosen.index(one):02d}.jpg"
                    method = looker.paint(Path(known["path"][picture_id]), one.output, folder / name)
                    if method is not None:
                        lines.append(
                            {
                                "id": picture_id,
                                "file": name,
                                "output": one.output,
                                "value": float(oof.values[one.place, one.output]),
                                "right": one.right,
                                "fit": member.name,
                                "method": method,
                            }
                        )
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            context.progress.message("No pictures of where the models look: memory ran out.", "warn")
            return
    lines.sort(key=lambda line: str(line["file"]))
    folder.mkdir(exist_ok=True)
    write_json(folder / "looks.json", {"looks": lines})
    mark_done(manifest, inputs, [folder / "looks.json", *(folder / line["file"] for line in lines)])


def choose(oof: Predictions, truth: npt.NDArray[Any], kind: str) -> list[Chosen]:
    """The surest wrong answers, then the surest right ones of different classes; of numbers the largest errors and the least.

    Args:
        truth: of every prediction: a class (n,), or values (n, outputs).
    """
    values = oof.values.astype(np.float64)
    if kind == "multiclass":
        said = values.argmax(axis=1)
        sure, right, output = values.max(axis=1), said == truth, said
    elif kind == "multilabel":
        output = values.argmax(axis=1)
        sure = values.max(axis=1)
        right = truth[np.arange(len(truth)), output] > 0.5
    else:
        error = np.abs(values[:, 0] - np.asarray(truth, np.float64).reshape(len(values), -1)[:, 0])
        output, half = np.zeros(len(values), np.int64), float(np.median(error))
        sure, right = np.where(error > half, error, -error), error <= half
    ids = np.array(oof.ids, dtype=object)
    order = np.lexsort((ids, -sure))  # ids break ties: the same predictions always give the same pictures
    wrong = [int(row) for row in order if not right[row]][:WRONG]
    seen, good = set[int](), list[int]()
    for row in order:
        if right[row] and (kind not in ("multiclass", "multilabel") or int(output[row]) not in seen):
            seen.add(int(output[row]))
            good.append(int(row))
    return [
        Chosen(place=row, output=int(output[row]), right=bool(right[row])) for row in [*wrong, *good[:RIGHT]]
    ]


def _by_fold(context: RunContext) -> dict[int, Member]:
    """The first fit of every fold that stands: it did not learn that fold's pictures."""
    found: dict[int, Member] = {}
    for member in finished_members(context):
        found.setdefault(member.fold, member)
    return dict(sorted(found.items()))


def _truth(context: RunContext, oof: Predictions) -> npt.NDArray[Any]:
    places = {picture_id: place for place, picture_id in enumerate(context.competition.train["id"])}
    return context.competition.targets[[places[picture_id] for picture_id in oof.ids]]


class _Looker:
    """A fit's model on its device, as long as the block lasts."""

    def __init__(self, context: RunContext, member: Member) -> None:
        self._spec: FitSpec = member_spec(context, member)
        self._member, self._device = member, context.hardware.device

    def __enter__(self) -> _Looker:
        # In float32, whatever it was trained in: heat is made of gradients, which half a format rounds away.
        self._net = load_fitted(self._spec, self._member.folder).to(self._device)
        return self

    def __exit__(self, *_: object) -> None:
        del self._net
        free_memory()

    def paint(self, source: Path, output: int, target: Path) -> str | None:
        """Write the picture under its heat; how it was found, or None where the picture cannot be read any more."""
        spec = self._spec
        if spec.in_channels != 3:
            return None  # further images are not shown
        try:
            pixels = read_picture(source, at_least=spec.store_size)
        except PictureError:
            return None
        square = as_fed(pixels, spec)
        found = heat_map(self._net, as_input(square, spec, self._device), output)
        target.parent.mkdir(exist_ok=True)
        write_atomic(target, jpeg_of(painted(_shown(square, pixels.shape), found.values), QUALITY))
        return found.method


def _shown(square: npt.NDArray[np.uint8], shape: Sequence[int]) -> npt.NDArray[np.uint8]:
    """The picture in its own proportions, its longer side `SIDE`."""
    height, width = shape[:2]
    scale = SIDE / max(height, width)
    wanted = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(square, wanted, interpolation=cv2.INTER_AREA), np.uint8)
