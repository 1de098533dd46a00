"""Picture-loading processes of a run, and what is done when one of them is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from grandmaster.images.loader import is_worker_lost, stop_workers
from grandmaster.models.passes import free_memory
from grandmaster.pipeline.context import RunContext

Result = TypeVar("Result")


def workers_for(context: RunContext) -> int:
    """Picture-loading processes: as set now, which may differ from when the plan was made; none after one was lost."""
    if context.workers_lost:
        return 0
    wanted = context.config.hardware.workers
    return context.plan.decisions.workers.value if wanted is None else wanted


def with_workers(context: RunContext, task: str, work: Callable[[int], Result]) -> Result:
    """`work(workers)`; done once more without loading processes where one of them is killed or hangs.

    The kernel kills them first when memory ends, so that they are not started again in this run. Pictures, their order and
    their augmentation do not depend on who loads them: the result is the same.

    Args:
        task: for the message.
        work: called with the number of loading processes; a fit goes on from its last whole epoch.
    """
    workers = workers_for(context)
    try:
        return work(workers)
    except RuntimeError as error:
        if workers == 0 or not is_worker_lost(error):
            raise
        stop_workers()
        reason = str(error).splitlines()[0].strip(" .")
    free_memory()
    context.workers_lost = True
    context.progress.message(
        f"{task}: a process that loads pictures was lost ({reason}); this is done again without such processes, and so is "
        "the rest of the run",
        "warn",
    )
    return work(0)
