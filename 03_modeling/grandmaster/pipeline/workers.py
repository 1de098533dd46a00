"""Picture-loading processes of a run, and what is done when one of them is lost."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import psutil

from grandmaster.images.loading_processes import is_worker_lost, stop_workers
from grandmaster.models.passes import free_memory
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.planner import choose_workers

Result = TypeVar("Result")


def workers_for(context: RunContext) -> int:
    """Picture-loading processes: as set now, which may differ from when the plan was made; none after one was lost.

    Fewer, which is said, where this process may not have as much shared memory or as many open files.
    """
    if context.workers_lost:
        return 0
    wanted = context.config.hardware.workers
    wanted = context.plan.decisions.workers.value if wanted is None else wanted
    possible = choose_workers(
        context.hardware,
        context.config,
        context.picture_sizes,
        context.competition.channels,
        requested=wanted,
        open_files=open_files_left(),
    )
    if possible.value < wanted and not context.fewer_workers_said:
        context.fewer_workers_said = True
        context.progress.message(
            f"Pictures are loaded by {possible.value} processes of {wanted}: {possible.reason}.", "warn"
        )
    return possible.value


def open_files_left() -> int | None:
    """Files that this process may still open; None: nobody tells (Windows; a process that changed its user)."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        return None if limit == resource.RLIM_INFINITY else limit - psutil.Process().num_fds()
    except psutil.Error:
        return None


def with_workers(context: RunContext, task: str, work: Callable[[int], Result]) -> Result:
    """`work(workers)`; done once more without loading processes where one of them is killed, hangs or cannot be started.

    The kernel kills them first when memory ends, so that they are not started again in this run. Pictures, their order and
    their augmentation do not depend on who loads them: the result is the same.

    Args:
        task: for the message.
        work: called with the number of loading processes; a fit goes on from its last whole epoch.
    """
    workers = workers_for(context)
    try:
        return work(workers)
    except BaseException as error:
        stop_workers()
        if workers == 0 or not is_worker_lost(error):
            raise
        reason = str(error).splitlines()[0].strip(" .")
    free_memory()
    context.workers_lost = True
    context.progress.message(
        f"{task}: a process that loads pictures was lost ({reason}); this is done again without such processes, and so is "
        "the rest of the run",
        "warn",
    )
    return work(0)
