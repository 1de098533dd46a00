"""What is on each tab."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from grandmaster.page.desk import Desk
from grandmaster.page.tabs import data, models, predict, runs, submit, train

TAB_BUILDERS: Mapping[str, Callable[[Desk], None]] = {
    "data": data.build,
    "models": models.build,
    "train": train.build,
    "runs": runs.build,
    "predict": predict.build,
    "submit": submit.build,
}
