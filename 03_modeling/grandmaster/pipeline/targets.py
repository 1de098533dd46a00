"""What follows for a plan from the kind of target."""

from __future__ import annotations

from collections.abc import Sequence

from grandmaster.competition.csv_files import first_few
from grandmaster.competition.metric_table import METRICS, why_not
from grandmaster.competition.rows import Rows
from grandmaster.competition.table import Competition, TargetKind
from grandmaster.config import Config
from grandmaster.errors import UserError
from grandmaster.images.operation import Operation
from grandmaster.pipeline.plan import Decision
from grandmaster.texts import counted


def target_text(competition: Competition) -> str:
    """What is to be predicted of a picture, in two or three words: "17 classes", "6 labels", "1 number"."""
    count = len(competition.classes) or len(competition.outputs)
    word = {"multilabel": "label", "ordinal": "grade", "regression": "number"}.get(competition.kind, "class")
    return counted(count, word)


def require_fitting_metric(competition: Competition) -> None:
    """Refuse a metric that cannot score these targets.

    Raises:
        UserError: it cannot; names those that can.
    """
    outputs = len(competition.outputs)
    problem = why_not(competition.metric, competition.kind, outputs)
    if problem is not None:
        fitting = [name for name in METRICS if why_not(name, competition.kind, outputs) is None]
        raise UserError(problem, where="data.metric", fix=f"Choose {' or '.join(fitting)}.")


def row_notes(competition: Competition) -> list[str]:
    """What is odd about rows that several pictures share."""
    rows = Rows.of(competition.train["row"].to_numpy(object))
    differ = rows.disagreeing(competition.targets)
    if not differ:
        return []
    taken = "the mean" if competition.kind == "regression" else "the highest"
    return [
        f"{counted(len(differ), 'row', 'has', 'have')} pictures with different targets, {first_few(differ)}: scored as {taken} of them"
    ]


def choose_mixing(config: Config, kind: TargetKind, operations: Sequence[Operation]) -> Decision[float]:
    """Share of pictures that are mixed within their batch, beside what the policy mixes, and why."""
    if config.augmentation.mix_probability is not None:
        return Decision(value=config.augmentation.mix_probability, reason="as set")
    if kind in ("ordinal", "regression"):
        return Decision(
            value=0.0, reason="off for estimated values: two pictures in one are not worth the mean of both"
        )
    mixed = sum(item.probability for item in operations if item.name in ("MixUp", "CutMix"))
    if mixed:
        return Decision(
            value=0.0, reason=f"the policy mixes about {mixed:.0%} of the pictures, as test pictures are"
        )
    return Decision(value=0.1, reason="a little helps against over-fitting")
