"""What a layout makes of a folder."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from grandmaster.competition.sample_form import SampleForm
from grandmaster.competition.targets import TargetReading


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A competition, but for its metric and the order of its rows.

    Attributes:
        train: columns `id`, `path`, `group`, `row` and `meta_<column>`, in the order of the targets' rows.
        targets: what they are to be predicted as.
        test: columns `id`, `path`, `row`, in the order of the sample submission.
        sample: the sample submission.
        group_column: the column behind `group`, or None.
        understood: lines that say what was found.
    """

    train: pd.DataFrame
    targets: TargetReading
    test: pd.DataFrame
    sample: SampleForm
    group_column: str | None
    understood: tuple[str, ...]
