"""This project's run on the same pictures: one fold trained, measured from its own files, and its fit's predictions timed."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "03_modeling"))

from pictures import Answer, Task, since_start, timed


def main() -> None:
    """Train, predict, tell."""
    task, answer = Task.read(), Answer()
    import numpy as np
    import pandas as pd

    import grandmaster
    from grandmaster.config import Config
    from grandmaster.images.dataset import PictureDataset
    from grandmaster.pipeline.context import RunContext
    from grandmaster.pipeline.fitted import fitted_on_device
    from grandmaster.pipeline.held_out import predict_pictures
    from grandmaster.pipeline.members import finished_members, member_spec
    from grandmaster.pipeline.run import RunRequest, open_context, run_pipeline
    from grandmaster.progress import SilentProgress
    from grandmaster.settings import with_settings
    from grandmaster.storage import read_jsonl

    answer.imported, answer.version = since_start(), grandmaster.__version__
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        data = place / "data"
        (data / "train").mkdir(parents=True)
        rows = []
        for part in ("train", "valid"):
            for path in sorted(Path(task.root, part).glob("*/*")):
                shutil.copyfile(path, data / "train" / path.name)  # links that lead out are refused
                rows.append({"id": path.name, "label": path.parent.name})
        (data / "test").mkdir()
        tested = sorted(Path(task.root, "test").iterdir())
        for path in tested:
            shutil.copyfile(path, data / "test" / path.name)
        pd.DataFrame(rows).to_csv(data / "train.csv", index=False)
        pd.DataFrame({"id": [path.name for path in tested], "label": rows[0]["label"]}).to_csv(
            data / "sample_submission.csv", index=False
        )
        settings = [
            "folds.count=5",
            "folds.train=1",
            f"model.backbones={task.model}",
            "model.pretrained=false",
            f"model.image_size={task.size}",
            f"training.epochs={task.epochs}",
            "training.patience=0",
            f"training.micro_batch={task.batch}",
            f"training.effective_batch={task.batch}",
            "augmentation.trial=false",
            "prediction.tta_views=1",
            f"hardware.threads={task.threads}",
            "hardware.picture_cache_gb=0",  # every round reads the files anew
        ]
        request = RunRequest(
            data_path=data,
            run_folder=place / "run",
            config=with_settings(Config(), settings),
            mode="full_training",
            command="benchmarks/peers.py",
            until="submit",
        )
        run_pipeline(request, SilentProgress())
        answer.whole = since_start()
        epochs = read_jsonl(place / "run" / "fold_0" / task.model / "metrics.jsonl")
        seen = int((pd.read_csv(place / "run" / "folds.csv")["fold"] != 0).sum())
        answer.epochs = [line["images_per_second"] for line in epochs]
        answer.validated = [seen / line["seconds"] for line in epochs]
        seconds = []
        for views in (1, 8):
            context: RunContext = open_context(request, SilentProgress())  # with no picture decoded yet
            member = finished_members(context)[0]
            spec = member_spec(context, member)
            net, precision = fitted_on_device(context, spec, member.folder)
            with timed() as timer:
                store = context.store("test", spec.store_size)
                pictures = PictureDataset(
                    store, None, None, spec.input_size, spec.seed, rows=np.arange(len(store), dtype=np.int64)
                )
                predict_pictures(context, spec, net, precision, pictures, views=views, task="test")
            seconds.append(timer.seconds)
        answer.predict = len(tested) / seconds[0]
        answer.tta, answer.views = seconds[1] / seconds[0], 8
    answer.tell()


if __name__ == "__main__":
    main()
