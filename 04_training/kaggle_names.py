"""What Kaggle calls things, and what it lets through: titles, addresses (slugs), sizes, metadata files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grandmaster.errors import UserError

DATASET_METADATA, KERNEL_METADATA = "dataset-metadata.json", "kernel-metadata.json"
# The official client refuses other datasets (6 to 50), and shorter titles of notebooks than 5; its server cuts at 50.
DATASET_LENGTH, KERNEL_LENGTH = (6, 50), (5, 50)
# Two T4 of 16 GB. Without it a notebook may get a P100, for which torch builds since CUDA 12.8 hold no code (sm_60): there
# every operation fails with `no kernel image is available` (Kaggle/kaggle-cli issue 1151).
MACHINE = "NvidiaTeslaT4"
# All private datasets of a person together.
QUOTA_GB = 100.0
GB = 2**30


def slug_of(title: str) -> str:
    """The address that Kaggle makes of a title: lower case, everything else than letters and digits a dash."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def checked_title(title: str, length: tuple[int, int], flag: str) -> str:
    """A title that Kaggle takes, with an address.

    Raises:
        UserError: too short, too long, or nothing is left of it for an address.
    """
    low, high = length
    if not low <= len(title) <= high:
        raise UserError(
            f"{title!r} has {len(title)} characters, Kaggle wants {low} to {high}",
            where=flag,
            fix="Give another with --title.",
        )
    if len(slug_of(title)) < low:
        raise UserError(
            f"{title!r} makes the address {slug_of(title)!r}, which is shorter than {low} characters",
            where=flag,
            fix="Kaggle keeps Latin letters and digits only: give another with --title.",
        )
    return title


def fitting_title(name: str, last: str) -> str:
    """`<name> <last>`, the name shortened to what Kaggle takes."""
    readable = re.sub(r"[^A-Za-z0-9]+", " ", name).strip() or "grandmaster"
    return f"{readable[: DATASET_LENGTH[1] - len(last) - 1].strip()} {last}"


def checked_slug(text: str, flag: str, *, underscore: bool = False) -> str:
    """An address as it stands in the browser's address line.

    Raises:
        UserError: it is none.
    """
    allowed = "a-z0-9_-" if underscore else "a-z0-9-"
    if re.fullmatch(rf"[{allowed}]{{2,80}}", text) is None or text.strip("-_") != text:
        extra = " or _" if underscore else ""
        raise UserError(
            f"{text!r} is no address of Kaggle's: lower-case letters, digits and -{extra}",
            where=flag,
            fix="Copy it from the address line of your browser, behind kaggle.com/ (of a competition: behind competitions/).",
        )
    return text


def dataset_metadata(user: str, title: str) -> dict[str, Any]:
    """The content of `dataset-metadata.json`; "other": weights carry the licences of what they were trained from."""
    return {"title": title, "id": f"{user}/{slug_of(title)}", "licenses": [{"name": "other"}]}


def kernel_metadata(
    user: str, title: str, *, notebook: str, dataset: str, competition: str, kernels: Sequence[str] = ()
) -> dict[str, Any]:
    """The content of `kernel-metadata.json`: private, a T4, no internet (code competitions forbid it).

    Args:
        dataset: "user/slug".
        kernels: whose output is attached, "user/slug".
    """
    return {
        "id": f"{user}/{slug_of(title)}",
        "title": title,
        "code_file": notebook,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": True,
        "enable_internet": False,
        "machine_shape": MACHINE,
        "dataset_sources": [dataset],
        "competition_sources": [competition],
        "kernel_sources": list(kernels),
        "model_sources": [],
    }


def folder_bytes(folder: Path) -> int:
    """Of all files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def size_lines(dataset: Path) -> list[str]:
    """The bytes of each part of a dataset, and of all.

    Raises:
        UserError: it is larger than Kaggle takes.
    """
    parts = {
        path.name: folder_bytes(path) if path.is_dir() else path.stat().st_size for path in dataset.iterdir()
    }
    total = sum(parts.values())
    if total > QUOTA_GB * GB:
        raise UserError(
            f"the dataset has {total / GB:.1f} GB, Kaggle keeps {QUOTA_GB:.0f} GB of private datasets",
            where=dataset,
            fix="Blend fewer models, or bundle the student alone (--student).",
        )
    lines = [
        f"  {name:<24} {_size(count)}" for name, count in sorted(parts.items(), key=lambda part: -part[1])
    ]
    return [*lines, f"  {'together':<24} {_size(total)} of {QUOTA_GB:.0f} GB of private datasets"]


def _size(count: int) -> str:
    return f"{count / GB:.2f} GB" if count >= GB / 10 else f"{count / 2**20:.2f} MB"
