"""What is on each tab."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from grandmaster.page.desk import Desk
from grandmaster.page.tabs import models, runs

TAB_BUILDERS: Mapping[str, Callable[[Desk], None]] = {
    "models": models.build,
    "runs": runs.build,
}
