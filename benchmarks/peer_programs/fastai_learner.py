"""fastai's vision learner with its own defaults: `aug_transforms`, one-cycle, its loaders, its test-time augmentation."""

from __future__ import annotations

import time

from pictures import Answer, Task, since_start, timed


def main() -> None:
    """Train, predict, tell."""
    task, answer = Task.read(), Answer()
    import fastai
    import torch
    from fastai.vision.all import (
        Callback,
        ImageDataLoaders,
        Resize,
        aug_transforms,
        get_image_files,
        vision_learner,
    )

    answer.imported, answer.version = since_start(), fastai.__version__
    torch.set_num_threads(task.threads)

    class Clock(Callback):
        """Training pictures a second of every epoch."""

        def before_train(self) -> None:
            self.started, self.seen = time.perf_counter(), 0

        def after_batch(self) -> None:
            if self.learn.training:
                self.seen += len(self.learn.xb[0])

        def after_train(self) -> None:
            answer.epochs.append(self.seen / (time.perf_counter() - self.started))

    loaders = ImageDataLoaders.from_folder(
        task.root,
        train="train",
        valid="valid",
        item_tfms=Resize(task.size),
        batch_tfms=aug_transforms(),
        bs=task.batch,
        num_workers=task.workers,
    )
    learner = vision_learner(loaders, task.model, pretrained=False, cbs=[Clock()])
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(task.epochs)
        test = loaders.test_dl(get_image_files(f"{task.root}/test"))
        with timed() as one:
            values, _ = learner.get_preds(dl=test)
        answer.predict, answer.whole = len(values) / one.seconds, since_start()
        with timed() as views:  # its four augmented views and the picture as it is
            learner.tta(dl=test, n=4)
    answer.tta, answer.views = views.seconds / one.seconds, 5
    answer.tell()


if __name__ == "__main__":
    main()
