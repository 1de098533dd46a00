"""The code that a bundle needs, by following imports, and the packages that Kaggle's image lacks for it."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement

from _source_roots import ROOT
from grandmaster.errors import UserError

SOURCE_ROOTS = (ROOT / "03_modeling", ROOT / "04_training")
WHEELS, WHEEL_LIST = "wheels", "wheels.txt"
# What Kaggle's notebook image has of requirements.txt and of what that needs: Colab's image, which it is built on, and
# https://github.com/Kaggle/docker-python (kaggle_requirements.txt, read in November 2026). These are used as they are there:
# torch belongs to the driver, and what is compiled against one NumPy does not go with another.
IMAGE_HAS = frozenset(
    {
        *(
            "torch",
            "torchvision",
            "timm",
            "numpy",
            "pandas",
            "scipy",
            "scikit-learn",
            "opencv-python-headless",
        ),
        *(
            "pillow",
            "matplotlib",
            "pyyaml",
            "psutil",
            "filelock",
            "rich",
            "jinja2",
            "markupsafe",
            "safetensors",
        ),
        *(
            "huggingface-hub",
            "threadpoolctl",
            "packaging",
            "imagehash",
            "pydantic",
            "pydicom",
            "fsspec",
            "requests",
        ),
        *("typing-extensions", "tqdm", "joblib"),
    }
)
PYTHON, PLATFORMS = "3.12", ("manylinux2014_x86_64", "manylinux_2_28_x86_64")


def modules_for(entry: Path) -> tuple[list[Path], set[str]]:
    """Files of this repository that a script imports, also inside functions, and the top names of all other modules."""
    found: set[Path] = set()
    others: set[str] = set()
    waiting = [entry]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for name in _imports(path):
            words = name.split(".")
            own = [file for count in range(1, len(words) + 1) for file in _files(".".join(words[:count]))]
            waiting += own
            if not own and words[0] not in sys.stdlib_module_names:
                others.add(words[0])
    return sorted(found), others


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files(name: str) -> list[Path]:
    place = name.replace(".", "/")
    candidates = [root / end for root in SOURCE_ROOTS for end in (f"{place}.py", f"{place}/__init__.py")]
    return [path for path in candidates if path.is_file()]


def copy_code(target: Path, files: Sequence[Path]) -> None:
    """Copy files of this repository, in their folders."""
    for path in files:
        place = target / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)


def all_code() -> list[Path]:
    """Everything that training needs: both source roots, with templates and styles."""
    found = [path for root in SOURCE_ROOTS for path in root.rglob("*") if path.is_file()]
    return [path for path in found if "__pycache__" not in path.parts and path.suffix != ".pyc"] + [
        ROOT / "requirements.txt"
    ]


def required() -> dict[str, Requirement]:
    """requirements.txt, by normalised name."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    texts = [line.split("#")[0].strip() for line in lines]
    found = [Requirement(text) for text in texts if text]
    return {_normal(one.name): one for one in found}


def lacking(modules: set[str] | None = None) -> list[str]:
    """Packages that Kaggle's image lacks, `name==version` as installed here, with what they need in turn.

    Args:
        modules: names that are imported; None: all of requirements.txt.

    Raises:
        UserError: one of them is not installed here.
    """
    wanted = required()
    if modules is not None:
        by_module = importlib.metadata.packages_distributions()
        imported = {_normal(name) for module in modules for name in by_module.get(module, ())}
        wanted = {name: one for name, one in wanted.items() if name in imported}
    found: dict[str, str] = {}
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in IMAGE_HAS or name in found:
            continue
        try:
            found[name] = importlib.metadata.version(name)
            needs = [Requirement(text) for text in importlib.metadata.requires(name) or ()]
        except importlib.metadata.PackageNotFoundError:
            raise UserError(
                f"{name} is not installed here, so nobody knows which version Kaggle needs",
                fix="Install requirements.txt.",
            ) from None
        waiting += [
            _normal(one.name) for one in needs if one.marker is None or one.marker.evaluate({"extra": ""})
        ]
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def wheel_command(packages: Sequence[str], target: Path) -> list[str]:
    """The command that downloads them as Kaggle's Python wants them."""
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    only = ["--only-binary=:all:", "--no-deps", "--python-version", PYTHON, *platforms]
    return [sys.executable, "-m", "pip", "download", *only, "-d", str(target), *packages]


def download_wheels(packages: Sequence[str], target: Path) -> None:
    """Run that command.

    Raises:
        UserError: it failed.
    """
    command = wheel_command(packages, target)
    if subprocess.run(command, stdout=sys.stderr).returncode != 0:
        raise UserError(
            "pip could not download the wheels", fix=f"See above. The command was: {shlex.join(command)}"
        )


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
