"""Whether the blend listens to the specialists for pairs of classes, and how much: chosen on out-of-fold predictions.

Pairs and weight for a part of the pictures are chosen on the other parts, so what a picture is given had no help from its
label (see `specialists`). What comes of it is compared with the blend as it was, and is part of the submission only where it
is better beyond the uncertainty.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grandmaster.competition.objective import Objective
from grandmaster.competition.predictions import Predictions
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.judging import Judge
from grandmaster.pipeline.specialists import NAME, TITLE, Specialists
from grandmaster.pipeline.techniques import Technique, record, scored_on
from grandmaster.prediction.pairs import Pair, pair_name, resplit
from grandmaster.storage import write_json

Values = npt.NDArray[np.float32]
Chances = dict[Pair, npt.NDArray[np.float64]]
WEIGHTS = (0.0, 0.5, 1.0)
"""Of the specialists, the simplest first: of equals it is taken."""


class Resplitting:
    """The specialists beside one blend.

    Args:
        objective: of the blend's out-of-fold pictures.
        ids: of these.
    """

    def __init__(
        self,
        context: RunContext,
        objective: Objective,
        ids: tuple[str, ...],
        specialists: Specialists,
    ) -> None:
        self._context, self._objective, self._ids = context, objective, ids
        self._pairs, self._folders = specialists.pairs, specialists.folders
        self._weights: dict[int | None, float] | None = None

    # What was chosen, applied; before anything was, nothing changes.

    @property
    def kept(self) -> bool:
        """Whether they have a say."""
        return self._weights is not None

    def out_of_fold(self, kind: str, values: Values) -> Values:
        """The blend's values of the pictures of the objective, every part by choices in which it had no say."""
        return values if self._weights is None else self._nested(kind, values, self._weights)

    def test(self, ids: tuple[str, ...], values: Values) -> Values:
        """The blend's values of test pictures, by choices made on all."""
        if self._weights is None:
            return values
        chances = self._chances("test", ids)
        return resplit(values, _of(chances, self._pairs.of_part[None]), self._weights[None])

    # Choosing.

    def choose(self, kind: str, values: Values, path: Path) -> None:
        """Choose how much the specialists count -> `specialist.json`, and the line of what that was worth.

        Args:
            kind: of out-of-fold predictions that choices are made on.
            values: the blend's of these, (n, c).
        """
        objective = self._objective
        tried = {
            weight: self._nested(kind, values, dict.fromkeys(objective.parts, weight)) for weight in WEIGHTS
        }
        scored = [objective.scored(found) for found in tried.values()]
        weights: dict[int | None, float] = {
            part: WEIGHTS[objective.better(scored, frozenset({part}))] for part in objective.parts
        }
        weights[None] = WEIGHTS[objective.better(scored)]
        judge = Judge(self._context)
        before = self._predictions(values)
        compared = judge.compare(before, self._predictions(self._nested(kind, values, weights)))
        kept = compared.verdict == "better" and weights[None] > 0
        scores = {weight: judge.score(self._predictions(found)) for weight, found in tried.items()}
        named = {part: self._named(pairs) for part, pairs in self._pairs.of_part.items()}
        write_json(
            path,
            {
                "kept": kept,
                "chosen_on": kind,
                "pairs": named[None],
                "weight": weights[None],
                "scores": {str(weight): found for weight, found in scores.items()},
                "chosen_without_part": {
                    str(part): {"pairs": named[part], "weight": weights[part]} for part in objective.parts
                },
                "compared": compared,
            },
        )
        if kept:
            self._weights = weights
        record(
            self._context,
            Technique.of(
                compared,
                name=NAME,
                title=TITLE,
                kept=kept,
                scored_on=scored_on(kind),
                why=_why(
                    named[None], weights[None], scores, compared.sentence("the blend", "it with specialists")
                ),
            ),
        )

    def _nested(self, kind: str, values: Values, weights: Mapping[Any, float]) -> Values:
        chances, found = self._chances(kind, self._ids), values.copy()
        for part in self._objective.parts:
            inside = self._objective.part == part
            own = {pair: said[inside] for pair, said in _of(chances, self._pairs.of_part[part]).items()}
            found[inside] = resplit(values[inside], own, weights[part])
        return found

    def _chances(self, kind: str, ids: tuple[str, ...]) -> Chances:
        """Of every pair that anybody was fitted for, the mean over the fits that say something of a picture; else nan."""
        place = {picture_id: row for row, picture_id in enumerate(ids)}
        sums: dict[str, npt.NDArray[np.float64]] = {}
        counts: dict[str, npt.NDArray[np.float64]] = {}
        for folder in self._folders:
            path = folder / f"{kind}.npz"
            if not path.exists():
                continue
            said = Predictions.load(path)
            rows = [place[picture_id] for picture_id in said.ids]
            for column, name in enumerate(said.outputs):
                total = sums.setdefault(name, np.zeros(len(ids)))
                total[rows] += said.values[:, column]
                count = counts.setdefault(name, np.zeros(len(ids)))
                count[rows] += 1
        wanted = {pair_name(pair): pair for pairs in self._pairs.of_part.values() for pair in pairs}
        with np.errstate(invalid="ignore"):
            return {wanted[name]: sums[name] / counts[name] for name in sums if name in wanted}

    def _named(self, pairs: tuple[Pair, ...]) -> list[str]:
        classes = self._context.competition.classes
        return [f"{classes[first]} / {classes[second]}" for first, second in pairs]

    def _predictions(self, values: Values) -> Predictions:
        return Predictions(ids=self._ids, outputs=self._context.competition.outputs, values=values)


def _of(chances: Chances, pairs: tuple[Pair, ...]) -> Chances:
    return {pair: chances[pair] for pair in pairs if pair in chances}


def _why(pairs: list[str], weight: float, scores: Mapping[float, float], sentence: str) -> str:
    alone = ", ".join(f"{scores[tried]:.4f} at weight {tried:g}" for tried in WEIGHTS)
    return (
        f"Specialists for {' and '.join(pairs)}, pairs and weight chosen on other folds than those scored "
        f"(for the test set: weight {weight:g}). {sentence}. With one weight for all: {alone}."
    )
