"""The experiment trackers that a run can also write to, each through its own library, which is an extra.

None of them needs a network as it is set up here: TensorBoard and MLflow write into the run folder, W&B keeps its files there to
be sent later (`wandb sync`). Who wants a server says so in the tracker's own way: MLFLOW_TRACKING_URI, or WANDB_MODE=online.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from grandmaster.machine_config import TrackerName


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The run that is told about.

    Attributes:
        folder: that the tracker may write to.
        known: the tracker's own name of this run, where it was told of before; None: it is new.
        settings: flat, for tables of runs.
    """

    competition: str
    experiment: str
    folder: Path
    known: str | None
    settings: Mapping[str, str]


class Tracker(Protocol):
    """What is asked of a tracker; whatever it raises ends it, and nothing else."""

    known: str | None

    def numbers(self, fit: str, epoch: int, values: Mapping[str, float]) -> None:
        """One epoch of a fit, such as "fold_0/resnet18"."""

    def results(self, values: Mapping[str, float]) -> None:
        """What came of the run."""

    def close(self) -> None:
        """Nothing more comes."""


class TensorBoard:
    """Event files below `tracking/tensorboard`; to be looked at with `tensorboard --logdir`."""

    def __init__(self, subject: Subject) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self.known: str | None = None
        self._event, self._summary, self._writer = Event, Summary, EventFileWriter
        self._folder, self._writers = subject.folder, dict[str, Any]()

    def numbers(self, fit: str, epoch: int, values: Mapping[str, float]) -> None:
        if fit not in self._writers:
            self._writers[fit] = self._writer(str(self._folder / fit))
        summary = self._summary(
            value=[self._summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        )
        self._writers[fit].add_event(self._event(wall_time=time.time(), step=epoch, summary=summary))
        self._writers[fit].flush()

    def results(self, values: Mapping[str, float]) -> None:
        self.numbers("results", 0, values)

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


class MLflow:
    """Runs of one experiment a competition; a database in the folder, or the server of MLFLOW_TRACKING_URI."""

    def __init__(self, subject: Subject) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        from mlflow.tracking import MlflowClient

        subject.folder.mkdir(parents=True, exist_ok=True)
        place = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{subject.folder.resolve() / 'mlflow.db'}"
        self._client = MlflowClient(tracking_uri=place)
        self.known = subject.known
        if self.known is None:
            found = self._client.get_experiment_by_name(subject.competition)
            experiment = (
                found.experiment_id
                if found is not None
                else self._client.create_experiment(
                    subject.competition,
                    artifact_location=None
                    if "MLFLOW_TRACKING_URI" in os.environ
                    else subject.folder.as_uri(),
                )
            )
            self.known = str(self._client.create_run(experiment, run_name=subject.experiment).info.run_id)
            for name, value in subject.settings.items():
                self._client.log_param(self.known, name, value[:500])

    def numbers(self, fit: str, epoch: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._client.log_metric(str(self.known), f"{fit}/{name}", value, step=epoch)

    def results(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._client.log_metric(str(self.known), name, value)

    def close(self) -> None:
        self._client.set_terminated(str(self.known))


class WeightsAndBiases:
    """A run of a project a competition; kept as files unless WANDB_MODE says otherwise."""

    def __init__(self, subject: Subject) -> None:
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        subject.folder.mkdir(parents=True, exist_ok=True)
        mode: Any = os.environ.get("WANDB_MODE", "offline")
        self.known: str | None = subject.known or secrets.token_hex(8)
        self._run = wandb.init(
            project=subject.competition[:128],
            name=subject.experiment,
            id=self.known,
            resume="allow",
            dir=str(subject.folder),
            config=dict(subject.settings),
            mode=mode,
            settings=wandb.Settings(console="off", x_disable_stats=True, init_timeout=30),
        )

    def numbers(self, fit: str, epoch: int, values: Mapping[str, float]) -> None:
        self._run.log({f"{fit}/{name}": value for name, value in values.items()} | {f"{fit}/epoch": epoch})

    def results(self, values: Mapping[str, float]) -> None:
        self._run.summary.update(dict(values))

    def close(self) -> None:
        self._run.finish()


# Name -> how it is made, the module that has to be there, and what to install.
TRACKERS: dict[TrackerName, tuple[Callable[[Subject], Tracker], str, str]] = {
    "tensorboard": (TensorBoard, "tensorboard", "tensorboard"),
    "mlflow": (MLflow, "mlflow", "mlflow"),
    "wandb": (WeightsAndBiases, "wandb", "wandb"),
}
