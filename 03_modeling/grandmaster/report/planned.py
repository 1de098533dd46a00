"""What was planned for one backbone, as the report reads it."""

from __future__ import annotations

from grandmaster.models.adaptation import Adaptation
from grandmaster.models.weights import non_commercial
from grandmaster.report.fingerprint import Artefact


class Start(Artefact, frozen=True, kw_only=True):
    """Where a model starts from."""

    source: str | None = None

    @property
    def name(self) -> str | None:
        """Without the folders of a file: a page is shown to others."""
        return None if self.source is None else self.source.rsplit("/", 1)[-1]


class ModelPlan(Artefact, frozen=True, kw_only=True):
    """What was planned for one backbone."""

    backbone: str
    timm_name: str | None = None
    weights: Start = Start()
    licence: str | None = None
    adaptation: Adaptation | None = None
    input_size: int | None = None
    micro_batch: int | None = None
    accumulation: int | None = None
    epochs: int | None = None
    minutes_per_fold: float | None = None
    memory_gb: float | None = None

    @property
    def non_commercial(self) -> bool:
        """Whether the weights' licence forbids commercial use."""
        return self.licence is not None and non_commercial(self.licence)
