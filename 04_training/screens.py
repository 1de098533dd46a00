"""What is printed besides the progress: the plan, the end of a run, the system check, a competition."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import ROUNDED, SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from data_loader import shown
from grandmaster.report.wall_time import wall_time
from messages import text
from utils import duration

if TYPE_CHECKING:
    from grandmaster.competition.table import Competition
    from grandmaster.pipeline.disk import Kept
    from grandmaster.pipeline.doctor import Check
    from grandmaster.pipeline.later import Later
    from grandmaster.pipeline.plan import ModelPlan, Plan

_STATUS_STYLE = {"good": "green", "warn": "yellow", "fail": "bold red"}
_STATUS_SIGN = {"good": "✓", "warn": "▲", "fail": "✗"}


def _facts() -> Table:
    """Two columns: a name and what there is to say."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _panel(body: RenderableType, title: str) -> Panel:
    heading = Text(title, style="bold cyan")
    return Panel(body, title=heading, title_align="left", box=ROUNDED, border_style="cyan", padding=(0, 1))


def plan_tables(plan: Plan, later: Sequence[Later]) -> RenderableType:
    """Every decision with its reason, every model x fold with what it costs, and what may come after them."""
    decisions = Table(box=SIMPLE_HEAD, title=text("plan.decisions"), title_justify="left", title_style="bold")
    decisions.add_column(text("plan.decision"), style="cyan", no_wrap=True)
    decisions.add_column(text("plan.value"), overflow="fold", max_width=32)
    decisions.add_column(text("plan.reason"), overflow="fold", style="dim")
    for name, value, reason in [*plan.lines(), *_model_reasons(plan.models)]:
        decisions.add_row(name.replace("_", " "), Text(_value(value)), Text(reason))
    notes = [Text(f"▲ {note}", style="yellow") for note in plan.notes]
    more = [_later_table(later)] if later else []
    return Group(decisions, *_augmentation_tables(plan), _models_table(plan), *more, *notes)


def _augmentation_tables(plan: Plan) -> list[RenderableType]:
    """What is done to training pictures, how often and why; of groups of classes what is different."""
    lists = [(text("plan.augmentation"), plan.operations)] if plan.operations else []
    for policy in plan.class_policies:
        missing = [item.name for item in plan.operations if item not in policy.operations]
        title = text("plan.class_policy", name=policy.name, classes=", ".join(policy.classes))
        title += text("plan.class_without", operations=", ".join(missing)) if missing else ""
        lists.append((title, tuple(item for item in policy.operations if item not in plan.operations)))
    tables: list[RenderableType] = []
    for title, operations in lists:
        heading = Text(title, style="bold")
        table = Table(box=SIMPLE_HEAD, title=heading, title_justify="left")
        table.add_column(text("plan.operation"), style="cyan", no_wrap=True)
        table.add_column(text("plan.share"), justify="right", no_wrap=True)
        table.add_column(text("plan.reason"), overflow="fold", style="dim")
        for operation in operations:
            table.add_row(operation.name, f"{operation.probability:.0%}", Text(operation.reason))
        tables.append(table if operations else heading)
    return tables


def _model_reasons(models: Sequence[ModelPlan]) -> list[tuple[str, str, str]]:
    """(name, value, reason) of what was chosen for each model; models that agree share a line."""
    together: dict[tuple[str, str, str], list[str]] = {}
    for model in models:
        for name, reason in model.reasons.items():
            value = _weights(model) if name == "weights" else _value(getattr(model, name, ""))
            together.setdefault((name, value, reason), []).append(model.backbone)
    return [
        (name, value if len(names) == len(models) else f"{value} ({', '.join(names)})", reason)
        for (name, value, reason), names in together.items()
    ]


def _weights(model: ModelPlan) -> str:
    """Where the weights come from, without the folder and the ending of a file."""
    kind, _, place = model.weights.source.partition(":")
    return f"{kind}:{Path(place).stem}" if kind == "file" else model.weights.source


def _start(model: ModelPlan) -> Text:
    """The weights, and under them their licence."""
    line = Text(_weights(model), style="" if model.weights.pretrained else "yellow")
    return line.append(f"\n{model.licence}", style="dim") if model.licence else line


def _kept_gb(model: ModelPlan, keep_weights: Kept) -> float:
    """Disk, GB, of the weights that a fold leaves behind."""
    from grandmaster.pipeline.disk import WEIGHT_BYTES

    kept = 0.0 if keep_weights == "predictions" else WEIGHT_BYTES[keep_weights]
    return model.million_parameters * 1e6 * kept / 2**30


def _models_table(plan: Plan) -> Table:
    folds = plan.folds_trained
    heading = text("plan.models", trained=folds, total=plan.folds_total)
    table = Table(box=SIMPLE_HEAD, title=heading, title_justify="left", title_style="bold", show_footer=True)
    minutes = sum(model.minutes_per_fold for model in plan.models) * folds
    memory = max((model.memory_gb for model in plan.models), default=0.0)
    # Folds leave their best weights; the one in training also has its states to go on from, and weights in any case.
    kept = sum(_kept_gb(model, plan.keep_weights) for model in plan.models) * folds
    counted = 0.0 if plan.keep_weights == "predictions" else 1.0
    disk = kept + max(
        (model.disk_gb - counted * _kept_gb(model, "full") for model in plan.models), default=0.0
    )
    table.add_column(text("plan.backbone"), text("plan.total"), style="cyan", overflow="fold")
    table.add_column(text("plan.weights"), overflow="fold", max_width=28)
    table.add_column(text("plan.size"), justify="right", no_wrap=True)
    table.add_column(text("plan.batch"), justify="right", no_wrap=True)
    table.add_column(text("plan.epochs"), justify="right", no_wrap=True)
    table.add_column(text("plan.per_fold"), justify="right", no_wrap=True)
    table.add_column(text("plan.folds"), justify="right", no_wrap=True)
    table.add_column(text("plan.time"), duration(minutes * 60), justify="right", no_wrap=True)
    table.add_column(text("plan.memory"), _size(memory), justify="right", no_wrap=True)
    table.add_column(text("plan.disk"), _size(disk), justify="right", no_wrap=True)
    for model in plan.models:
        table.add_row(*_model_row(model, folds, plan.keep_weights))
    return table


def _later_table(later: Sequence[Later]) -> Table:
    table = Table(box=SIMPLE_HEAD, title=text("plan.later"), title_justify="left", title_style="bold")
    table.add_column(text("plan.stage"), style="cyan", overflow="fold")
    table.add_column(text("plan.fits"), justify="right", no_wrap=True)
    table.add_column(text("plan.at_most"), justify="right", no_wrap=True)
    for stage in later:
        table.add_row(Text(stage.name), str(stage.fits) if stage.fits else "", duration(stage.seconds))
    return table


def _model_row(model: ModelPlan, folds: int, keep_weights: Kept) -> tuple[RenderableType, ...]:
    return (
        Text(model.backbone),
        _start(model),
        f"{model.input_size}²",
        f"{model.micro_batch} x {model.accumulation}",
        str(model.epochs),
        duration(model.minutes_per_fold * 60),
        f"x {folds}",
        duration(model.minutes_per_fold * 60 * folds),
        _size(model.memory_gb),
        _size(_kept_gb(model, keep_weights) * folds),
    )


def _size(gb: float) -> str:
    return f"{gb:.1f} GB" if gb >= 0.5 else f"{gb * 1024:.0f} MB"


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def summary_panel(results: dict[str, Any], run_folder: Path) -> RenderableType:
    """The end of a run, from the content of `final_results.json`."""
    table = _facts()
    score = results["cross_validation"]
    table.add_row(text("end.score"), _score_line(results["metric_title"], score))
    if results["corrupted_validation"] is not None:
        corrupted = results["corrupted_validation"]
        interval = f"{corrupted['low']:.4f} - {corrupted['high']:.4f}"
        table.add_row(
            text("end.corrupted"),
            Text.assemble((f"{corrupted['score']:.4f}", "bold"), (f"  ({interval})", "dim")),
        )
        if corrupted.get("gap") is not None:
            table.add_row(text("end.gap"), _gap_line(corrupted["gap"], results["models"]))
    baseline = results["baseline"]
    table.add_row(text("end.baseline"), Text(f"{baseline['score']:.4f} ({baseline['name']})", style="dim"))
    table.add_row(text("end.models"), _models_line(results["models"], results.get("tta") or {}))
    techniques = _techniques_line(results.get("techniques", ()))
    if techniques:
        table.add_row(text("end.techniques"), techniques)
    licences = _licences_line(results["models"])
    if licences:
        table.add_row(text("end.licences"), licences)
    submission = results["submission"]
    counts = text("end.rows", rows=f"{submission['rows']:,}", form=submission["format"].replace("_", " "))
    # The results name the file alone or with its folder; joining a full path keeps it.
    path = Text(shown(run_folder / submission["file"]), style="bold")
    table.add_row(text("end.submission"), path.append(f"  ({counts})", style="dim"))
    table.add_row(text("end.gate"), _gate_lines(submission))
    report = run_folder / "report.html"
    if report.is_file():
        table.add_row(text("end.report"), Text(shown(report)))
    table.add_row(text("end.time"), _time_lines(results))
    return _panel(table, text("end.title", name=results["experiment"]))


def _time_lines(results: dict[str, Any]) -> Text:
    """The time taken, and what a time limit made the run give up."""
    limited = results.get("time")
    if not limited or limited["limit_seconds"] is None:
        spent = wall_time(results.get("seconds", {}), results.get("steps"))
        if spent is None or spent.overhead is None:
            return Text(duration(results["total_seconds"]))
        steps = f"{100 * (1 - spent.overhead):.0f}"
        return Text(text("end.steps", time=duration(results["total_seconds"]), steps=steps))
    spans = {"used": duration(limited["used_seconds"]), "limit": duration(limited["limit_seconds"])}
    line = Text(text("end.limit" if limited["gave_up"] else "end.limit_kept", **spans))
    for lost in limited["gave_up"]:
        line.append(f"\n{lost}", style="dim")
    return line


def _score_line(metric: str, score: dict[str, Any]) -> Text:
    interval = text(
        "end.interval",
        level=f"{score['level']:.0%}",
        low=f"{score['low']:.4f}",
        high=f"{score['high']:.4f}",
        images=f"{score['images']:,}",
        trained=score["folds_trained"],
        total=score["folds_total"],
    )
    return Text.assemble(
        (f"{metric} ", ""), (f"{score['score']:.4f}", "bold green"), (f"  ({interval})", "dim")
    )


def _gap_line(gap: float, models: Sequence[dict[str, Any]]) -> Text:
    """The blend's gap, that of each fit, and what a gap means."""
    line = Text(f"{gap:+.4f}", style="bold")
    for model in models:
        if model.get("gap") is not None:
            scores = f"{model['score']:.4f} - {model['score_corrupted']:.4f}"
            line.append(
                f"\n{model['backbone']} fold {model['fold']}: {scores}, {model['gap']:+.4f}", style="dim"
            )
    return line.append(f"\n{text('end.gap_means')}", style="dim")


def _models_line(models: Sequence[dict[str, Any]], tta: dict[str, Any]) -> Text:
    """Each backbone once, with its folds and the range of their scores; and why these are not the score above."""
    lines = []
    for backbone in dict.fromkeys(model["backbone"] for model in models):
        scores = [model["score"] for model in models if model["backbone"] == backbone]
        span = f"{min(scores):.4f}" if len(scores) == 1 else f"{min(scores):.4f} - {max(scores):.4f}"
        lines.append(f"{backbone} x {len(scores)}  ({span})")
        if any(model["backbone"] == backbone and model.get("weights") == "none" for model in models):
            lines[-1] += f"  ▲ {text('end.random_weights')}"
    views = tta.get("views") or 1
    told = text("end.alone_views", views=views) if views > 1 else text("end.alone")
    if tta.get("chosen"):
        told += f"\n{text('end.blend_views')}"
    return Text("\n".join(lines)).append(f"\n{told}", style="dim")


def _techniques_line(techniques: Sequence[dict[str, Any]]) -> Text:
    """What is part of the submission with its gain, each a line; and how many others were compared in vain."""
    lines = [
        f"{one['gain']:+.4f}  {one['title']}" + (f"  ({one['verdict']})" if one.get("verdict") else "")
        for one in techniques
        if one["kept"] and one["gain"] is not None
    ]
    left = sum(not one["kept"] for one in techniques)
    if left:
        lines.append(text("end.techniques_left", count=left))
    return Text("\n".join(lines), style="dim")


def _licences_line(models: Sequence[dict[str, Any]]) -> Text:
    """Each backbone's licence of its pretrained weights; those that forbid commercial use stand out."""
    lines = Text()
    for model in {model["backbone"]: model for model in models if model.get("licence")}.values():
        forbids = model.get("non_commercial", False)
        warning = f" ▲ {text('end.non_commercial')}" if forbids else ""
        line = f"{model['backbone']}  {model['licence']}{warning}"
        lines.append(f"{chr(10) if lines else ''}{line}", style="yellow" if forbids else "dim")
    return lines


def _gate_lines(submission: dict[str, Any]) -> Text:
    if submission["problems"]:
        verdict = Text(f"✗ {text('end.failed')}", style="bold red")
    elif submission["warnings"]:
        verdict = Text(f"▲ {text('end.warnings')}", style="yellow")
    else:
        verdict = Text(f"✓ {text('end.passed')}", style="green")
    for line in (*submission["problems"], *submission["warnings"]):
        verdict.append(f"\n{line}", style="dim")
    return verdict


def check_table(checks: Sequence[Check], *, more: bool) -> RenderableType:
    """The system check so far, with the fix under what was found; `more`: it goes on."""
    table = Table(box=SIMPLE_HEAD, title=text("debug.title"), title_justify="left", title_style="bold")
    table.add_column("", no_wrap=True)
    table.add_column(text("debug.check"), style="cyan", no_wrap=True)
    table.add_column(text("debug.found"), overflow="fold")
    for check in checks:
        found = Text(check.found)
        if check.fix:
            found.append(f"\n→ {check.fix}", style=_STATUS_STYLE[check.status])
        table.add_row(_status(check), Text(check.name), found)
    return Group(table, Spinner("dots", style="cyan")) if more else table


def check_lines(check: Check) -> Text:
    """One check where there is no terminal: a line, and a line with its fix."""
    line = _status(check).append(f"  {check.name}: {check.found}", style="default")
    return line.append(f"\n        → {check.fix}", style=_STATUS_STYLE[check.status]) if check.fix else line


def check_summary(checks: Sequence[Check], seconds: float) -> Text:
    """How many of each status, coloured as the worst."""
    counts = {status: sum(check.status == status for check in checks) for status in _STATUS_STYLE}
    worst = "fail" if counts["fail"] else "warn" if counts["warn"] else "good"
    line = text("debug.summary", **counts, seconds=round(seconds))
    return Text(f"{_STATUS_SIGN[worst]} {line}", style=_STATUS_STYLE[worst])


def _status(check: Check) -> Text:
    return Text(
        f"{_STATUS_SIGN[check.status]} {text(f'debug.{check.status}')}", style=_STATUS_STYLE[check.status]
    )


def competition_panel(competition: Competition) -> RenderableType:
    """What a competition folder was read as."""
    table = _facts()
    table.add_row(text("found.folder"), Text(shown(competition.root)))
    counts = text("found.counts", train=f"{len(competition.train):,}", test=f"{len(competition.test):,}")
    table.add_row(text("found.pictures"), Text(counts))
    named = competition.class_names or competition.outputs  # a number has no classes
    names = ", ".join(named[:6]) + (", ..." if len(named) > 6 else "")
    table.add_row(text("found.classes"), Text(f"{len(named)}: {names}"))
    columns = ", ".join((competition.id_column, *competition.target_columns))
    form = competition.submission_format.replace("_", " ")
    table.add_row(text("found.submission"), Text(f"{form} ({columns})"))
    table.add_row(text("found.metric"), Text(competition.metric))
    table.add_row(text("found.understood"), Text("\n".join(competition.understood), style="dim"))
    return _panel(table, competition.name)
