"""A text about one model: what it is for, how it may be trained here, and the commands to copy."""

from __future__ import annotations

from collections.abc import Sequence

from grandmaster.config import TrainingMode
from grandmaster.models.registry.entry import ModelEntry
from grandmaster.models.registry.facts import Download, Facts
from grandmaster.models.registry.modes import badge, mode_warnings, recommend, refusal
from grandmaster.texts import counted

MODES: tuple[TrainingMode, ...] = ("fine_tuning", "full_training", "inference_only")
_MEANS = {
    "fine_tuning": "pretrained weights are trained further",
    "full_training": "from random weights",
    "inference_only": "loaded weights predict as they are; nothing is trained",
}


def guide_lines(
    entry: ModelEntry, facts: Facts, *, images: int | None = None, speeds: Sequence[str] = ()
) -> list[str]:
    """The guide, line by line.

    Args:
        images: labelled pictures at hand; None: not known.
        speeds: what was measured on this machine, in words.
    """
    million = "unknown" if facts.parameters is None else f"{facts.parameters / 1e6:.1f} million"
    size = "unknown" if facts.input_size is None else f"{facts.input_size} px"
    lines = [
        f"{entry.title} ({entry.id})",
        f"  {entry.purpose}" if entry.purpose else "",
        "",
        f"  task          {entry.task.replace('_', '-')}, with {entry.library}"
        + (f" ({badge(entry)})" if badge(entry) else ""),
        f"  built by      {entry.factory}",
        f"  parameters    {million}" + (", without the classifier" if entry.backbone is not None else ""),
        f"  input         {size}",
        f"  pretrained on {facts.pretrained_on}",
        f"  weights       {entry.weights_source}",
        f"  licence       code {facts.licence_code}, weights {facts.licence_weights}",
        f"  these facts   {facts.source}",
        f"  note          {entry.notes}" if entry.notes else "",
        "",
        *_fetching(facts.download),
        "",
        "How it may be trained:",
    ]
    for mode in MODES:
        lines += _mode_lines(entry, mode, images)
    if images is not None:
        lines += ["", f"Recommended for {counted(images, 'picture')}: {recommend(entry.task, images).text}."]
    if speeds:
        lines += ["", "Measured on this machine:", *(f"  {speed}" for speed in speeds)]
    lines += ["", *_commands(entry)]
    return [line for line, before in zip(lines, ["x", *lines], strict=False) if line or before]


def _mode_lines(entry: ModelEntry, mode: TrainingMode, images: int | None) -> list[str]:
    why = refusal(entry, mode)
    if why is not None:
        return [f"  ✗ {mode}: {why}."]
    modes = entry.training_modes
    sign = "★" if mode == modes.recommended else "▲" if mode in modes.discouraged else "✓"
    word = ", recommended" if sign == "★" else ", discouraged" if sign == "▲" else ""
    lines = [f"  {sign} {mode}{word}: {_MEANS[mode]}."]
    stated = modes.requirements.get(mode)
    if stated is not None:
        parts = [part for part in (stated.images, stated.gpu, stated.time) if part]
        lines.append(f"      {', '.join(parts)} ({stated.source})")
    if images is not None:
        lines += [f"      ▲ {warning}" for warning in mode_warnings([(entry, mode)], images)]
    return lines


def _fetching(download: Download | None) -> list[str]:
    """Where the weights are, for somebody whose machine cannot ask the hub."""
    if download is None:
        return []
    what = (
        f"file {download.file} of the hub repository {download.repository}" if download.repository else "this"
    )
    return [
        f"Without a network, fetch {what} on another machine:",
        f"  {download.address}",
        f"and put it into the folder of --weights_dir as {download.save_as}",
    ]


def _commands(entry: ModelEntry) -> list[str]:
    if entry.backbone is None:
        missing = badge(entry)
        install = f" Its library: pip install {entry.extra}." if missing == "extra not installed" else ""
        return [f"It cannot be trained here yet ({missing}).{install}"]
    start = f"python 04_training/grandmaster_train.py --mode quick_test --models {entry.id}"
    lines = ["To copy:"]
    for mode in MODES:
        if mode in entry.training_modes.supported:
            weights = " --weights_dir FOLDER" if mode == "inference_only" else ""
            lines.append(f"  {start} --set training.mode={mode}{weights}")
    return lines
