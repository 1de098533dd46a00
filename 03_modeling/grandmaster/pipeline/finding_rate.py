"""The stage that finds learning rates, where that is asked for, before anything long is trained with them."""

from __future__ import annotations

from typing import Any

import msgspec

from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.fold_pictures import fold_data
from grandmaster.pipeline.manifest import is_done, mark_done
from grandmaster.pipeline.plan import ModelPlan
from grandmaster.pipeline.training import make_spec
from grandmaster.pipeline.workers import with_workers
from grandmaster.storage import write_json
from grandmaster.training.rate_finder import STEPS, RateTest, find_rate


def find_rates(context: RunContext) -> None:
    """A range test of every backbone on fold 0's training pictures -> `rates.json`; off unless set.

    The plan keeps the rate it would have had; every later stage trains with the found one (see `make_spec`).
    """
    if not context.config.training.find_rate:
        return
    # With the plan's rate, so that what was found does not depend on whether it was found before.
    specs = {
        model.backbone: make_spec(context, model, 0, learning_rate=model.learning_rate)
        for model in context.plan.models
    }
    path, manifest = context.folder / "rates.json", context.folder / "rates.manifest.json"
    inputs = {name: spec.digest for name, spec in specs.items()}
    if is_done(manifest, inputs):
        context.progress.message("Learning rates: found before.", "good")
        return
    found = {model.backbone: _found(context, model) for model in context.plan.models}
    write_json(path, found)
    mark_done(manifest, inputs, [path])


def rate_task(model: ModelPlan) -> str:
    """Name under which a model's test is announced and reported."""
    return f"find rate of {model.backbone}"


def _found(context: RunContext, model: ModelPlan) -> dict[str, Any]:
    spec = make_spec(context, model, 0, learning_rate=model.learning_rate)
    task = rate_task(model)
    pictures = fold_data(context, spec).train

    def work(workers: int) -> RateTest:
        context.progress.start(task, STEPS * spec.micro_batch * spec.accumulation)
        return find_rate(
            spec,
            pictures,
            context.make_precision(),
            workers=workers,
            on_batch=lambda count: context.progress.advance(task, count),
        )

    result = with_workers(context, task, work)
    context.progress.finish(task, f"{result.rate:.2g}, the plan had {model.learning_rate:.2g}")
    return {
        **msgspec.structs.asdict(result),
        "planned": model.learning_rate,
        "reason": "a tenth of the rate at which the loss was least (Smith 2017)",
    }
