"""Faults planted among real pictures, and which of them the exploration finds.

    python benchmarks/planted_faults.py [--data ../shared/data/trash6 ../shared/data/docs17] [--each 40] [--no_csv]

Into a copy of a sample of a competition's training pictures (half as train, half as test) are planted: copies of files,
the same pixels stored another way, re-encodings, smaller and brighter versions, each within train, within test and
across; files cut in half, empty files and text under a picture's name. Printed: how many of each were found, and how
many pairs were found that were not planted (some are true duplicates of the data: they are listed).
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

from grandmaster.competition.reader import read_competition
from grandmaster.competition.table import Competition
from grandmaster.config import DataConfig, InspectConfig
from grandmaster.eda.fingerprint import make_fingerprint
from grandmaster.progress import SilentProgress
from grandmaster.storage import write_csv

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "planted_faults.csv"
SAMPLE = 1000


def _brighter(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.clip(np.asarray(image) * 1.08, 0, 255).astype(np.uint8))


def _smaller(image: Image.Image) -> Image.Image:
    return image.resize((round(image.width * 0.7), round(image.height * 0.7)), Image.Resampling.LANCZOS)


# From the original file to the planted one, whose ending says how it is stored.
PLANTS: dict[str, tuple[str, Callable[[Path, Path], object]]] = {
    "copy of the file": (".jpg", shutil.copyfile),
    "same pixels as PNG": (".png", lambda old, new: Image.open(old).convert("RGB").save(new)),
    "JPEG quality 50": (".jpg", lambda old, new: Image.open(old).convert("RGB").save(new, quality=50)),
    "70 % of the size": (
        ".jpg",
        lambda old, new: _smaller(Image.open(old).convert("RGB")).save(new, quality=90),
    ),
    "8 % brighter": (
        ".jpg",
        lambda old, new: _brighter(Image.open(old).convert("RGB")).save(new, quality=90),
    ),
}
BROKEN: dict[str, Callable[[Path, Path], object]] = {
    "cut in half": lambda old, new: new.write_bytes(old.read_bytes()[: old.stat().st_size // 2]),
    "last 10 % missing": lambda old, new: new.write_bytes(old.read_bytes()[: old.stat().st_size * 9 // 10]),
    "empty": lambda _, new: new.write_bytes(b""),
    "text": lambda _, new: new.write_text("<html>404 not found</html>"),
}
RELATIONS = ("train and train", "test and test", "train and test")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[ROOT.parent / "shared" / "data" / name for name in ("trash6", "docs17")],
    )
    parser.add_argument("--each", type=int, default=40, help="faults of each kind and relation (default 40)")
    parser.add_argument("--no_csv", action="store_true", help="print only")
    options = parser.parse_args()
    for folder in options.data:
        if not folder.is_dir():
            parser.error(f"{folder} is no folder: name those of competitions with --data")
    rows = [row for folder in options.data for row in plant(folder, options.each)]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    if not options.no_csv:
        write_csv(RESULTS, table)


def plant(data: Path, each: int) -> list[dict[str, object]]:
    competition = read_competition(data, DataConfig())
    paths = [Path(path) for path in competition.train["path"]]
    random.Random(0).shuffle(paths)
    paths = paths[:SAMPLE]
    pictures: dict[str, dict[str, Path]] = {"train": {}, "test": {}}
    planted: dict[frozenset[str], tuple[str, str]] = {}
    broken: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as place:
        for number, path in enumerate(paths):
            pictures["train" if number % 2 else "test"][f"o{number}"] = path
        originals = {split: list(found.items()) for split, found in pictures.items()}
        for relation in RELATIONS:
            source, target = relation.split(" and ")
            for kind, (suffix, make) in PLANTS.items():
                for _ in range(each):
                    id_, path = originals[source].pop()  # each original is used once
                    new = f"p{len(planted)}"
                    pictures[target][new] = Path(place) / (new + suffix)
                    make(path, pictures[target][new])
                    planted[frozenset((id_, new))] = kind, relation
        for kind, make in BROKEN.items():
            for number in range(each):
                new = f"b{len(broken)}"
                pictures["train" if number % 2 else "test"][new] = Path(place) / f"{new}.jpg"
                make(paths[number], Path(place) / f"{new}.jpg")
                broken[new] = kind
        fingerprint = make_fingerprint(_competition(pictures), InspectConfig(), SilentProgress())
    duplicates = fingerprint["duplicates"]
    found = {
        frozenset((one, two))
        for group in duplicates["groups"] + duplicates["test_groups"] + duplicates["across"]
        for number, one in enumerate(group)
        for two in group[number + 1 :]
    }
    rows: list[dict[str, object]] = []
    for relation in RELATIONS:
        for kind in PLANTS:
            pairs = {pair for pair, what in planted.items() if what == (kind, relation)}
            rows.append(
                {
                    "data": data.name,
                    "fault": kind,
                    "where": relation,
                    "planted": len(pairs),
                    "found": len(pairs & found),
                }
            )
    others = found - planted.keys()
    for pair in sorted(map(sorted, others)):
        print(
            "not planted:",
            pair,
            [str(pictures[s].get(i, "")) for i in pair for s in pictures if i in pictures[s]],
        )
    rows.append(
        {"data": data.name, "fault": "pairs not planted", "where": "any", "planted": 0, "found": len(others)}
    )
    unreadable = {entry["id"] for entry in fingerprint["unreadable"]}
    for kind in BROKEN:
        ids = {id_ for id_, what in broken.items() if what == kind}
        rows.append(
            {
                "data": data.name,
                "fault": kind,
                "where": "any",
                "planted": len(ids),
                "found": len(ids & unreadable),
            }
        )
    wrong = len(unreadable - broken.keys())
    rows.append(
        {"data": data.name, "fault": "whole, called unreadable", "where": "any", "planted": 0, "found": wrong}
    )
    return rows


def _competition(pictures: dict[str, dict[str, Path]]) -> Competition:
    train, test = (
        pd.DataFrame({"id": list(found), "path": [str(path) for path in found.values()]})
        for found in (pictures["train"], pictures["test"])
    )
    return Competition(
        name="planted",
        root=Path(),
        layout="L1",
        understood=(),
        id_column="id",
        target_columns=("label",),
        classes=("0",),
        class_names=("0",),
        train=train.assign(label=0, group=train["id"], row=train["id"]),
        targets=np.zeros(len(train), np.int64),
        test=test.assign(row=test["id"]),
        sample_submission=test[["id"]].assign(label="0"),
        submission_format="hard_label",
        metric="accuracy",
        metric_reason="benchmark",
    )


if __name__ == "__main__":
    main()
