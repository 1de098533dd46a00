"""Is this machine, with these packages and this data, fit for a run? A line a check, each with its fix."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grandmaster.config import Config
from grandmaster.errors import UserError
from grandmaster.pipeline.machine import (
    GB,
    free_gb_of,
    has_driver,
    installed_version,
    memory_bytes,
    nearest_folder,
    train_step,
    usable_cores,
)
from grandmaster.texts import counted

Status = Literal["good", "warn", "fail"]

# A default container has 64 MB of shared memory; a loader's worker passes every batch through it.
SHM_FAIL_GB, SHM_WARN_GB = 0.125, 1.0
DISK_FAIL_GB = 2.0
# What a full run of seven large models on five folds needs, by what it keeps of them (benchmarks/disk.py).
FULL_RUN_GB = {"full": 50.1, "half": 32.4, "predictions": 16.1}
MEMORY_FAIL_GB, MEMORY_WARN_GB = 2.0, 8.0
PICTURES_TRIED = 24


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line: what was looked at, how it stands, what was found, and what to do where it is not good."""

    name: str
    status: Status
    found: str
    fix: str = ""


def run_doctor(
    *, config: Config, competitions: Sequence[Path], results_folder: Path, requirements: Path
) -> Iterator[Check]:
    """Look at everything a run depends on; yields each line as soon as it is known.

    Args:
        config: its `hardware`, `data` and `model.weights_dir` are what the checks go by.
        competitions: the competition folders found.
        results_folder: where runs are written; made for a moment if it is missing.
        requirements: the project's requirements.txt.
    """
    from grandmaster.models import weights

    # Asked in the background: finding out that there is no hub takes seconds.
    with ThreadPoolExecutor(max_workers=1) as executor:
        hub = executor.submit(weights.hub_reachable)
        yield from _checks_without_hub(config, competitions, results_folder, requirements)
        local = check_weights(config.model.weights_dir)
        yield local
        yield check_hub(hub.result(), has_weights=local.status == "good")


def _checks_without_hub(
    config: Config, competitions: Sequence[Path], results_folder: Path, requirements: Path
) -> Iterator[Check]:
    yield check_python(sys.version_info[:3])
    yield check_packages(requirements, installed_version)
    yield check_cores(usable_cores())
    yield check_memory(memory_bytes() / GB)
    yield check_shared_memory(free_gb_of(Path("/dev/shm")), workers=config.hardware.workers)
    yield check_disk(free_gb_of(nearest_folder(results_folder)), results_folder)
    yield check_writable(results_folder)
    yield from check_torch(config)
    yield from check_competitions(competitions, config)


# --- facts -> lines (pure) --------------------------------------------------------------------------


def check_python(version: tuple[int, int, int]) -> Check:
    """3.11 or newer."""
    found = ".".join(map(str, version))
    if version < (3, 11):
        return Check(name="Python", status="fail", found=found, fix="Use Python 3.11 or newer")
    return Check(name="Python", status="good", found=f"{found} on {platform.platform(terse=True)}")


def check_packages(requirements: Path, installed: Callable[[str], str | None]) -> Check:
    """Installed versions against the ranges of requirements.txt."""
    from packaging.requirements import Requirement

    if not requirements.is_file():
        return Check(name="packages", status="warn", found=f"no {requirements.name} to compare with")
    wanted = [
        Requirement(text)
        for line in requirements.read_text(encoding="utf-8").splitlines()
        if (text := line.partition("#")[0].strip()) and not text.startswith("-")
    ]
    wrong = []
    for requirement in wanted:
        version = installed(requirement.name)
        if version is None:
            wrong.append(f"{requirement.name} is missing")
        elif not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version} is not {requirement.specifier}")
    if wrong:
        fix = f"{Path(sys.executable).name} -m pip install -r {requirements.name}"
        return Check(name="packages", status="fail", found="; ".join(wrong), fix=fix)
    return Check(name="packages", status="good", found=f"all {len(wanted)} of {requirements.name} fit")


def check_cores(cores: int) -> Check:
    """CPU cores this process may use."""
    if cores < 2:
        fix = "Give it two or more: pictures are loaded beside the training"
        return Check(name="CPU", status="warn", found="1 core", fix=fix)
    return Check(name="CPU", status="good", found=f"{cores} cores")


def check_memory(gb: float) -> Check:
    """Memory, GB, that this process may use."""
    found = f"{gb:.1f} GB"
    if gb < MEMORY_FAIL_GB:
        return Check(name="memory", status="fail", found=found, fix=f"Training needs {MEMORY_FAIL_GB:g} GB")
    if gb < MEMORY_WARN_GB:
        fix = "Close other programs, or load with fewer processes: --set hardware.workers=1"
        return Check(name="memory", status="warn", found=found, fix=fix)
    return Check(name="memory", status="good", found=found)


def check_shared_memory(free_gb: float | None, *, workers: int | None) -> Check:
    """`/dev/shm`, GB free; None: this system has none, and needs none."""
    if free_gb is None:
        return Check(name="shared memory", status="good", found="not used on this system")
    found = f"{free_gb:.2g} GB free in /dev/shm" if free_gb < 1 else f"{free_gb:.1f} GB free in /dev/shm"
    if workers == 0:
        return Check(name="shared memory", status="good", found=f"{found}, unused (hardware.workers=0)")
    fix = "Start the container with --shm-size=8g, or load in one process: --set hardware.workers=0"
    if free_gb < SHM_FAIL_GB:
        return Check(name="shared memory", status="fail", found=found, fix=fix)
    if free_gb < SHM_WARN_GB:
        return Check(name="shared memory", status="warn", found=found, fix=fix)
    return Check(name="shared memory", status="good", found=found)


def check_disk(free_gb: float | None, folder: Path) -> Check:
    """Free disk, GB, where results go."""
    if free_gb is None:
        return Check(name="disk", status="warn", found=f"cannot tell what is free for {folder.name}/")
    found = f"{free_gb:.1f} GB free for {folder.name}/"
    fix = "Free some, or write elsewhere with --output"
    if free_gb < DISK_FAIL_GB:
        return Check(name="disk", status="fail", found=found, fix=fix)
    tier = next((name for name, needed in FULL_RUN_GB.items() if needed <= free_gb), None)
    if tier is None:
        fix = f"{fix}; a full run of seven large models needs {FULL_RUN_GB['predictions']:g} GB at least"
        return Check(name="disk", status="warn", found=found, fix=fix)
    kept = {"full": "all weights", "half": "all weights in half precision", "predictions": "predictions only"}
    return Check(name="disk", status="good", found=f"{found}, where a full run can keep {kept[tier]}")


def check_hub(reachable: bool, *, has_weights: bool) -> Check:
    """Whether pretrained weights can be downloaded."""
    if reachable:
        return Check(name="model hub", status="good", found="reachable")
    if has_weights:
        return Check(name="model hub", status="good", found="offline; weights are taken from --weights_dir")
    fix = (
        "offline: give --weights_dir with files of weights (`models.py --guide NAME` says where to fetch one elsewhere, "
        "and how to name it), or training starts from scratch"
    )
    return Check(name="model hub", status="warn", found="not reachable", fix=fix)


# --- things tried ------------------------------------------------------------------------------------


def check_writable(folder: Path) -> Check:
    """Really writes into the results folder, and leaves it as it was."""
    made: list[Path] = []
    try:
        for parent in reversed([folder, *folder.parents]):
            if not parent.exists():
                parent.mkdir()
                made.append(parent)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(bytes(1 << 20))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        found = f"{folder}: {error.strerror or error}"
        fix = "Make it writable, or choose another with --output"
        return Check(name="results folder", status="fail", found=found, fix=fix)
    finally:
        for parent in reversed(made):
            parent.rmdir()
    return Check(name="results folder", status="good", found=f"{folder.name}/ is writable")


def check_torch(config: Config) -> Iterator[Check]:
    """torch with its torchvision, the device, and one real training step on it."""
    try:
        import torch
        import torchvision  # type: ignore[import-untyped]

        from grandmaster.training.precision import best_precision

        box = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
        torchvision.ops.nms(box, torch.ones(1), 0.5)
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        fix = "Install the torch and torchvision that belong together: pip install -r requirements.txt"
        yield Check(name="torch", status="fail", found=_first_line(error), fix=fix)
        return
    found = f"{torch.__version__} with torchvision {torchvision.__version__}"
    yield Check(name="torch", status="good", found=found)

    wanted = config.hardware.device
    use_cuda = wanted != "cpu" and torch.cuda.is_available()
    if use_cuda:
        major, minor = torch.cuda.get_device_capability()
        free, total = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        yield check_gpu(name, (major, minor), free_gb=free / GB, total_gb=total / GB)
    else:
        yield check_no_gpu(wanted, cuda_build=torch.version.cuda is not None, driver=has_driver())
    device = "cuda" if use_cuda else "cpu"
    precision = (
        best_precision(device)[0] if config.hardware.precision == "auto" else config.hardware.precision
    )
    try:
        seconds = train_step(device, precision)
    except (RuntimeError, ValueError) as error:
        fix = "Use a torch build for this GPU, or train without it: --set hardware.device=cpu"
        if not use_cuda:
            fix = "Reinstall torch: pip install --force-reinstall -r requirements.txt"
        yield Check(name="training step", status="fail", found=_first_line(error), fix=fix)
        return
    found = f"forward, backward and update in {precision} on {device}: {seconds * 1000:.0f} ms"
    yield Check(name="training step", status="good", found=found)


def check_gpu(name: str, capability: tuple[int, int], *, free_gb: float, total_gb: float) -> Check:
    """A GPU and how much of its memory others have taken."""
    found = f"{name}, {free_gb:.1f} of {total_gb:.1f} GB free, capability {capability[0]}.{capability[1]}"
    if free_gb < 0.7 * total_gb:
        fix = f"Other programs hold {total_gb - free_gb:.1f} GB: end them (nvidia-smi lists them)"
        return Check(name="GPU", status="warn", found=found, fix=fix)
    return Check(name="GPU", status="good", found=found)


def check_no_gpu(wanted: str, *, cuda_build: bool, driver: bool) -> Check:
    """No GPU that torch can use: by choice, by a wrong build, or because there is none."""
    if wanted == "cpu":
        return Check(name="GPU", status="good", found="not wanted (hardware.device=cpu)")
    if driver and not cuda_build:
        found, fix = "there is one, but this torch is built for CPU only", "Install a CUDA build of torch"
    elif driver:
        found, fix = "torch cannot use it", "Update the NVIDIA driver to one that fits torch's CUDA"
    else:
        found = "none"
        fix = "Training runs on the CPU: a small backbone and a small picture size are planned"
    status: Status = "fail" if wanted == "cuda" else "warn"
    if status == "fail":
        fix = f"{fix}, or drop hardware.device=cuda" if driver else "Drop --set hardware.device=cuda"
    return Check(name="GPU", status=status, found=found, fix=fix)


def check_competitions(folders: Sequence[Path], config: Config) -> Iterator[Check]:
    """Read every competition and decode some of its pictures. None at all is a warning: a fresh clone has no data yet."""
    if not folders:
        fix = "Give --data_path, put a competition into data/, or run `make demo`"
        yield Check(name="data", status="warn", found="no competition found", fix=fix)
    for folder in folders:
        try:
            from grandmaster.competition.label_fixes import with_label_fixes
            from grandmaster.competition.reader import read_competition
            from grandmaster.pipeline.targets import target_text

            competition = with_label_fixes(read_competition(folder, config.data), config.data.label_fixes)
        except UserError as error:
            found = f"{folder.name}: {error.what}" + (f" (in {error.where})" if error.where else "")
            yield Check(name="data", status="fail", found=found, fix=error.fix or "")
            continue
        found = (
            f"{competition.name}: {counted(len(competition.train), 'picture')} to train on, "
            f"{len(competition.test):,} to predict, {target_text(competition)}, {competition.metric}"
        )
        yield Check(name="data", status="good", found=found)
        yield check_pictures([*_spread(competition.train["path"]), *_spread(competition.test["path"])])


def check_pictures(paths: Sequence[str]) -> Check:
    """Decode these pictures."""
    from grandmaster.images.decode import PictureError, read_picture

    began = time.perf_counter()
    broken = []
    for path in paths:
        try:
            read_picture(Path(path))
        except PictureError as error:
            broken.append(f"{Path(path).name}: {error.reason}")
    rate = len(paths) / max(time.perf_counter() - began, 1e-9)
    if not broken:
        found = f"{len(paths)} of {len(paths)} tried can be read ({rate:.0f}/s on one core)"
        return Check(name="pictures", status="good", found=found)
    found = f"{len(broken)} of {len(paths)} tried cannot be read, the first is {broken[0]}"
    if len(broken) == len(paths):
        return Check(name="pictures", status="fail", found=found, fix="Unzip the data again")
    fix = "A run leaves such training pictures out and says so; unzip the data again if they should be whole"
    return Check(name="pictures", status="warn", found=found, fix=fix)


def check_weights(weights_dir: str | None) -> Check:
    """What the folder of local weights holds."""
    if weights_dir is None:
        return Check(name="local weights", status="warn", found="none given", fix=_WEIGHTS_FIX)
    from grandmaster.models.weight_files import SUFFIXES

    folder = Path(weights_dir)
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES] if folder.is_dir() else []
    if not files:
        found = f"no {', '.join(SUFFIXES)} in {folder.name}/"
        return Check(name="local weights", status="warn", found=found, fix=_WEIGHTS_FIX)
    empty = [file.name for file in files if file.stat().st_size == 0]
    if empty:
        found = f"empty: {', '.join(empty)}"
        return Check(name="local weights", status="warn", found=found, fix="Copy them again")
    names = ", ".join(file.stem for file in files[:4]) + (", ..." if len(files) > 4 else "")
    return Check(name="local weights", status="good", found=f"{len(files)} in {folder.name}/: {names}")


_WEIGHTS_FIX = "Needed only without a network: --weights_dir with files named after the timm model"


def _spread(paths: Iterable[str]) -> list[str]:
    """At most `PICTURES_TRIED / 2` of them, evenly spread."""
    every = list(paths)
    count = min(len(every), PICTURES_TRIED // 2)
    return [every[index * len(every) // count] for index in range(count)]


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
