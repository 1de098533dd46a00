"""Does cross-validation stay true when models learn from pseudo-labels? Ours by fold, against those by all folds' models.

Three schemes on the same pictures: no pseudo-labels; ours, where fold k's model learns from labels of test pictures that
fold k's models gave; and the usual shortcut, where every fold's model learns from labels that all folds' models gave
together. The others have learnt fold k's validation labels by heart, and hand them back through test pictures that look
like validation pictures. What is asked: how far cross-validation then lies above the score on fresh pictures, which nobody
trained on or labelled (the inflation), against the same difference without pseudo-labels.

    python benchmarks/pseudo_label_leak.py [--seeds 20]                     # cheap features, many draws
    python benchmarks/pseudo_label_leak.py --data DIR [--weights_dir DIR]   # one run of the pipeline on its training pictures

Cheap features: thumbnails of the clean training pictures of the sample competition, classified by logistic regression and by
nearest neighbours, which remember every picture; labels are chosen by the product's own rule. A share of the test pictures may be
near-duplicates of training pictures, as real test sets have them, and a share of all labels wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

import cv2
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from grandmaster.competition.predictions import Predictions
from grandmaster.competition.reader import read_competition
from grandmaster.competition.sample import make_sample
from grandmaster.config import Config, DataConfig
from grandmaster.pipeline import pseudo_labels
from grandmaster.pipeline.choosing_labels import choose
from grandmaster.pipeline.machine import usable_cores
from grandmaster.pipeline.run import RunRequest, run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.settings import with_settings
from grandmaster.storage import read_json, write_csv
from grandmaster.teaching_config import PseudoLabelConfig

RESULTS = Path(__file__).resolve().parent / "results" / "pseudo_label_leak.csv"
SIDE = 20  # of a thumbnail, px
TRAIN, TEST, FRESH, FOLDS, ROUNDS = 400, 400, 600, 5, 2
MODELS: dict[str, tuple[Callable[[int], Any], float]] = {
    "logistic regression": (lambda seed: LogisticRegression(C=1.0, max_iter=200), 0.8),
    "nearest neighbours": (lambda seed: KNeighborsClassifier(5, weights="distance"), 0.8),
}
# Share of test pictures that are near-duplicates of training pictures, share of wrong labels.
CONDITIONS = ((0.0, 0.0), (0.0, 0.15), (0.3, 0.0), (0.3, 0.15))
SCHEMES = ("none", "by fold", "by all folds")


def near_duplicate(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same scene a moment later: cut by up to 4 %, a little brighter or darker, compressed once more."""
    height, width = picture.shape[:2]
    top, left = (int(rng.integers(0, max(2, side // 25))) for side in (height, width))
    cut = picture[top : height - height // 25 + top, left : width - width // 25 + left]
    lit = np.clip(cut.astype(np.float32) * rng.uniform(0.94, 1.06), 0, 255).astype(np.uint8)
    _, coded = cv2.imencode(".jpg", lit, [cv2.IMWRITE_JPEG_QUALITY, 88])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))


def thumbnail(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).reshape(-1).astype(np.float32)


def make_pool(place: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thumbnails of pictures, of a near-duplicate of each, and classes."""
    make_sample(place, images=TRAIN + TEST + FRESH + 200, test_images=17, seed=0)
    competition = read_competition(place, DataConfig())
    rng = np.random.default_rng(0)
    own, twins = [], []
    for path in competition.train["path"]:
        picture = np.asarray(cv2.imread(str(path)))
        own.append(thumbnail(picture))
        twins.append(thumbnail(near_duplicate(picture, rng)))
    return np.stack(own), np.stack(twins), competition.targets


def draw(
    pool: tuple[np.ndarray, np.ndarray, np.ndarray], seed: int, twins: float, wrong: float
) -> dict[str, np.ndarray]:
    """Training, test and fresh pictures; every label is wrong with the same chance."""
    own, near, classes = pool
    rng = np.random.default_rng((seed, 7))
    order = rng.permutation(len(own))
    train, test, fresh = np.split(order[: TRAIN + TEST + FRESH], [TRAIN, TRAIN + TEST])
    count = round(twins * TEST)
    chosen = rng.choice(train, count, replace=False)
    others = rng.integers(1, classes.max() + 1, len(classes))
    labels = np.where(rng.random(len(classes)) < wrong, (classes + others) % (classes.max() + 1), classes)
    return {
        "train": own[train],
        "labels": labels[train],
        "test": np.concatenate([near[chosen], own[test[count:]]]),
        "fresh": own[fresh],
        "fresh_labels": labels[fresh],
        "classes": np.arange(classes.max() + 1),
    }


def cross_validate(
    data: dict[str, np.ndarray], make: Callable[[int], Any], confidence: float, seed: int, scheme: str
) -> list[tuple[float, float, float]]:
    """(CV, fresh, labels a fold) before and after each round; accuracies, the fresh one of all folds' mean."""
    folds = np.zeros(TRAIN, int)
    few = np.bincount(data["labels"], minlength=len(data["classes"]))[data["labels"]] < FOLDS
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for number, (_, held) in enumerate(splitter.split(data["train"], np.where(few, -1, data["labels"]))):
        folds[held] = number
    settings = PseudoLabelConfig(confidence=confidence)
    found: list[tuple[float, float, float]] = []
    test = [np.zeros((TEST, 0), np.float32)] * FOLDS
    for turn in range(1 if scheme == "none" else ROUNDS + 1):
        right, fresh, learnt, said = 0, np.zeros((len(data["fresh"]), len(data["classes"]))), 0, []
        for fold in range(FOLDS):
            rows = folds != fold
            pictures, labels = data["train"][rows], data["labels"][rows]
            if turn:
                values = test[fold] if scheme == "by fold" else np.mean(test, axis=0)
                chosen = choose(values, labels, np.arange(TEST), "multiclass", settings)
                pictures = np.concatenate([pictures, data["test"][chosen.rows]])
                labels = np.concatenate([labels, chosen.taught.argmax(axis=1)])
                learnt += len(chosen.rows)
            model = make(seed * FOLDS + fold).fit(pictures, labels)
            right += (model.predict(data["train"][~rows]) == data["labels"][~rows]).sum()
            fresh += spread(model, data["fresh"], data["classes"])
            said.append(spread(model, data["test"], data["classes"]))
        test = said
        accuracy = (fresh.argmax(axis=1) == data["fresh_labels"]).mean()
        found.append((right / TRAIN, float(accuracy), learnt / FOLDS))
    return found


def spread(model: Any, pictures: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Probabilities of all classes, also of those that this fold has no picture of."""
    values = np.zeros((len(pictures), len(classes)), np.float32)
    values[:, model.classes_] = model.predict_proba(pictures)
    return values


def with_features(seeds: int) -> pd.DataFrame:
    with tempfile.TemporaryDirectory() as place:
        pool = make_pool(Path(place) / "sample")
    features = make_pipeline(StandardScaler(), PCA(48, random_state=0), StandardScaler())
    features.fit(pool[0])  # without labels, and the same for all schemes
    pool = (features.transform(pool[0]), features.transform(pool[1]), pool[2])
    rows = []
    for name, (make, confidence) in MODELS.items():
        for twins, wrong in CONDITIONS:
            runs: dict[str, list[Any]] = {scheme: [] for scheme in SCHEMES}
            for seed in range(seeds):
                data = draw(pool, seed, twins, wrong)
                for scheme in SCHEMES:
                    runs[scheme].append(cross_validate(data, make, confidence, seed, scheme))
            before = np.array(runs["none"])[:, 0]
            for scheme in SCHEMES:
                for turn in range(0 if scheme == "none" else 1, 1 if scheme == "none" else ROUNDS + 1):
                    after = np.array(runs[scheme])[:, turn]
                    gap = (after[:, 0] - after[:, 1]) - (before[:, 0] - before[:, 1])
                    gain_cv, gain = after[:, 0] - before[:, 0], after[:, 1] - before[:, 1]
                    rows.append(
                        {
                            "model": name,
                            "near_duplicates": twins,
                            "wrong_labels": wrong,
                            "scheme": scheme,
                            "round": turn,
                            "labels": round(float(after[:, 2].mean()), 1),
                            "cv": round(float(after[:, 0].mean()), 4),
                            "fresh": round(float(after[:, 1].mean()), 4),
                            "cv_gain": round(float(gain_cv.mean()), 4),
                            "true_gain": round(float(gain.mean()), 4),
                            "inflation": round(float(gap.mean()), 4),
                            "standard_error": round(float(gap.std(ddof=1) / np.sqrt(seeds)), 4),
                            "draws": seeds,
                            "machine": f"{usable_cores()} CPU cores",
                        }
                    )
            print(
                pd.DataFrame(rows[-(1 + 2 * ROUNDS) :]).drop(columns="machine").to_string(index=False),
                flush=True,
            )
    return pd.DataFrame(rows)


def write_competition(data: Path, place: Path, options: argparse.Namespace) -> tuple[list[str], np.ndarray]:
    """A competition of training pictures of another one: test pictures whose truth is known, some of them near-duplicates."""
    source = read_competition(data, DataConfig())
    rng = np.random.default_rng((options.seed, 11))
    order = rng.permutation(len(source.train))
    train, test = order[: options.train], order[options.train : options.train + options.test]
    twins = rng.choice(train, round(options.twins * options.test), replace=False)
    labels = np.array(source.targets)
    changed = rng.random(len(labels)) < options.wrong
    others = rng.integers(1, len(source.classes), len(labels))
    labels = np.where(changed, (labels + others) % len(source.classes), labels)
    paths = source.train["path"].tolist()
    lines = {"train": ["id,label"], "test": ["id,label"]}
    truth = []
    for split, rows in (("train", train), ("test", np.concatenate([test, twins]))):
        (place / split).mkdir(parents=True)
        for number, row in enumerate(rows):
            picture = np.asarray(cv2.imread(paths[row]))
            if split == "test" and number >= len(test):
                picture = near_duplicate(picture, rng)
            name = f"{split}{number:04d}.png"
            cv2.imwrite(str(place / split / name), picture)
            lines[split].append(f"{name},{source.classes[labels[row] if split == 'train' else 0]}")
            if split == "test":
                truth.append(labels[row])
    (place / "train.csv").write_text("\n".join(lines["train"]) + "\n")
    (place / "sample_submission.csv").write_text("\n".join(lines["test"]) + "\n")
    return [line.split(",")[0] for line in lines["test"][1:]], np.array(truth)


def by_all_folds(context: Any, members: Any, fold: int) -> Any:
    """The shortcut: labels of a fold by the members of all folds."""
    return BY_FOLD(context, [dataclasses.replace(member, fold=fold) for member in members], fold)


BY_FOLD = pseudo_labels.labels_of_fold


def with_pipeline(options: argparse.Namespace) -> pd.DataFrame:
    """Real training: the same planned fits, then one round by each scheme, whether it would be kept or not."""
    compare, rows = pseudo_labels._compare, []
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary if options.runs is None else options.runs)
        if not (place / "data").exists():
            place.mkdir(parents=True, exist_ok=True)
        ids, truth = write_competition(
            options.data,
            place / "data" if not (place / "data").exists() else Path(temporary) / "again",
            options,
        )
        base = [
            "inspect.shift_pictures=100",
            "inspect.shift_effort=0.1",
            "augmentation.policy=light",
            "data.metric=accuracy",
        ]
        base += [
            f"folds.count={options.folds}",
            f"training.epochs={options.epochs}",
            f"model.image_size={options.size}",
        ]
        base += [
            f"model.backbones={options.backbone}",
            "prediction.tta_views=2",
            f"hardware.threads={options.threads}",
        ]
        base += (
            [f"model.weights_dir={options.weights_dir}"]
            if options.weights_dir
            else ["model.pretrained=false"]
        )
        allowed = ["run.allow_test_training=true", f"pseudo_label.confidence={options.confidence}"]
        for scheme in SCHEMES:
            folder = place / scheme.replace(" ", "_")
            if scheme != "none" and not folder.exists():
                shutil.copytree(place / "none", folder)
            pseudo_labels.labels_of_fold = by_all_folds if scheme == "by all folds" else BY_FOLD
            pseudo_labels._compare = lambda *args: (
                compare(*args) or True
            )  # measured, and looked at all the same
            request = RunRequest(
                data_path=place / "data",
                run_folder=folder,
                config=with_settings(Config(), base + (allowed if scheme != "none" else [])),
                mode="full_training",
                command="benchmarks/pseudo_label_leak.py",
            )
            results = run_pipeline(request, SilentProgress())
            values = Predictions.load(folder / "ensemble" / "test.npz").aligned_to(ids).values
            right = values.argmax(axis=1) == truth
            kept, learnt = None, 0.0
            if scheme != "none":
                told = read_json(folder / "pseudo_label" / "round_1" / "round.json")
                kept = told["kept"]
                learnt = float(np.mean([fold["learnt"] for fold in told["labels"].values()]))
            rows.append(
                {
                    "model": f"{options.backbone} {options.size} px, {options.epochs} epochs, {options.folds} folds",
                    "near_duplicates": round(options.twins * options.test / len(ids), 3),
                    "wrong_labels": options.wrong,
                    "scheme": scheme,
                    "round": 0 if scheme == "none" else 1,
                    "labels": learnt,
                    "cv": round(results["cross_validation"]["score"], 4),
                    "fresh": round(float(right[: options.test].mean()), 4),
                    "twins": round(float(right[options.test :].mean()), 4),
                    "kept": kept,
                    "draws": 1,
                    "seed": options.seed,
                    "data": options.data.name,
                    "machine": f"{usable_cores()} CPU cores",
                }
            )
            first = rows[0]
            rows[-1] |= {"cv_gain": round(rows[-1]["cv"] - first["cv"], 4)}
            rows[-1] |= {"true_gain": round(rows[-1]["fresh"] - first["fresh"], 4)}
            rows[-1] |= {"inflation": round(rows[-1]["cv_gain"] - rows[-1]["true_gain"], 4)}
            print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--weights_dir")
    parser.add_argument("--runs", help="keep the runs here")
    parser.add_argument("--train", type=int, default=450)
    parser.add_argument("--test", type=int, default=350, help="test pictures that are no near-duplicates")
    parser.add_argument("--twins", type=float, default=0.4, help="near-duplicates besides, in those")
    parser.add_argument("--wrong", type=float, default=0.1)
    parser.add_argument("--backbone", default="mobilenetv2_100")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--confidence", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=usable_cores())
    options = parser.parse_args()
    with threadpool_limits(1):
        table = with_pipeline(options) if options.data else with_features(options.seeds)
    earlier = pd.read_csv(RESULTS) if RESULTS.exists() else pd.DataFrame()
    write_csv(RESULTS, pd.concat([earlier, table], ignore_index=True))


if __name__ == "__main__":
    main()
