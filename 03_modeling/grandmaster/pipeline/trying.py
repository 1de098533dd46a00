"""The stage that lets a fitted augmentation win before many models are trained with it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from grandmaster.competition.comparison import Comparison
from grandmaster.competition.metrics import METRICS
from grandmaster.competition.predictions import Predictions
from grandmaster.pipeline.augmenting import trial_epochs
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.fold_pictures import fold_data
from grandmaster.pipeline.held_out import SCORING_SEED, of_pictures, predict_held
from grandmaster.pipeline.judging import Judge
from grandmaster.pipeline.manifest import is_done, mark_done
from grandmaster.pipeline.pacing import TrialBrake
from grandmaster.pipeline.techniques import Technique, record
from grandmaster.pipeline.training import make_spec
from grandmaster.pipeline.workers import with_workers
from grandmaster.storage import write_json
from grandmaster.texts import counted
from grandmaster.training.brake import OutOfTime
from grandmaster.training.checkpoint import remove_state
from grandmaster.training.fit import fit_fold
from grandmaster.training.spec import FitSpec


def trial(context: RunContext) -> None:
    """Short fits of the first model on fold 0, all equal but the augmentation -> `trial.json`.

    All are scored on validation pictures that are corrupted as the test set was found to be, on the same draws. The
    fitted policy is kept unless it loses to the plain one. Policies by class group, for which nothing speaks beforehand,
    are kept only where they win beyond the uncertainty.
    """
    decided = context.plan.decisions
    if not decided.trial.value:
        return
    model = context.plan.models[0]
    epochs = trial_epochs(model.epochs)
    specs = {
        name: make_spec(context, model, 0, augmentation=augmentation, epochs=epochs)
        for name, augmentation in context.plan.candidates().items()
    }
    path, manifest = context.folder / "trial.json", context.folder / "trial.manifest.json"
    inputs = {name: spec.digest for name, spec in specs.items()}
    if is_done(manifest, inputs):
        context.progress.message("Trial of the augmentation: done before.", "good")
        return
    brake = TrialBrake(context.clock)
    try:
        found = {name: _short_fit(context, specs[name], name, brake) for name in ("plain", "fitted")}
    except OutOfTime:
        _break_off(context, path, epochs)
        mark_done(manifest, inputs, [path])
        return
    judge = Judge(context)
    found_better = judge.compare(found["plain"], found["fitted"])
    won = "fitted" if found_better.gain >= 0 else "plain"
    compared = {"fitted": found_better}
    steps = [_Step(first="plain", second="fitted", gain=found_better.interval, kept=won == "fitted")]
    if won == "fitted" and "by class" in specs and not brake.in_epoch(0, 0.0, has_best=True):
        with suppress(OutOfTime):
            found["by class"] = _short_fit(context, specs["by class"], "by class", brake)
    if "by class" in found:
        compared["by class"] = judge.compare(found["fitted"], found["by class"])
        kept = compared["by class"].verdict == "better"
        gain = compared["by class"].interval
        steps.append(_Step(first="fitted", second="by class", gain=gain, kept=kept))
        won = "by class" if kept else won
    scores = {name: judge.score(predictions) for name, predictions in found.items()}
    title = METRICS[decided.metric.value].title
    lines = [step.line(title, scores) for step in steps]
    content = {
        "backbone": model.backbone,
        "epochs": epochs,
        "scores": scores,
        "steps": [msgspec.to_builtins(step) for step in steps],
        "won": won,
        "text": ". ".join(lines),
    }
    write_json(path, content)
    for step, line in zip(steps, lines, strict=True):
        record(
            context,
            step.technique(compared[step.second], f"{line}, after {counted(epochs, 'epoch')} of a trial."),
        )
    mark_done(manifest, inputs, [path])
    for step, line in zip(steps, lines, strict=True):
        context.progress.message(f"{line}.", "good" if step.kept else "warn" if step is steps[0] else "info")


def _break_off(context: RunContext, path: Path, epochs: int) -> None:
    """A time limit ended the trial before there was anything to compare: the fitted policy stays, untried."""
    text = "Broken off for the time limit: the fitted augmentation is kept untried"
    content = {"backbone": context.plan.models[0].backbone, "epochs": epochs, "scores": {}, "steps": []}
    write_json(path, content | {"won": "fitted", "text": text})
    context.revisions.say(f"trial of the augmentation: {text[0].lower()}{text[1:]}")


class _Step(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison of a trial: whether the second augmentation takes the place of the first."""

    first: str
    second: str
    gain: dict[str, float]
    kept: bool

    def technique(self, comparison: Comparison, why: str) -> Technique:
        name, titled = {
            "fitted": ("augmentation", "Augmentation fitted to the test set"),
            "by class": ("augmentation_by_class", "Augmentation by class group"),
        }[self.second]
        return Technique.of(
            comparison, name=name, title=titled, kept=self.kept, why=why, scored_on="corrupted"
        )

    def line(self, title: str, scores: dict[str, float]) -> str:
        verdict = {
            ("fitted", True): "The fitted augmentation is kept",
            ("fitted", False): "The fitted augmentation LOSES and is not used",
            ("by class", True): "Policies by class group are kept",
            ("by class", False): "Policies by class group do not win beyond the uncertainty and are not used",
        }[self.second, self.kept]
        return (
            f"{verdict}: {title} on corrupted validation pictures {scores[self.first]:.4f} {self.first}, "
            f"{scores[self.second]:.4f} {self.second}: {self.gain['score']:+.4f} "
            f"({self.gain['low']:+.4f} to {self.gain['high']:+.4f})"
        )


def _short_fit(context: RunContext, spec: FitSpec, name: str, brake: TrialBrake) -> Predictions:
    """Out-of-fold predictions of the corrupted validation pictures after a short fit.

    Raises:
        OutOfTime: the brake ended it; short fits of unequal length cannot be compared.
    """
    folder = context.folder / "trial" / name.replace(" ", "_")
    kept, manifest = folder / "oof_corrupted.npz", folder / "manifest.json"
    if is_done(manifest, {"fit": spec.digest}):
        _clear(folder / "checkpoint")  # a kill right after the manifest may have left it
        return Predictions.load(kept)
    task = f"try {name} augmentation"
    data, precision = fold_data(context, spec), context.make_precision()
    fitted = with_workers(
        context,
        task,
        lambda workers: fit_fold(
            spec,
            data,
            folder,
            precision,
            workers=workers,
            progress=context.progress,
            task=task,
            brake=brake,
        ),
    )
    if fitted.out_of_time:
        context.progress.finish(task, "broken off")
        raise OutOfTime
    assert data.corrupted is not None, "a fitted policy has a corruption"
    fresh = data.corrupted.with_seed(spec.seed + SCORING_SEED)
    seen = predict_held(context, spec, fitted.model, precision, fresh, views=1)
    predictions = of_pictures(context, seen, seen.plain)
    predictions.save(kept)
    passes = folder / "passes.json"  # for the fits that follow
    write_json(passes, fitted.passes)
    mark_done(manifest, {"fit": spec.digest}, [kept, passes])
    _clear(folder / "checkpoint")
    context.progress.finish(task)
    return predictions


def _clear(folder: Path) -> None:
    """Weights of a short fit are of no use afterwards."""
    remove_state(folder)
    for name in ("best.safetensors", "best.json"):
        (folder / name).unlink(missing_ok=True)
