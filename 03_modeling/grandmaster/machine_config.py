"""Settings of the machine that a run is on, and of the run as a whole: time, disk, rules, trackers."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
TrackerName = Literal["tensorboard", "mlflow", "wandb"]
KeepWeights = Literal["auto", "full", "half", "predictions"]


class HardwareConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The machine; everything is read from it unless set."""

    device: Annotated[Device, Meta(description="where models run")] = "auto"
    precision: Annotated[
        Precision, Meta(description="auto: bf16 where the GPU has it in hardware, else fp16; fp32 on the CPU")
    ] = "auto"
    vram_gb: Annotated[
        Annotated[float, Meta(gt=0.5, le=1024)] | None,
        Meta(
            description="GPU memory to plan for, GB; without a GPU only --dry_run can; open: read from the card"
        ),
    ] = None
    workers: Annotated[
        Annotated[int, Meta(ge=0, le=64)] | None,
        Meta(description="picture-loading processes; open: from the cores"),
    ] = None
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=512)] | None, Meta(description="CPU threads of torch; open: all cores")
    ] = None
    picture_cache_gb: Annotated[
        Annotated[float, Meta(ge=0, le=100_000)] | None,
        Meta(
            description="most that decoded pictures may take on disk, GB, in .cache beside the runs, where later runs find "
            "them; 0: none are kept; open: a quarter of what is free beside what the fits need"
        ),
    ] = None


class RunConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The run as a whole."""

    minutes: Annotated[
        Annotated[float, Meta(gt=0, le=100_000)] | None,
        Meta(description="time to plan for, minutes; epochs and size are fitted to it"),
    ] = None
    time_limit: Annotated[
        Annotated[float, Meta(gt=0, le=100_000)] | None,
        Meta(
            description="minutes after which the command has ended, with a submission; --time_limit 9h says the same"
        ),
    ] = None
    allow_test_training: Annotated[
        bool,
        Meta(
            description="the competition's rules allow training on test pictures (many forbid it): pseudo-labels may be "
            "made; --allow_test_training says the same"
        ),
    ] = False
    keep_weights: Annotated[
        KeepWeights,
        Meta(
            description="what fits leave on disk: full (float32), half (rounded to 16 bits before they predict) or "
            "predictions (weights are removed once all is predicted: no export, no distillation); auto: the first that fits"
        ),
    ] = "auto"
    trackers: Annotated[
        tuple[TrackerName, ...],
        Meta(
            description="experiment trackers that are told as well, by commas: tensorboard, mlflow, wandb (extras; the files "
            "go to the run's folder tracking/, servers only by the tracker's own environment variables)"
        ),
    ] = ()
