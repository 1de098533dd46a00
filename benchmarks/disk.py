"""What a full run takes of the disk: seven large backbones, five folds, by what is kept of each fit.

    python benchmarks/disk.py [--measure convnext_large,vit_large] [--room GB] [--no_csv]

Parameters are counted on torch's meta device, with the head of 17 classes at the size of the plan. Bytes of the best weights
are those of files that a fit's own `save_best` really wrote, of the backbones in --measure (random weights; a temporary
folder, removed at once; about four times the larger file of memory), and computed from shapes for the others; where both
are known the difference is printed. The state to go on from is computed: weights, average and two moments of AdamW. The
need of a whole run is the plan's own arithmetic (`pipeline.disk.need`), for 1,821 training and 3,140 test pictures in 8
views. GB are 10^9 bytes here, as disks are sold; the plan and the system check count in 2^30.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

from grandmaster.models.builder import build_model
from grandmaster.models.registry import LARGE_SEVEN, Backbone
from grandmaster.models.weights import Weights
from grandmaster.pipeline.disk import TIERS, FitSize, need, prediction_bytes
from grandmaster.storage import write_csv
from grandmaster.training.checkpoint import BEST, save_best, weights_of

RESULTS = Path(__file__).parent / "results"
CLASSES, FOLDS, VIEWS, TRAIN, TEST, ID_LENGTH = 17, 5, 8, 1821, 3140, 20
GB = 1e9


def build(backbone: Backbone) -> nn.Module:
    """From random weights, on the device that is torch's default."""
    start = Weights(source="none", mean=(0.5,) * 3, std=(0.5,) * 3)
    return build_model(backbone.timm_name, start, classes=CLASSES, input_size=backbone.input_size)


def computed(net: nn.Module) -> tuple[int, int]:
    """Bytes of the tensors, as they are and with all parameters but vectors in half precision."""
    parameters = dict(net.named_parameters())
    full = half = 0
    for name, tensor in net.state_dict().items():
        size = tensor.numel() * tensor.element_size()
        full += size
        half += size // 2 if name in parameters and tensor.ndim >= 2 else size
    return full, half


def measured(backbone: Backbone) -> tuple[int, int]:
    """Bytes of the files that a fit leaves."""
    net, found = build(backbone), []
    for half in (False, True):
        with tempfile.TemporaryDirectory() as place:
            save_best(Path(place), weights_of(net, half=half), {})
            found.append((Path(place) / BEST).stat().st_size)
    return found[0], found[1]


def row_of(backbone: Backbone, *, really: bool) -> dict[str, Any]:
    """One backbone."""
    with torch.device("meta"):
        net = build(backbone)
    parameters = sum(parameter.numel() for parameter in net.parameters())
    full, half = computed(net)
    if really:
        files = measured(backbone)
        print(
            f"  {backbone.name}: files are {files[0] - full:+,} and {files[1] - half:+,} B off what shapes say"
        )
        full, half = files
    return {
        "backbone": backbone.name,
        "parameters": parameters,
        "weights_full_bytes": full,
        "weights_half_bytes": half,
        "weights_are": "measured" if really else "computed",
        "state_bytes": size_of(backbone.name, parameters).state,
    }


def size_of(name: str, parameters: int) -> FitSize:
    """As the plan counts it."""
    predictions = prediction_bytes(
        held=-(-TRAIN // FOLDS), test=TEST, outputs=CLASSES, views=VIEWS, corrupted=True, id_length=ID_LENGTH
    )
    return FitSize(backbone=name, parameters=parameters, averaged=True, predictions=predictions)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--measure", default="convnext_large,vit_large", help="backbones that are really saved"
    )
    parser.add_argument("--room", type=float, default=20.0, help="disk to compare with, GB (default: 20)")
    parser.add_argument("--no_csv", action="store_true", help="print only")
    options = parser.parse_args()
    really = set(options.measure.split(","))
    rows = [row_of(backbone, really=name in really) for name, backbone in LARGE_SEVEN.items()]
    for row in rows:
        print(
            f"{row['backbone']:18} {row['parameters'] / 1e6:6.1f} M  best weights {row['weights_full_bytes'] / GB:5.2f} GB, "
            f"half {row['weights_half_bytes'] / GB:5.2f} GB ({row['weights_are']})  state {row['state_bytes'] / GB:5.2f} GB"
        )
    sizes = [size_of(row["backbone"], row["parameters"]) for row in rows for _ in range(FOLDS)]
    totals = {}
    for tier in TIERS:
        whole = need(sizes, tier)
        left = 0 if tier == "predictions" else whole.weights
        verdict = "fits" if whole.total <= options.room * GB else "does not fit"
        print(
            f"{len(sizes)} fits, {tier:12} weights left {left / GB:5.1f} GB, states {whole.state / GB:4.1f} GB, epochs that "
            f"predict held-out pictures {whole.leaders / GB:.1f} GB, predictions {whole.predictions / GB:.2f} GB, at the fullest {whole.total / GB:5.1f} GB ({whole.total / 2**30:.1f} GiB): "
            f"{verdict} {options.room:g} GB"
        )
        totals |= {f"left_{tier}_gb": round(left / GB, 1), f"peak_{tier}_gb": round(whole.total / GB, 1)}
    if not options.no_csv:
        rows.append({"backbone": f"all, {FOLDS} folds", **totals})
        write_csv(RESULTS / "disk.csv", pd.DataFrame(rows).convert_dtypes())


if __name__ == "__main__":
    main()
