"""One table of all speeds, from what the other benchmarks have measured: ours, the peer's, the ratio.

    python benchmarks/speed_table.py

Reads `results/*.csv`, prints the table, and writes it to `results/speed.md`. What has not been measured is a row that says so.
Above 1, ours is ahead.
"""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

RESULTS = Path(__file__).resolve().parent / "results"
Row = tuple[str, str, str, str, str, str]


def table(name: str) -> pd.DataFrame:
    """A benchmark's results; empty where there are none."""
    path = RESULTS / f"{name}.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame()


def number(value: float, unit: str = "") -> str:
    """With three digits that count."""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def missing(stage: str, script: str) -> Row:
    return (stage, "", f"not measured yet: `benchmarks/{script}.py`", "", "", "")


def pictures() -> list[Row]:
    """Decoding and the cache."""
    found = table("picture_speed")
    if found.empty:
        return [missing("decode, cache", "picture_speed")]
    rows = []
    for kind, part in found.groupby("pictures", sort=False):
        by_way = part.set_index("way")
        pillow, exact = by_way.loc["Pillow, whole, antialiased"], by_way.loc["ours", "psnr_db"]
        for stage, way in (
            (f"decode, one thread, {kind} ({exact:.1f} dB)", "ours"),
            (f"from the cache, {kind}", "from the cache, mapped"),
        ):
            ours = by_way.loc[way]
            rows.append(
                (
                    stage,
                    "Pillow, antialiased",
                    number(ours["images_per_second"], "pictures/s"),
                    number(pillow["images_per_second"]),
                    number(ours["times_pillow"]),
                    str(pillow["machine"]),
                )
            )
    return rows


def feed() -> list[Row]:
    """Augmentation and what a training step is fed."""
    found = table("feed_speed")
    if found.empty:
        return [missing("augmentation, feed", "feed_speed")]
    return [
        (
            f"{row.what}, {row.policy}",
            "OpenCV + albumentations",
            number(row.ours, "pictures/s"),
            number(row.usual),
            f"{number(row.ratio)} ({number(row.low)} to {number(row.high)})",
            row.machine,
        )
        for row in found.itertuples()
    ]


def step() -> list[Row]:
    """Training steps of the seven backbones."""
    rows = []
    for path in sorted(RESULTS.glob("backbones_*.csv")):
        found = pd.read_csv(path)
        mean = math.exp(found["ratio"].map(math.log).mean())
        span = f"{number(found['ratio'].min())} to {number(found['ratio'].max())}"
        size = found["px"].iloc[0]
        rows.append(
            (
                f"training step, seven backbones, {size} px",
                "timm's step",
                "",
                "",
                f"{number(mean)} ({span})",
                str(found["device"].iloc[0]),
            )
        )
    return rows or [missing("training step", "backbones")]


def peers() -> list[Row]:
    """Epoch, prediction, views, whole run."""
    found = table("peers")
    if found.empty:
        return [missing("epoch, prediction, whole run", "peers")]
    newest, rows = found.drop_duplicates(["who", "what", "model", "size"], keep="last"), []
    for _, part in newest.groupby(["model", "size"], sort=False):
        ours = part[part["who"].str.startswith("ours")].set_index("what")
        for row in part[~part["who"].str.startswith("ours")].itertuples():
            note = getattr(row, "note", None)
            if isinstance(note, str):
                rows.append((f"all, {row.model}", row.who, note, "", "", row.machine))
                continue
            what = next(
                (
                    name
                    for name in ours.index
                    if name == row.what or ("views" in name and "views" in row.what)
                ),
                None,
            )
            if what is None or not isinstance(row.ratio, float) or math.isnan(row.ratio):
                continue
            mine = ours.loc[what]
            rows.append(
                (
                    f"{what}, {row.model} {row.size} px",
                    row.who if what == row.what else f"{row.who}, {row.what}",
                    number(mine["median"], row.unit),
                    number(row.median),
                    # Times one view of its own: who is slow with one has it easy with eight.
                    ""
                    if "views" in what
                    else f"{number(row.ratio)} ({number(row.ratio_low)} to {number(row.ratio_high)})",
                    row.machine,
                )
            )
    return rows


def exploration() -> list[Row]:
    """What is found out about the pictures."""
    found = table("eda_speed")
    if found.empty:
        return [missing("exploration", "eda_speed")]
    rows = []
    for pictures_, part in found[found["images_per_second"].notna()].groupby("pictures", sort=False):
        by_way = part.set_index("way")
        for way in ("ours, cold", "ours, warm"):
            ours = by_way.loc[way]
            rows.append(
                (
                    f"exploration, {way.split(', ')[1]}, {pictures_}",
                    "PIL + ImageHash loop",
                    number(ours["images_per_second"], "pictures/s"),
                    number(by_way.loc["plain loop", "images_per_second"]),
                    number(ours["times_plain"]),
                    str(ours["machine"]),
                )
            )
    return rows


def start() -> list[Row]:
    """First line of a command."""
    found = table("start")
    if found.empty:
        return [missing("start", "start")]
    return [
        (
            f"first line of `{row.command}`",
            "" if math.isnan(row.target_first_line) else f"target {row.target_first_line:g} s",
            number(row.first_line, "s"),
            "",
            "" if math.isnan(row.target_first_line) else number(row.target_first_line / row.first_line),
            row.machine,
        )
        for row in found.itertuples()
    ]


def overhead() -> list[Row]:
    """What of a run is no step."""
    found = table("overhead")
    if found.empty:
        return [missing("overhead of a whole run", "overhead")]
    rows = []
    for row in found.itertuples():
        shares = (("quick_test of", f"{row.planned_minutes:g} minutes", row.overhead_percent, "5 %"),)
        if row.Index == len(found) - 1:  # the longest says most of what would be longer still
            shares += (
                ("quick_test, from it for", "half an hour", row.half_hour_percent, "5 %"),
                ("any run, from it for", "eight hours", row.eight_hours_percent, "2 %"),
            )
        rows += [
            (f"overhead, {what} {long}", f"target {target}", f"{share:.1f} %", "", "", row.machine)
            for what, long, share, target in shares
        ]
    return rows


def growth() -> list[Row]:
    """How seconds and memory grow with pictures, models and folds."""
    found = table("growth")
    if found.empty:
        return [missing("growth", "growth")]
    grown = found[found["what"] == "pictures"]
    first, last = grown.iloc[0], grown.iloc[-1]
    times = last["pictures"] / first["pictures"]
    rows = [
        (
            f"{stage}, {first['pictures']:,} to {last['pictures']:,} pictures",
            f"{times:.0f} times the pictures",
            f"{number(last[stage] / first[stage])} times the seconds",
            "",
            "",
            str(last["machine"]),
        )
        for stage in ("inspect", "train", "predict", "whole")
        if first[stage]
    ]
    fits = found[(found["what"] == "fits") & (found["models"] == 1)]
    if len(fits) > 1:
        few, many = fits.iloc[0], fits.iloc[-1]
        rows.append(
            (
                f"train, {few['folds']} to {many['folds']} folds",
                f"{many['folds'] / few['folds']:.0f} times the fits",
                f"{number(many['train'] / few['train'])} times the seconds",
                "",
                "",
                str(many["machine"]),
            )
        )
    gained = (last["peak_mb"] - first["peak_mb"]) * 2**20 / (1.5 * (last["pictures"] - first["pictures"]))
    rows.append(("memory a further picture", "", f"{gained:,.0f} bytes", "", "", str(last["machine"])))
    return rows


def main() -> None:
    """Print and write."""
    rows = [*pictures(), *feed(), *step(), *peers(), *exploration(), *start(), *overhead(), *growth()]
    head: Row = ("stage", "against", "ours", "theirs", "ratio", "machine")
    lines = ["| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows)]
    text = "\n".join(lines) + "\n"
    print(text)
    (RESULTS / "speed.md").write_text(
        "# Speeds, by `benchmarks/speed_table.py`\n\nAbove 1, ours is ahead.\n\n" + text
    )


if __name__ == "__main__":
    main()
