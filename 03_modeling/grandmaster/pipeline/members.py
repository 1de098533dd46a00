"""The fits whose predictions are blended, wherever they came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.plan import ModelPlan
from grandmaster.pipeline.revisions import fit_name
from grandmaster.pipeline.training import finished_fits, fit_folder


@dataclass(frozen=True, kw_only=True)
class Member:
    """One fit with its predictions.

    Attributes:
        model: its plan.
        fold: whose pictures it was not trained on.
        variant: what sets it apart from the planned fit of this model and fold; empty: it is that fit. Members of equal
            model and variant are joined over folds.
        folder: `checkpoint/`, `result.json` and out-of-fold predictions.
        test: its predictions of the test pictures.
    """

    model: ModelPlan
    fold: int
    variant: str
    folder: Path
    test: Path

    @property
    def name(self) -> str:
        """As messages and files call it."""
        return fit_name(self.model, self.fold) + (f" ({self.variant})" if self.variant else "")

    @property
    def group(self) -> tuple[str, str]:
        """Equal for members that are joined over folds."""
        return self.model.backbone, self.variant


def planned_member(context: RunContext, model: ModelPlan, fold: int) -> Member:
    """The planned fit of this model and fold."""
    return Member(
        model=model,
        fold=fold,
        variant="",
        folder=fit_folder(context, model, fold),
        test=context.folder / "test" / f"{model.backbone}_fold{fold}.npz",
    )


def finished_members(context: RunContext) -> list[Member]:
    """Every fit that has a result and stands, in the order of the plan."""
    return [planned_member(context, model, fold) for model, fold in finished_fits(context)]
