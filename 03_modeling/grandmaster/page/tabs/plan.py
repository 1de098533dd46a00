"""A plan to look at: what it costs, then why it is so."""

from __future__ import annotations

from nicegui import ui

from grandmaster.language import Say
from grandmaster.page.planning import Planned, PlannedModel
from grandmaster.page.texts import duration
from grandmaster.page.widgets import card, heading, muted, note, table


def show_plan(say: Say, plan: Planned) -> None:
    """As a card."""
    with card() as block:
        block.mark("the-plan")
        heading(say("plan.title"))
        with ui.row().classes("items-baseline gap-x-6 gap-y-1"):
            ui.label(say("plan.minutes", time=duration(60 * plan.minutes))).classes("gm-big")
            fits = {"models": len(plan.models), "trained": plan.folds_trained, "total": plan.folds_total}
            muted(f"{say('plan.fits', **fits)} · {say('plan.memory')} {_size(plan.memory_gb)}")
        for line in plan.notes:
            note(line, "warn")
        names = ("model", "weights", "size", "batch", "epochs", "per_fold", "memory", "disk")
        table(
            [say(f"plan.{name}") for name in names], [_cells(say, model) for model in plan.models], wide=(1,)
        )
        if plan.later:
            muted(say("plan.later"))
            table(["", ""], [[name, duration(seconds)] for name, seconds in plan.later])
        with ui.expansion(say("plan.decisions")).classes("w-full").props("dense"):
            table(["", "", ""], [[one.name, one.value, one.reason] for one in plan.choices], wide=(1, 2))
        if plan.operations:
            with ui.expansion(say("plan.augmentation")).classes("w-full").props("dense"):
                rows = [[one.name, f"{one.share:.0%}", one.reason] for one in plan.operations]
                table(["", "", ""], rows, wide=(2,))


def _cells(say: Say, model: PlannedModel) -> list[str]:
    start = model.weights.rpartition("/")[2] if model.pretrained else say("plan.random")
    return [
        model.backbone,
        f"{start}, {model.licence}" if model.licence else start,
        f"{model.input_size}²",
        f"{model.micro_batch} x {model.accumulation}",
        str(model.epochs),
        duration(60 * model.minutes),
        _size(model.memory_gb),
        _size(model.disk_gb),
    ]


def _size(gb: float) -> str:
    return f"{gb:.1f} GB" if gb >= 0.5 else f"{gb * 1024:.0f} MB"
