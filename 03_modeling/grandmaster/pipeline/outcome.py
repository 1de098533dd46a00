"""Stages that hand over: scores with intervals, the submission through the gate, the report."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from grandmaster.competition.metrics import METRICS, bootstrap_interval, score
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.submission import write_submission
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.predicting import class_shares
from grandmaster.pipeline.training import fit_folder
from grandmaster.storage import read_json, write_json


def submit(context: RunContext) -> None:
    """Write `submission_<experiment>.csv`, if it passes the gate, and `final_results.json`."""
    path = context.folder / f"submission_{context.folder.name}.csv"
    predictions = Predictions.load(context.folder / "ensemble" / "test.npz")
    verdict = write_submission(path, predictions, context.competition)
    for warning in verdict.warnings:
        context.progress.message(f"Submission: {warning}", "warn")
    gate = {"problems": verdict.problems, "warnings": verdict.warnings}
    write_json(context.folder / "final_results.json", _results(context, path, gate))


def report(context: RunContext) -> None:
    """Write `report.html`."""
    # Here because matplotlib and Jinja2 cost seconds that a stopped run need not pay.
    from grandmaster.report.html import write_report

    context.progress.start("report", 1)
    path = context.folder / "final_results.json"
    results = read_json(path)
    results["seconds"] = context.seconds()
    results["total_seconds"] = round(sum(results["seconds"].values()), 1)
    write_json(path, results)
    write_report(context.folder, context.competition)
    context.progress.finish("report")


def _results(context: RunContext, submission: Path, gate: dict[str, Any]) -> dict[str, Any]:
    """The content of `final_results.json`."""
    plan, competition, folder = context.plan, context.competition, context.folder
    metric = METRICS[plan.decisions.metric.value]
    oof = Predictions.load(folder / "ensemble" / "oof.npz")
    truth = context.trainable.set_index("id").loc[list(oof.ids)]
    labels = truth["label"].to_numpy(np.int64)
    groups = truth["group"].to_numpy()
    settings = context.config.ensemble

    def interval(predictions: Predictions) -> dict[str, Any]:
        found = bootstrap_interval(
            metric.name,
            labels,
            predictions.aligned_to(oof.ids).values,
            groups=groups,
            rounds=settings.bootstrap_rounds,
            level=settings.interval_level,
        )
        return {"score": found.value, "low": found.low, "high": found.high, "level": found.level}

    with_views = interval(oof)
    plain = Predictions.load(folder / "ensemble" / "oof_plain.npz").aligned_to(oof.ids)
    corrupted = folder / "ensemble" / "oof_corrupted.npz"
    fits = read_json(folder / "training_results.json")["fits"]
    majority = np.tile(class_shares(context), (len(labels), 1))
    broken = context.fingerprint["unreadable"]
    return {
        "experiment": folder.name,
        "mode": context.mode,
        "competition": competition.name,
        "layout": competition.layout,
        "metric": metric.name,
        "metric_title": metric.title,
        "higher_is_better": metric.higher_is_better,
        "cross_validation": {
            **with_views,
            "images": len(labels),
            "folds_trained": plan.folds_trained,
            "folds_total": plan.folds_total,
        },
        "corrupted_validation": interval(Predictions.load(corrupted)) if plan.corruption else None,
        "models": [_model_line(context, fit) for fit in fits],
        "ensemble": {
            "method": "mean of probabilities",
            "members": [f"{fit['backbone']} fold {fit['fold']}" for fit in fits],
        },
        "tta": {
            "views": plan.decisions.tta_views.value,
            "score_without": score(metric.name, labels, plain.values),
            "score_with": with_views["score"],
        },
        "baseline": {"name": "majority class", "score": score(metric.name, labels, majority)},
        "submission": {
            "file": submission.name,
            "rows": len(competition.sample_submission),
            "format": competition.submission_format,
            **gate,
        },
        "training_pictures": len(context.trainable),
        "test_pictures": len(competition.test),
        "quarantined": len(broken),
        "seconds": context.seconds(),
        "total_seconds": round(sum(context.seconds().values()), 1),
        "command": context.command,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _model_line(context: RunContext, fit: dict[str, Any]) -> dict[str, Any]:
    """One fit with the interval of its own validation pictures."""
    model = next(model for model in context.plan.models if model.backbone == fit["backbone"])
    found = Predictions.load(fit_folder(context, model, fit["fold"]) / "oof.npz")
    truth = context.trainable.set_index("id").loc[list(found.ids)]
    spread = bootstrap_interval(
        context.plan.decisions.metric.value,
        truth["label"].to_numpy(np.int64),
        found.values,
        groups=truth["group"].to_numpy(),
        rounds=context.config.ensemble.bootstrap_rounds,
        level=context.config.ensemble.interval_level,
    )
    return {
        "backbone": fit["backbone"],
        "fold": fit["fold"],
        "score": spread.value,
        "low": spread.low,
        "high": spread.high,
        "score_corrupted": fit["score_corrupted"],
        "best_epoch": fit["best_epoch"],
        "epochs": fit["epochs"],
        "minutes": round(fit["seconds"] / 60, 2),
        "weights": fit["weights"],
    }
