"""How many planted wrong labels are found, and how many of the suspects were planted?

Takes the training pictures of trash6, gives a seeded 2 % of them another label in a copy of the folder, reads it as
any competition, makes out-of-fold predictions with a linear classifier on features of a frozen MobileNetV2, and looks
for label errors as a run does. Features and duplicates do not depend on labels, so they are
found once, and several seeds plant anew. Suspects that were not planted count as false, although trash6 has wrong
labels of its own (the row with 0 planted shows how many are suspected then).

    python benchmarks/label_errors.py --weights_dir DIR [--data DIR] [--share 0.02] [--seeds 5] [--size 160]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from grandmaster.competition.csv_files import read_table
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.reader import read_competition
from grandmaster.competition.table import Competition
from grandmaster.config import DataConfig, InspectConfig
from grandmaster.eda import label_quality
from grandmaster.eda.fingerprint import make_fingerprint
from grandmaster.images.decode import read_picture
from grandmaster.images.normalise import to_input
from grandmaster.images.resize import to_square
from grandmaster.models.builder import build_model
from grandmaster.models.registry import find_backbone
from grandmaster.models.weights import find_weights
from grandmaster.pipeline.folds import make_folds
from grandmaster.progress import SilentProgress
from grandmaster.storage import write_csv

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).resolve().parent / "results" / "label_errors.csv"
BACKBONE, FOLDS, BATCH = "mobilenetv2_100", 5, 32
STRENGTH = 0.003  # inverse of the L2 penalty: 1,280 standardised features, about as many pictures
FILTERS = (
    "prune_by_noise_rate",
    "both",
    "confident_learning",
    "predicted_neq_given",
    "low_normalized_margin",
    "low_self_confidence",
)
SURE = 0.9  # probability of the suggested label


def plant(source: Path, folder: Path, share: float, seed: int) -> dict[str, str]:
    """Write `train.csv` of the copy with wrong labels; returns id -> true label of those."""
    table = read_table(source / "train.csv")
    rng = np.random.default_rng(seed)
    classes = sorted(set(table["label"]))
    rows = rng.choice(len(table), round(share * len(table)), replace=False)
    truth = {}
    for row in sorted(rows.tolist()):
        picture_id, label = table.iloc[row][["image_id", "label"]]
        truth[picture_id] = label
        others = [name for name in classes if name != label]
        table.iloc[row, table.columns.get_loc("label")] = others[rng.integers(len(others))]
    write_csv(folder / "train.csv", table)
    return truth


@torch.inference_mode()
def features(paths: Sequence[str], size: int, weights_dir: Path | None) -> npt.NDArray[np.float32]:
    """(n, 1280) of the frozen backbone; the mean over a picture and its mirror image."""
    backbone = find_backbone(BACKBONE)
    weights = find_weights(backbone, weights_dir=weights_dir, pretrained=True)
    if not weights.pretrained:
        sys.exit(f"no weights: {weights.reason}")
    net = build_model(backbone.timm_name, weights, classes=2, input_size=size).eval()
    net.reset_classifier(0)  # type: ignore[operator]  # timm's: pooled features instead of logits
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = []
    with ThreadPoolExecutor() as pool:
        pictures = pool.map(lambda path: to_square(read_picture(Path(path), at_least=size), size), paths)
        for start in range(0, len(paths), BATCH):
            few = [
                picture for _, picture in zip(range(min(BATCH, len(paths) - start)), pictures, strict=False)
            ]
            batch = to_input(
                torch.from_numpy(np.stack(few)).permute(0, 3, 1, 2), weights.mean, weights.std, device="cpu"
            )
            both = net(torch.cat([batch, batch.flip(3)]).contiguous(memory_format=torch.channels_last))
            found.append(both.unflatten(0, (2, -1)).mean(0).numpy())
    return np.concatenate(found)


def out_of_fold(
    competition: Competition, values: npt.NDArray[np.float32], groups: list[list[str]]
) -> Predictions:
    """Each picture by a classifier that saw neither it nor a duplicate of it: the folds of a run."""
    folds, _ = make_folds(competition.train, groups, count=FOLDS, seed=42)
    fold = folds.set_index("id")["fold"].loc[competition.train["id"]].to_numpy()
    probabilities = np.zeros((len(fold), len(competition.classes)), np.float32)
    for number in range(FOLDS):
        held = fold == number
        model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=300))
        model.fit(values[~held], competition.targets[~held])
        probabilities[held] = model.predict_proba(values[held])
    return Predictions(ids=tuple(competition.train["id"]), outputs=competition.outputs, values=probabilities)


def judge(
    competition: Competition,
    predictions: Predictions,
    groups: list[list[str]],
    truth: dict[str, str],
    method: str,
) -> dict[str, float]:
    """Precision and recall of the planted errors with one of cleanlab's filters."""
    label_of = dict(zip(competition.train["id"], competition.train["label"], strict=True))
    conflicts = [group for group in groups if len({label_of[member] for member in group}) > 1]
    label_quality.FILTER = method
    suspects = label_quality.find_label_suspects(competition, predictions, conflicts).suspects
    planted = suspects["id"].isin(truth.keys()).to_numpy()
    sure = suspects["p_suggested"].to_numpy() >= SURE
    right = suspects["suggested"].to_numpy() == suspects["id"].map(truth).to_numpy()
    count = max(1, len(truth))
    return {
        "planted": len(truth),
        "suspects": len(suspects),
        "found": int(planted.sum()),
        "precision": planted.sum() / max(1, len(suspects)),
        "recall": planted.sum() / count,
        "precision_at_planted": planted[: len(truth)].sum() / count,
        "precision_where_sure": (planted & sure).sum() / max(1, sure.sum()),
        "recall_where_sure": (planted & sure).sum() / count,
        "suggested_right": (right & planted).sum() / max(1, planted.sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "trash6")
    parser.add_argument("--weights_dir", type=Path)
    parser.add_argument("--share", type=float, default=0.02)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--size", type=int, default=160, help="side of the pictures, px")
    options = parser.parse_args()
    began = time.perf_counter()
    rows = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "data"  # copies: a link would lead out of the folder, which the reader refuses
        shutil.copytree(options.data, folder, ignore=shutil.ignore_patterns("solution.csv"))
        clean = read_competition(folder, DataConfig())
        groups = make_fingerprint(clean, InspectConfig(), SilentProgress())["duplicates"]["groups"]
        values = features(clean.train["path"].tolist(), options.size, options.weights_dir)
        print(f"{len(values):,} pictures measured and looked at in {time.perf_counter() - began:.0f} s")
        for number in range(-1, options.seeds):
            truth = plant(options.data, folder, 0.0 if number < 0 else options.share, number + 1)
            competition = read_competition(folder, DataConfig())
            assert competition.train["id"].equals(clean.train["id"])
            predictions = out_of_fold(competition, values, groups)
            right = (predictions.values.argmax(1) == clean.targets).mean()
            for method in FILTERS:
                found = judge(competition, predictions, groups, truth, method)
                rows.append({"filter": method, "seed": number, "accuracy": right, **found})
    table = pd.DataFrame(rows)
    means = table.groupby(["filter", "planted"], sort=False).mean(numeric_only=True).drop(columns="seed")
    spread = table.groupby(["filter", "planted"], sort=False)[["precision", "recall"]].agg(["min", "max"])
    spread.columns = [f"{name}_{end}" for name, end in spread.columns]
    summary = means.join(spread).reset_index().round(3)
    summary["seeds"] = np.where(summary["planted"] > 0, options.seeds, 1)
    summary.insert(0, "size", options.size)
    earlier = pd.read_csv(RESULTS) if RESULTS.exists() else summary.head(0)
    write_csv(RESULTS, pd.concat([earlier[earlier["size"] != options.size], summary], ignore_index=True))
    print(summary.to_string(index=False))
    print(f"{time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
