"""AutoGluon's multimodal predictor with its own defaults for pictures, the same architecture, size and batch."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from pictures import Answer, Task, since_start, timed


def local_start(folder: Path, architecture: str) -> str:
    """Random weights in the form in which AutoGluon takes a model from a folder; by name it takes it from the hub only."""
    import timm
    import torch

    model = timm.create_model(architecture, pretrained=False, num_classes=0)
    folder.mkdir()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    facts = {name: model.pretrained_cfg[name] for name in ("input_size", "mean", "std")}
    facts |= {"architecture": architecture, "num_features": model.num_features, "num_classes": 0}
    (folder / "config.json").write_text(json.dumps(facts))
    return str(folder)


def main() -> None:
    """Train, predict, tell."""
    task, answer = Task.read(), Answer()
    import pandas as pd
    import torch
    from autogluon import multimodal

    answer.imported, answer.version = since_start(), multimodal.__version__
    torch.set_num_threads(task.threads)

    def table(part: str) -> pd.DataFrame:
        paths = sorted(Path(task.root, part).glob("*/*"))
        return pd.DataFrame({"image": map(str, paths), "label": [path.parent.name for path in paths]})

    train, valid = table("train"), table("valid")
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import Callback

    class Clock(Callback):
        """Training pictures a second of every epoch, where its own validation lies within."""

        def on_train_epoch_start(self, *_) -> None:
            self.started = time.perf_counter()

        def on_train_epoch_end(self, *_) -> None:
            answer.validated.append(len(train) / (time.perf_counter() - self.started))

    begin = Trainer.__init__

    def with_clock(self, *args, **settings) -> None:
        settings["callbacks"] = [*(settings.get("callbacks") or []), Clock()]
        begin(self, *args, **settings)

    Trainer.__init__ = with_clock
    with tempfile.TemporaryDirectory() as place:
        predictor = multimodal.MultiModalPredictor(
            label="label", problem_type="multiclass", path=f"{place}/model", verbosity=1
        )
        predictor.fit(
            train,
            tuning_data=valid,
            hyperparameters={
                "model.names": ["timm_image"],
                "model.timm_image.checkpoint_name": local_start(Path(place, "start"), task.model),
                "model.timm_image.image_size": task.size,
                "env.batch_size": task.batch,
                "env.per_gpu_batch_size": task.batch,
                "env.num_workers": task.workers,
                "optim.max_epochs": task.epochs,
                "optim.patience": task.epochs + 1,
            },
        )
        test = pd.DataFrame({"image": [str(path) for path in sorted(Path(task.root, "test").iterdir())]})
        with timed() as one:
            values = predictor.predict_proba(test)
        answer.predict, answer.whole = len(values) / one.seconds, since_start()
    answer.tell()


if __name__ == "__main__":
    main()
