"""What is on each tab."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from grandmaster.page.desk import Desk
from grandmaster.page.tabs import data, models, runs, train

TAB_BUILDERS: Mapping[str, Callable[[Desk], None]] = {
    "data": data.build,
    "models": models.build,
    "train": train.build,
    "runs": runs.build,
}
