"""What comes after the planned fits, where it is asked for: how many fits that is, and about how long they take.

The plan does not count it. Under a time limit each of these stages is begun only where the time that is left then allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grandmaster.competition.table import Competition
from grandmaster.config import Config
from grandmaster.models.builder import count_cost
from grandmaster.pipeline.choosing_labels import why_not
from grandmaster.pipeline.plan import ModelPlan, Plan
from grandmaster.pipeline.pseudo_labels import rounds_wanted
from grandmaster.pipeline.training_modes import backbone_of, registered
from grandmaster.texts import counted


@dataclass(frozen=True, kw_only=True)
class Later:
    """One stage.

    Attributes:
        name: for people.
        fits: models that it trains; 0: it trains none.
        seconds: estimate of all of it, at most: by what a planned fit is to take.
    """

    name: str
    fits: int
    seconds: float

    @property
    def line(self) -> str:
        """In a sentence without its end."""
        fits = f"{counted(self.fits, 'fit')}, " if self.fits else ""
        return f"{self.name}: {fits}at most about {max(1, round(self.seconds / 60))} min beyond the plan"


def later_work(plan: Plan, competition: Competition, config: Config) -> list[Later]:
    """All of it, in the order in which it is done.

    Raises:
        UserError: as `pseudo_labels.rounds_wanted` and `backbone_of`.
    """
    sizes = _Sizes(plan, competition)
    return [
        *_pseudo_labels(plan, competition, config, sizes),
        *_student(plan, competition, config, sizes),
        *_specialists(plan, competition, config, sizes),
    ]


class _Sizes:
    """Pictures of a fold, and seconds by the plan."""

    def __init__(self, plan: Plan, competition: Competition) -> None:
        pictures, self._views = len(competition.train), plan.decisions.tta_views.value
        self.trained = pictures * (plan.folds_total - 1) / plan.folds_total
        self.held = (2 if plan.corruption else 1) * pictures / plan.folds_total
        self.test = len(competition.test)

    def forward(self, model: ModelPlan) -> float:
        """Seconds of a forward pass of one picture."""
        return 60 * model.test_minutes_per_fold / max(1, self.test * self._views)

    def fit(self, model: ModelPlan, *, share: float, more: float = 0.0) -> float:
        """Seconds of a fit with `share` of the epochs and `more` pictures, and of its test predictions.

        What a fit takes beside its epochs is taken to grow with them: these are rough figures.
        """
        training = 60 * (model.minutes_per_fold - model.test_minutes_per_fold)
        return training * share * (1 + more / max(1.0, self.trained)) + 60 * model.test_minutes_per_fold


def _pseudo_labels(plan: Plan, competition: Competition, config: Config, sizes: _Sizes) -> Iterator[Later]:
    rounds, folds = rounds_wanted(config), plan.folds_trained
    if not rounds or why_not(competition.kind) is not None:
        return
    share = config.pseudo_label.epochs_share
    one = folds * sum(sizes.fit(model, share=share, more=sizes.test) for model in plan.models)
    name = f"pseudo-labels, {'1 round' if rounds == 1 else f'up to {rounds} rounds'}"
    yield Later(name=name, fits=rounds * folds * len(plan.models), seconds=rounds * one)


def _student(plan: Plan, competition: Competition, config: Config, sizes: _Sizes) -> Iterator[Later]:
    settings, folds = config.distill, plan.folds_trained
    if not settings.on:
        return
    teachers = [model for model in plan.models if settings.teacher in (None, model.backbone)]
    asking = settings.views * sizes.trained * sum(map(sizes.forward, teachers))
    smallest = min(plan.models, key=lambda model: model.million_parameters)
    student = next((model for model in plan.models if model.backbone == settings.student), smallest)
    more = sizes.test if config.run.allow_test_training else 0.0
    fit = sizes.fit(student, share=settings.epochs_share, more=more)
    if settings.student is not None and settings.student != student.backbone:
        wanted = backbone_of(settings.student, registered(config, competition))
        side = config.model.image_size or wanted.input_size
        fit *= _gflop(wanted.timm_name, side, competition) / _gflop(
            student.timm_name, student.input_size, competition
        )
    name = f"distillation into {settings.student or student.backbone}"
    yield Later(name=name, fits=folds, seconds=folds * (asking + fit))


def _specialists(plan: Plan, competition: Competition, config: Config, sizes: _Sizes) -> Iterator[Later]:
    settings, classes = config.specialist, len(competition.outputs)
    if settings.mode == "off" or competition.kind != "multiclass" or classes < 3:
        return
    # Every part of the pictures may have pairs of its own; most have the same.
    learnt = settings.draws * sizes.trained * settings.pairs * 2 / classes
    predicted = settings.views * (sizes.held + sizes.test)
    seconds = plan.folds_trained * (learnt + predicted) * sum(map(sizes.forward, plan.models))
    yield Later(name="specialists for pairs of classes", fits=0, seconds=seconds)


def _gflop(timm_name: str, side: int, competition: Competition) -> float:
    return count_cost(timm_name, side, len(competition.outputs), competition.channels).training_gflop
