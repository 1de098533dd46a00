"""Stages that hand over: scores with intervals, the submission through the gate, the report."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from grandmaster.competition.decisions import DecisionRule
from grandmaster.competition.metrics import METRICS, corruption_gap
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.rule_fitting import hands_in_decisions
from grandmaster.competition.submission import write_submission
from grandmaster.errors import UserError
from grandmaster.language import language
from grandmaster.models.weights import non_commercial
from grandmaster.pipeline.blending import what_was_chosen
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.judging import Judge
from grandmaster.pipeline.ledger import FILE_NAME, record_run
from grandmaster.pipeline.looking import look
from grandmaster.pipeline.members import Member, finished_members
from grandmaster.pipeline.techniques import recorded
from grandmaster.storage import read_json, write_json

REPORT_SECONDS = 4.0  # that it has to have left


def submission_path(context: RunContext) -> Path:
    """The file to hand in."""
    return context.folder / f"submission_{context.folder.name}.csv"


def submitted_members(context: RunContext) -> list[str]:
    """The fits that the submission as it stands is made of."""
    path = context.folder / "submission_members.json"
    try:
        return msgspec.convert(read_json(path), list[str]) if path.exists() else []
    except (UserError, msgspec.ValidationError):
        return []  # damaged: any submission is better than one of which nobody knows what it is made of


def set_members(context: RunContext, names: list[str]) -> None:
    """Say which fits the submission is made of now."""
    write_json(context.folder / "submission_members.json", names)


def submit(context: RunContext) -> None:
    """Write `submission_<experiment>.csv`, if it passes the gate, and `final_results.json`."""
    path = submission_path(context)
    predictions = Predictions.load(context.folder / "ensemble" / "test.npz")
    rule, fitted_on = read_rule(context)
    if rule.thresholds or rule.cut_points:
        context.progress.message(f"Decisions: {rule.name.replace('_', ' ')} {_numbers(rule)}; {rule.why}.")
    verdict = write_submission(path, predictions, context.competition, rule=rule)
    set_members(context, [member.name for member in finished_members(context)])
    for warning in verdict.warnings:
        context.progress.message(f"Submission: {warning}", "warn")
    gate = {"problems": verdict.problems, "warnings": verdict.warnings}
    write_json(context.folder / "final_results.json", _results(context, path, gate, rule, fitted_on))
    try:
        record_run(context.folder)
    except (
        UserError
    ) as error:  # the run itself is whole: a ledger that was edited to nonsense must not spoil it
        context.progress.message(f"Not noted in {FILE_NAME}: {error}", "warn")


def report(context: RunContext) -> None:
    """Write `report.html`."""
    if context.clock.left() < REPORT_SECONDS:
        context.revisions.say("no report; the same command makes it")
        return
    # Here because matplotlib and Jinja2 cost seconds that a stopped run need not pay.
    from grandmaster.report.html import write_report

    context.progress.start("report", 1)
    look(context)
    path = context.folder / "final_results.json"
    results = read_json(path)
    results["seconds"], results["steps"] = context.seconds(), context.steps()
    results["total_seconds"] = round(sum(results["seconds"].values()), 1)
    results["time"] = _time(context)
    write_json(path, results)
    write_report(context.folder, context.competition, language())
    context.progress.finish("report")


def read_rule(context: RunContext) -> tuple[DecisionRule, str]:
    """The rule for the test set, and the out-of-fold predictions that it was fitted on."""
    kept = read_json(context.folder / "ensemble" / "decision_rule.json")
    return msgspec.convert(kept["rule"], DecisionRule), kept["fitted_on"]


def _numbers(rule: DecisionRule) -> str:
    """Thresholds or cut points, the first ones where there are many."""
    numbers = rule.thresholds or rule.cut_points
    return ", ".join(f"{number:.3g}" for number in numbers[:8]) + (" ..." if len(numbers) > 8 else "")


def _results(
    context: RunContext, submission: Path, gate: dict[str, Any], rule: DecisionRule, fitted_on: str
) -> dict[str, Any]:
    """The content of `final_results.json`."""
    plan, competition, folder = context.plan, context.competition, context.folder
    metric = METRICS[plan.decisions.metric.value]
    oof = Predictions.load(folder / "ensemble" / "oof.npz")
    judge = Judge(context)
    with_views = judge.interval(oof)
    plain = Predictions.load(folder / "ensemble" / "oof_plain.npz")
    corrupted = folder / "ensemble" / "oof_corrupted.npz"
    members = finished_members(context)
    fits = [read_json(member.folder / "result.json") for member in members]
    broken = context.fingerprint["unreadable"]
    views_chosen, method = what_was_chosen(context)
    return {
        "experiment": folder.name,
        "mode": context.mode,
        "competition": competition.name,
        "layout": competition.layout,
        "metric": metric.name,
        "metric_title": metric.title,
        "higher_is_better": metric.higher_is_better,
        "target": competition.kind,
        "cross_validation": {
            **with_views,
            "images": len(oof.ids),
            "rows": len(judge.rows(oof).values),
            "left_out": judge.left_out(oof),
            "folds_trained": len({fit["fold"] for fit in fits}),
            "folds_total": plan.folds_total,
        },
        "corrupted_validation": _corrupted(
            judge, corrupted, with_views["score"], higher_is_better=metric.higher_is_better
        )
        if plan.corruption
        else None,
        "models": [_model_line(context, judge, *each) for each in zip(members, fits, strict=True)],
        "ensemble": {
            "method": method,
            "members": [member.name for member in members],
        },
        "decision": {
            "rule": rule.name,
            "why": rule.why,
            "fitted_on": fitted_on,
            "thresholds": dict(zip(competition.outputs, rule.thresholds, strict=False)),
            "cut_points": rule.cut_points,
            "nested": bool(rule.thresholds or rule.cut_points)
            and hands_in_decisions(competition.submission_format),
        },
        "tta": {
            "views": min(fit.get("views", plan.decisions.tta_views.value) for fit in fits),
            "chosen": views_chosen,
            "score_without": judge.score(plain),
            "score_with": with_views["score"],
        },
        "techniques": recorded(context),
        "baseline": judge.baseline(oof),
        "submission": {
            "file": submission.name,
            "rows": len(competition.sample_submission),
            "format": competition.submission_format,
            **gate,
        },
        "time": _time(context),
        "failed": context.failures.lines(),
        "training_pictures": len(context.trainable),
        "test_pictures": len(competition.test),
        "quarantined": len(broken),
        "seconds": context.seconds(),
        "steps": context.steps(),
        "total_seconds": round(sum(context.seconds().values()), 1),
        "command": context.command,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _time(context: RunContext) -> dict[str, Any] | None:
    """What the time limit made of the plan; None where there was no limit and nothing was given up."""
    limit = context.clock.limit
    gave_up = [note for note in context.plan.notes if "gave up" in note] + context.revisions.lines()
    if limit is None and not gave_up:
        return None
    return {"limit_seconds": limit, "used_seconds": round(context.clock.elapsed(), 1), "gave_up": gave_up}


def _corrupted(judge: Judge, path: Path, clean: float | None, *, higher_is_better: bool) -> dict[str, Any]:
    """The blend on corrupted validation pictures, and what it loses against the clean ones."""
    spread = judge.interval(Predictions.load(path))
    gap = corruption_gap(clean, spread["score"], higher_is_better=higher_is_better)
    return {**spread, "gap": gap}


def _model_line(context: RunContext, judge: Judge, member: Member, fit: dict[str, Any]) -> dict[str, Any]:
    """One fit with the interval of its own validation pictures."""
    spread = judge.interval(Predictions.load(member.folder / "oof.npz"))
    metric = METRICS[context.plan.decisions.metric.value]
    return {
        "backbone": fit["backbone"],
        "fold": fit["fold"],
        "score": spread["score"],
        "low": spread["low"],
        "high": spread["high"],
        "score_corrupted": fit["score_corrupted"],
        "gap": corruption_gap(
            spread["score"], fit["score_corrupted"], higher_is_better=metric.higher_is_better
        ),
        "best_epoch": fit["best_epoch"],
        "epochs": fit["epochs"],
        "minutes": round(fit["seconds"] / 60, 2),
        "weights": fit["weights"],
        "licence": fit["licence"],
        "non_commercial": non_commercial(fit["licence"]),
    }
