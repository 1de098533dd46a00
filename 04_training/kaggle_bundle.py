# PYTHON_ARGCOMPLETE_OK
"""Makes of a finished run what Kaggle needs to predict with it: a dataset (code, weights, choices) and a notebook. No network."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import data_loader
import kaggle_code
import kaggle_names
from _source_roots import ROOT
from grandmaster.errors import UserError
from grandmaster.texts import counted
from options import BAD_INPUT, DONE, Parser, one_line, parse_flags
from run_folders import find_finished_run

if TYPE_CHECKING:
    from grandmaster.pipeline.bundle import Bundle
    from grandmaster.pipeline.finished import FinishedRun

INFER_NOTEBOOK, TRAIN_NOTEBOOK = "03_infer_on_kaggle.ipynb", "02_train_on_kaggle.ipynb"
CHECK_FAILED = 3


@dataclass(frozen=True, kw_only=True)
class Names:
    """What the parts are called on Kaggle."""

    user: str
    competition: str
    dataset: str
    kernel: str

    @property
    def dataset_id(self) -> str:
        """user/slug."""
        return f"{self.user}/{kaggle_names.slug_of(self.dataset)}"

    @property
    def kernel_id(self) -> str:
        """user/slug."""
        return f"{self.user}/{kaggle_names.slug_of(self.kernel)}"


def make_parser() -> Parser:
    """Its flags."""
    parser = Parser(
        prog="kaggle_bundle.py",
        description="Makes two folders: dataset/ (code, weights of the fits that have a say in the blend, everything that "
        "was chosen) and kernel/ (the notebook that predicts with it, offline, on a T4), and says which commands of the "
        "official client upload them. With --train instead: the code, and the notebook that trains. Exit code 0: made (and "
        "proven); 2: bad input; 3: --prove found that it does not work.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--run", metavar="RUN", help="the run's folder or name")
    add("--train", action="store_true", help="the code and the training notebook; needs no run")
    add(
        "--out", metavar="FOLDER", help="where to (default: kaggle/ in the run's folder, or kaggle_training/)"
    )
    add("--user", metavar="NAME", help="your name in Kaggle's addresses (default: KAGGLE_USERNAME)")
    add(
        "--competition", metavar="SLUG", help="its address, behind competitions/ (default: its folder's name)"
    )
    add("--title", metavar="TEXT", help="of the dataset, 6 to 50 characters (default: of the run's name)")
    add(
        "--minutes",
        metavar="N",
        type=int,
        default=480,
        help="time limit of the notebook (default: 480 of 540)",
    )
    add("--student", action="store_true", help="the run's distilled student alone, instead of the blend")
    add("--full_weights", action="store_true", help="never round weights to half precision")
    add(
        "--wheels",
        action="store_true",
        help="download the packages that Kaggle's image lacks (default: list them)",
    )
    add(
        "--prove",
        action="store_true",
        help="then predict with it as Kaggle would: alone, without network, a larger test set",
    )
    add("--times", metavar="N", type=int, default=5, help="how many times larger (default: 5)")
    add("--data_path", metavar="FOLDER", help="the competition's folder, where it has moved")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Make it; return the exit code."""
    try:
        options = parse_flags(make_parser(), sys.argv[1:] if argv is None else argv)
        _check(options)
        return make_training(options) if options.train else make_inference(options)
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT


def _check(options: Namespace) -> None:
    if options.train == (options.run is not None):
        raise UserError(
            "give either --run or --train", where="the command line", fix="--run RUN bundles a run"
        )
    if options.train and (options.prove or options.student):
        raise UserError("--prove and --student belong to --run", where="--train")
    for flag, value in (("--minutes", options.minutes), ("--times", options.times)):
        if value < 1:
            raise UserError(f"{value} is too few", where=flag, fix="Give 1 or more.")


def make_inference(options: Namespace) -> int:
    """Dataset and notebook of a run; exit code.

    Raises:
        UserError: as `write_bundle`, or a name that Kaggle does not take.
    """
    run = find_finished_run(options.run)
    names = _names(options, run.name, _competition_of(run), "bundle", "infer")
    dataset, kernel = _empty(run / "kaggle" if options.out is None else Path(options.out))
    files, modules = kaggle_code.modules_for(ROOT / "04_training" / "kaggle_infer.py")
    packages = kaggle_code.lacking(modules)
    # Here because torch takes seconds; names are refused without it.
    from grandmaster.pipeline.bundling import write_bundle
    from grandmaster.pipeline.finished import open_run
    from kaggle_infer import Lines

    moved = None if options.data_path is None else data_loader.resolve(options.data_path)
    opened = open_run(run, data_path=moved)
    bundle = write_bundle(
        opened, dataset, student=options.student, full=options.full_weights, progress=Lines()
    )
    kaggle_code.copy_code(dataset / "code", files)
    _write_names(dataset, kernel, names, INFER_NOTEBOOK, MINUTES=options.minutes)
    _wheels(dataset, packages, download=options.wheels)
    _say_models(bundle)
    _say(dataset, kernel, names, packages, wheels=options.wheels)
    return _prove(opened, dataset, options) if options.prove else DONE


def make_training(options: Namespace) -> int:
    """Dataset of the code and training notebook; exit code.

    Raises:
        UserError: no --competition, or a name that Kaggle does not take.
    """
    names = _names(options, "grandmaster", "", "code", "train")
    out = ROOT / "kaggle_training" if options.out is None else Path(options.out)
    dataset, kernel = _empty(out)
    kaggle_code.copy_code(dataset / "code", kaggle_code.all_code())
    packages = kaggle_code.lacking()
    _write_names(dataset, kernel, names, TRAIN_NOTEBOOK)
    _wheels(dataset, packages, download=options.wheels)
    _say(dataset, kernel, names, packages, wheels=options.wheels)
    return DONE


def _competition_of(run: Path) -> str:
    """The name of the run's data folder."""
    settings = json.loads((run / "config.json").read_text(encoding="utf-8"))
    return Path(str(settings.get("data_path"))).name


def _names(options: Namespace, name: str, competition: str, of_dataset: str, of_kernel: str) -> Names:
    """Every name, checked before anything is made."""
    user = options.user or os.environ.get("KAGGLE_USERNAME")
    if not user:
        raise UserError(
            "nobody knows your name on Kaggle", where="--user", fix="Give --user NAME, as in kaggle.com/NAME."
        )
    slug = options.competition or competition
    if not slug:
        raise UserError(
            "which competition?",
            where="--competition",
            fix="Give its address, as behind kaggle.com/competitions/.",
        )
    title = options.title or kaggle_names.fitting_title(name, of_dataset)
    checked = kaggle_names.checked_title(title, kaggle_names.DATASET_LENGTH, "--title")
    base = re.sub(rf"\s*{of_dataset}$", "", checked)
    return Names(
        user=kaggle_names.checked_slug(user, "--user", underscore=True),
        competition=kaggle_names.checked_slug(slug, "--competition"),
        dataset=checked,
        kernel=kaggle_names.checked_title(
            kaggle_names.fitting_title(base, of_kernel), kaggle_names.KERNEL_LENGTH, "--title"
        ),
    )


def _empty(out: Path) -> tuple[Path, Path]:
    """Empty folders `dataset/` and `kernel/`; what an earlier call made there is removed, anything else is not."""
    out = out.expanduser().resolve()
    made = (
        (out / "dataset", kaggle_names.DATASET_METADATA),
        (out / "kernel", kaggle_names.KERNEL_METADATA),
    )
    for folder, mark in made:
        if folder.exists() and any(folder.iterdir()) and not (folder / mark).is_file():
            raise UserError(
                f"{folder.name}/ holds something else", where=folder, fix="Choose another folder with --out."
            )
    for folder, _ in made:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    for folder, mark in made:  # so that a call that fails half-way can be repeated
        (folder / mark).write_text("{}\n", encoding="utf-8")
    return made[0][0], made[1][0]


def _write_names(dataset: Path, kernel: Path, names: Names, notebook: str, **parameters: Any) -> None:
    """Both metadata files, and the notebook with its parameters filled in."""
    told = {
        dataset / kaggle_names.DATASET_METADATA: kaggle_names.dataset_metadata(names.user, names.dataset),
        kernel / kaggle_names.KERNEL_METADATA: kaggle_names.kernel_metadata(
            names.user,
            names.kernel,
            notebook=notebook,
            dataset=names.dataset_id,
            competition=names.competition,
        ),
    }
    for path, content in told.items():
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    book = json.loads((ROOT / "notebooks" / notebook).read_text(encoding="utf-8"))
    for cell in book["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            cell["source"] = [_filled(line, parameters) for line in cell["source"]]
    (kernel / notebook).write_text(json.dumps(book, indent=1) + "\n", encoding="utf-8")


def _filled(line: str, parameters: dict[str, Any]) -> str:
    """`NAME = value  # comment` with the value of a parameter of that name."""
    name = line.partition(" = ")[0]
    if name not in parameters:
        return line
    return re.sub(r"= [^#\n]*?(?=\s*(#|$))", lambda _: f"= {parameters[name]!r}", line, count=1)


def _wheels(dataset: Path, packages: Sequence[str], *, download: bool) -> None:
    (dataset / kaggle_code.WHEEL_LIST).write_text("".join(f"{one}\n" for one in packages), encoding="utf-8")
    if download:
        kaggle_code.download_wheels(packages, dataset / kaggle_code.WHEELS)


def _say_models(bundle: Bundle) -> None:
    half = [member for member in bundle.members.values() if member.half]
    worst = max((member.half_difference for member in half), default=0.0)
    print(
        f"{counted(len(bundle.members), 'model')}, {len(half)} of them in half precision (their predictions differ by {worst:.1g} at most)"
    )


def _say(dataset: Path, kernel: Path, names: Names, packages: Sequence[str], *, wheels: bool) -> None:
    """Sizes, and the commands that come next."""
    print(f"\nDataset: {data_loader.shown(dataset)}")
    print("\n".join(kaggle_names.size_lines(dataset)))
    print(f"Notebook: {data_loader.shown(kernel)}")
    if packages and not wheels:
        command = kaggle_code.wheel_command(packages, dataset / kaggle_code.WHEELS)
        print(f"\nKaggle's image lacks {len(packages)} packages ({', '.join(packages)}).")
        print("Repeat the command with --wheels, or fetch them yourself, before the upload:")
        print(f"  {shlex.join(command)}")
    words = [
        ("Upload (private):", f"kaggle datasets create -p {shlex.quote(str(dataset))} --dir-mode zip"),
        (
            "  a later version:",
            f'kaggle datasets version -p {shlex.quote(str(dataset))} --dir-mode zip -m "new weights"',
        ),
        ("When this says ready:", f"kaggle datasets status {names.dataset_id}"),
        ("Run the notebook:", f"kaggle kernels push -p {shlex.quote(str(kernel))}"),
        ("When this says complete:", f"kaggle kernels status {names.kernel_id}"),
        (
            "Code competition, submit:",
            f"kaggle competitions submit {names.competition} -k {names.kernel_id} -v 1 -f submission.csv -m bundle",
        ),
        ("Otherwise, fetch the file:", f"kaggle kernels output {names.kernel_id} -p ."),
    ]
    print("\nNext (--dir-mode is needed: without it the client skips folders):")
    print("\n".join(f"  {what:<27}{command}" for what, command in words))


def _prove(run: FinishedRun, dataset: Path, options: Namespace) -> int:
    from kaggle_proof import NotProven, prove

    print(f"\nProving it on {options.times} times the test set, alone and without network ...", flush=True)
    try:
        proof = prove(dataset, run.context.competition, times=options.times, minutes=options.minutes)
    except NotProven as failed:
        print(f"error: {failed}", file=sys.stderr)
        return CHECK_FAILED
    print("\n".join(proof.lines()))
    return DONE


if __name__ == "__main__":
    sys.exit(main())
