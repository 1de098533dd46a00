"""timm's training loop, through the functions that its train.py calls with its defaults.

train.py is no part of the installed package; this follows its `train_one_epoch` for one process: `create_loader` with random
crops, flips and colour jitter 0.4, AdamW, label smoothing 0.1, the loss read when it logs.
"""

from __future__ import annotations

from pathlib import Path

from pictures import Answer, Task, since_start, timed


def main() -> None:
    """Train, predict, tell."""
    task, answer = Task.read(), Answer()
    import timm
    import torch
    from timm.data import create_dataset, create_loader, resolve_data_config
    from timm.loss import LabelSmoothingCrossEntropy
    from timm.optim import create_optimizer_v2
    from timm.scheduler import create_scheduler_v2

    answer.imported, answer.version = since_start(), timm.__version__
    torch.set_num_threads(task.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = timm.create_model(task.model, pretrained=False, num_classes=task.classes).to(device)
    config = resolve_data_config({"input_size": (3, task.size, task.size)}, model=model)
    common = {
        "input_size": config["input_size"],
        "mean": config["mean"],
        "std": config["std"],
        "interpolation": config["interpolation"],
        "num_workers": task.workers,
        "batch_size": task.batch,
        "device": device,
        "use_prefetcher": device.type == "cuda",
        "pin_memory": device.type == "cuda",
    }
    train = create_loader(
        create_dataset("", root=f"{task.root}/train"),
        is_training=True,
        hflip=0.5,
        color_jitter=0.4,
        persistent_workers=task.workers > 0,
        **common,
    )
    loss_of = LabelSmoothingCrossEntropy(0.1)
    optimiser = create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05)
    scheduler, _ = create_scheduler_v2(
        optimiser, sched="cosine", num_epochs=task.epochs, warmup_epochs=1, updates_per_epoch=len(train)
    )
    updates = 0
    for _epoch in range(task.epochs):
        model.train()
        seen = 0
        with timed() as timer:
            for number, (inputs, targets) in enumerate(train):
                if not common["use_prefetcher"]:
                    inputs, targets = inputs.to(device), targets.to(device)
                loss = loss_of(model(inputs), targets)
                loss.backward()
                optimiser.step()
                optimiser.zero_grad()
                updates += 1
                scheduler.step_update(num_updates=updates)
                seen += len(inputs)
                if number % 50 == 0:
                    loss.item()
            if device.type == "cuda":
                torch.cuda.synchronize()
        answer.epochs.append(seen / timer.seconds)

    class Flat(torch.utils.data.Dataset):
        """The test pictures, which have no classes, as validate.py reads them."""

        def __init__(self) -> None:
            self.paths, self.transform = sorted(Path(f"{task.root}/test").iterdir()), None

        def __len__(self) -> int:
            return len(self.paths)

        def __getitem__(self, index: int):
            from PIL import Image

            return self.transform(Image.open(self.paths[index]).convert("RGB")), 0

    test = create_loader(Flat(), is_training=False, crop_pct=1.0, **common)
    model.eval()

    def predict(view) -> int:
        seen = 0
        with torch.inference_mode():
            for inputs, _ in test:
                seen += len(model(view(inputs.to(device))).cpu())
        return seen

    with timed() as one:
        seen = predict(lambda inputs: inputs)
    answer.predict, answer.whole = seen / one.seconds, since_start()
    views = [
        lambda inputs, k=k, f=f: torch.rot90(inputs.flip(3) if f else inputs, k, (2, 3))
        for k in range(4)
        for f in (0, 1)
    ]
    with timed() as all_views:  # it has none of its own: a pass over the pictures for each
        for view in views:
            predict(view)
    answer.tta, answer.views = all_views.seconds / one.seconds, len(views)
    answer.tell()


if __name__ == "__main__":
    main()
