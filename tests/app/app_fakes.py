"""A pipeline that only records what it was asked, so that tests of the application train nothing.

`FakePipeline.modules` go into `sys.modules`; run as a script this file starts the command line or the
menu with it, in a process of its own: `python app_fakes.py FOLDER train|menu [ARGUMENT ...]`, with both source
roots on PYTHONPATH. FAKE_BEHAVIOUR in the environment says how the pipeline behaves.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import types
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[2]
SCORE = {"score": 0.9123, "low": 0.9001, "high": 0.9234, "level": 0.95, "images": 1140}
RESULTS: dict[str, Any] = {
    "experiment": "toy_quick_test",
    "metric_title": "Macro F1",
    "cross_validation": {**SCORE, "folds_trained": 1, "folds_total": 5},
    "corrupted_validation": {**SCORE, "score": 0.8017, "gap": 0.1106},
    "models": [
        {
            "backbone": "tiny",
            "fold": 0,
            "score": 0.9,
            "score_corrupted": 0.79,
            "gap": 0.11,
            "weights": "none",
            "minutes": 1.0,
        }
    ],
    "baseline": {"name": "majority class", "score": 0.0123},
    "submission": {
        "file": "submission_toy_quick_test.csv",
        "rows": 3140,
        "format": "hard_label",
        "problems": [],
        "warnings": ["class 3 is never predicted"],
    },
    "seconds": {"inspect": 5.0, "train": 120.0},
    "steps": {"train": {"training": 100.0, "prediction": 10.0, "waiting": 5.0}},
    "total_seconds": 125.0,
}


@dataclass(frozen=True, kw_only=True)
class Weights:
    source: str

    @property
    def pretrained(self) -> bool:
        return self.source != "none"


@dataclass(frozen=True, kw_only=True)
class ModelPlan:
    backbone: str
    weights: Weights
    licence: str = ""
    input_size: int = 384
    micro_batch: int = 8
    accumulation: int = 8
    epochs: int = 12
    minutes_per_fold: float = 14.5
    memory_gb: float = 11.25
    disk_gb: float = 4.0
    million_parameters: float = 2**30 / 4e6  # 1 GB of weights
    reasons: dict[str, str] = field(default_factory=lambda: {"epochs": "as many as the time allows"})


@dataclass(frozen=True)
class Plan:
    """The part of the real plan that is shown."""

    models: tuple[ModelPlan, ...] = (
        ModelPlan(
            backbone="convnext_large",
            weights=Weights(source="file:/some/where/convnext_large.safetensors"),
            licence="apache-2.0",
        ),
        ModelPlan(backbone="swin_large", weights=Weights(source="none"), reasons={"weights": "no hub"}),
    )
    folds_total: int = 5
    folds_trained: int = 5
    keep_weights: str = "full"
    notes: tuple[str, ...] = ("swin_large starts from scratch",)
    operations: tuple[Any, ...] = (
        types.SimpleNamespace(
            name="FilledRotation", probability=0.68, reason="rotation: 68% of test pictures [turned]"
        ),
    )
    class_policies: tuple[Any, ...] = (
        types.SimpleNamespace(
            name="photos",
            classes=("dashboard", "plate [front]"),
            operations=(types.SimpleNamespace(name="HueSaturationValue", probability=0.3, reason="cameras"),),
            reason="darker",
        ),
    )

    def lines(self) -> list[tuple[str, object, str]]:
        return [
            ("backbones", ("convnext_large", "swin_large"), "as named"),
            ("augmentation", "test_like", "test is brighter [by 22.6] and turned"),
        ]


RunRequest = make_dataclass(
    "RunRequest",
    (
        *("data_path", "run_folder", "config", "mode", "command", "until", "models_wanted"),
        ("started", float, field(default=None, compare=False)),
        ("change", object, field(default=None, compare=False)),
    ),
    frozen=True,
    kw_only=True,
)


class FakePipeline:
    """Stands in for `grandmaster.pipeline.run`; keeps the requests, and does what `behaviour` says.

    `behaviour`: "finish" | "interrupt" | "crash" | "bad data" | "slow" (until a signal ends it).
    """

    def __init__(self, behaviour: str = "finish") -> None:
        self.behaviour = behaviour
        self.runs: list[Any] = []
        self.plans: list[Any] = []
        self.explored: list[Any] = []

    def run_pipeline(self, request: Any, progress: Any) -> dict[str, Any]:
        from grandmaster.errors import UserError

        self.runs.append(request)
        if self.behaviour == "bad data":
            raise UserError("no column 'ID'", where="train.csv", fix="Add it")
        request.run_folder.mkdir(parents=True, exist_ok=True)
        (request.run_folder / "config.json").write_bytes(msgspec.json.encode(request.config))
        facts = {"command": request.command, "mode": request.mode}
        (request.run_folder / "environment.json").write_text(json.dumps(facts))
        tasks = ["inspect", "train tiny fold 0", "report"]
        progress.expect(dict.fromkeys(tasks, 1.0))
        progress.start("train tiny fold 0", 4)
        progress.advance("train tiny fold 0", 1, epoch="1/4", loss=0.51234)
        progress.message("a message [with brackets]", "warn")
        if self.behaviour == "interrupt":
            raise KeyboardInterrupt
        if self.behaviour == "crash":
            raise RuntimeError("out of\nmemory")
        if self.behaviour == "slow":
            time.sleep(60)
        for task in tasks:
            progress.finish(task, "macro F1 0.912")
        if request.until is not None:
            return {}
        results = {**RESULTS, "experiment": request.run_folder.name}
        (request.run_folder / "final_results.json").write_text(json.dumps(results))
        (request.run_folder / "report.html").write_text("<html></html>")
        return results

    def planned_work(self, request: Any, progress: Any) -> tuple[Plan, list[Any]]:
        self.plans.append(request)
        later = types.SimpleNamespace(name="pseudo-labels, 1 round", fits=10, seconds=5400.0)
        return Plan(), [later] if request.config.run.allow_test_training else []

    def read_data(self, request: Any, progress: Any) -> Any:
        return read_competition(request.data_path, request.config.data)

    def explore_data(self, request: Any, progress: Any) -> Path | None:
        self.explored.append(request)
        if self.behaviour == "interrupt":
            raise KeyboardInterrupt
        request.run_folder.mkdir(parents=True, exist_ok=True)
        progress.finish("inspect", "2 pictures")
        if request.until == "inspect":
            return None
        (request.run_folder / "eda.html").write_text("<html></html>")
        return Path(request.run_folder / "eda.html")

    def modules(self) -> dict[str, types.ModuleType]:
        """What goes into `sys.modules`."""
        run = types.ModuleType("grandmaster.pipeline.run")
        run.__dict__.update(
            RunRequest=RunRequest,
            run_pipeline=self.run_pipeline,
            planned_work=self.planned_work,
            explore_data=self.explore_data,
            read_data=self.read_data,
        )
        reader = types.ModuleType("grandmaster.competition.reader")
        reader.__dict__.update(read_competition=read_competition)
        sample = types.ModuleType("grandmaster.competition.sample")
        sample.__dict__.update(make_sample=make_sample)
        decode = types.ModuleType("grandmaster.images.decode")
        decode.__dict__.update(vars(importlib.import_module("grandmaster.images.decode")))
        decode.__dict__.update(PictureError=FakePictureError, read_picture=read_picture)
        return {module.__name__: module for module in (run, reader, sample, decode)}


class FakePictureError(ValueError):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


def read_picture(path: Path) -> None:
    if not path.is_file():
        raise FakePictureError(str(path), "no such file")


def read_competition(root: Path, config: Any) -> Any:
    """Reads the folders that `make_competition` makes."""
    import numpy as np
    import pandas as pd

    from grandmaster.competition.table import Competition
    from grandmaster.errors import UserError

    if not (root / "train.csv").is_file():
        raise UserError("no train.csv", where=root, fix="Unzip it")
    pictures = sorted(str(path) for path in (root / "train").glob("*.jpg"))
    table = pd.DataFrame({"id": pictures, "path": pictures})
    return Competition(
        name=root.name,
        root=root,
        layout="L1",
        understood=("labels are whole numbers [0, 1]",),
        id_column="ID",
        target_columns=("target",),
        classes=("0", "1"),
        class_names=("cat", "dog"),
        train=table.assign(label=0, group=table["id"], row=table["id"]),
        targets=np.zeros(len(table), np.int64),
        test=table.assign(row=table["id"]),
        sample_submission=pd.DataFrame(),
        submission_format="hard_label",
        metric="macro_f1",
        metric_reason="the classes are of unequal size",
    )


def make_competition(folder: Path) -> Path:
    """A folder that looks like a competition."""
    (folder / "train").mkdir(parents=True)
    (folder / "train.csv").write_text("ID,target\na.jpg,0\n")
    (folder / "train" / "a.jpg").write_bytes(b"\xff\xd8")
    return folder


def make_sample(folder: Path, *, images: int, test_images: int, progress: Any) -> None:
    progress.start("sample", images)
    progress.advance("sample", images)
    make_competition(folder)
    progress.finish("sample", f"{images} pictures")
    (folder / "images.txt").write_text(str(images))


def run_environment(**more: str) -> dict[str, str]:
    """Environment of a process that runs this file: English, warnings shown, no hub."""
    roots = [str(ROOT / "03_modeling"), str(ROOT / "04_training")]
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LC_", "LANG", "GRANDMASTER"))
    }
    fixed = {
        "PYTHONPATH": os.pathsep.join(roots),
        "PYTHONWARNINGS": "default",
        "HF_HUB_OFFLINE": "1",
        "LANG": "C.UTF-8",
    }
    return {**kept, **fixed, **more}


def _start(folder: Path, program: str, arguments: list[str]) -> int:
    """The command line or the menu on `folder`, with `folder/requests.json` telling what was asked."""
    pipeline = FakePipeline(os.environ.get("FAKE_BEHAVIOUR", "finish"))
    sys.modules.update(pipeline.modules())
    import data_loader
    import grandmaster_train
    import options
    import run_training
    from grandmaster.pipeline import doctor

    # Importing torch takes seconds; what is checked with it has tests of its own.
    doctor.check_torch = lambda config: iter(
        [doctor.Check(name="training step", status="good", found="fake")]
    )
    data_loader.DATA_FOLDER = folder / "data"
    data_loader.KAGGLE_INPUT = folder / "kaggle"
    options.RESULTS_FOLDER = folder / "runs"
    try:
        return grandmaster_train.main(arguments) if program == "train" else run_training.main()
    finally:
        asked = {"runs": pipeline.runs, "plans": pipeline.plans, "explored": pipeline.explored}
        plain = {
            kind: [
                {
                    "mode": request.mode,
                    "folder": request.run_folder.name,
                    "data": request.data_path.name,
                    "models": request.config.model.backbones,
                    "training": request.config.training.mode,
                }
                for request in requests
            ]
            for kind, requests in asked.items()
        }
        (folder / "requests.json").write_text(json.dumps(plain))


if __name__ == "__main__":
    sys.exit(_start(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
