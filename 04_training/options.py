"""The command line's flags: read, checked, and written back as a command that resumes."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import data_loader
from _source_roots import ROOT
from config import BACKBONES, EXPLORE_STAGES, MODES, STAGES, Mode
from experiment_files import find_recipe, known_recipes
from grandmaster import __version__
from grandmaster.config import Config
from grandmaster.errors import UserError, did_you_mean
from grandmaster.settings import fields, with_settings
from time_limit import read_time_limit

SCRIPT = Path(__file__).resolve().with_name("grandmaster_train.py")
RESULTS_FOLDER = ROOT / "training_results"

DONE, FAILED, BAD_INPUT, CHECK_FAILED, OUT_OF_TIME, INTERRUPTED = 0, 1, 2, 3, 4, 130

_EXIT_CODES = f"""\
exit codes:
  {DONE}    done
  {FAILED}    unexpected failure (the traceback is in the run's train.log)
  {BAD_INPUT}    bad input: a flag, a value, a path or the data
  {CHECK_FAILED}    --mode debug found a failure, or a canary of --canary died
  {OUT_OF_TIME}    --time_limit was reached in a step that could not be ended; the last submission stands, the same
       command resumes (a run that ends within its limit ends with {DONE})
  {INTERRUPTED}  interrupted (Ctrl-C or SIGTERM); the same command resumes"""


class Parser(argparse.ArgumentParser):
    """Bad flags are `UserError`s like all other bad input."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message, where="the command line", fix="--help lists every flag")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A checked command line."""

    mode: Mode
    config: Config
    data_path: str | None
    experiment: str | None
    results: Path
    until: str | None
    dry_run: bool
    plain: bool
    preset: str | None
    assignments: tuple[str, ...]
    models: str | None
    folds: str | None
    weights_dir: Path | None
    vram: str | None
    time_limit: str | None
    allow_test_training: bool
    canary: bool = False
    compare_modes: bool = False


def make_parser() -> Parser:
    """All flags. Their values are checked in `read_settings`, which can name the nearest right one."""
    parser = Parser(
        prog="grandmaster_train.py",
        description="Trains on a competition folder and writes a checked submission and a report. "
        "Running the same command again resumes.",
        epilog=f"{_modes_help()}\n\n{_presets_help()}\n\n{_fields_help()}\n\n{_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--mode", metavar="MODE", help=f"what to do: {', '.join(MODES)} (see below)")
    add(
        "--data_path",
        metavar="FOLDER",
        help="the competition's unzipped files (default: what is in data/, else Kaggle's input)",
    )
    add("--experiment_name", metavar="NAME", help="name of the run's folder (default: <competition>_<mode>)")
    add(
        "--weights_dir",
        metavar="FOLDER",
        help="pretrained weights (.safetensors, .pth, .pt, .bin), used before the hub (offline)",
    )
    add(
        "--dry_run",
        action="store_true",
        help="print the plan with its reasons (explore: what was found) and stop; writes no run, only what was measured into "
        "the cache beside the runs",
    )
    add(
        "--models",
        metavar="NAME,...",
        help=f"backbones instead of the planned ones: {', '.join(BACKBONES)}, or any timm name",
    )
    add("--folds", metavar="N", help="how many folds to train; more than folds.count makes that many folds")
    add(
        "--preset",
        metavar="NAME",
        help=f"a recipe by name: {', '.join(known_recipes())} (see below), or a YAML file of settings; --set wins over it",
    )
    add(
        "--vram",
        metavar="GB",
        help="GPU memory to plan for; with --dry_run also for a card that is not here",
    )
    add(
        "--set",
        metavar="SECTION.FIELD=VALUE",
        action="append",
        default=[],
        help="change one setting (repeatable; see below); --models, --folds, --vram, --weights_dir and --time_limit win "
        "over it",
    )
    add(
        "--until",
        metavar="STAGE",
        help=f"stop after a stage: {', '.join(STAGES)} (explore: {', '.join(EXPLORE_STAGES)})",
    )
    add(
        "--time_limit",
        metavar="TIME",
        help="9h, 45m, 1h30m, 90s: the command has ended by then, imports included, with the best submission that is "
        "possible; may differ when resuming",
    )
    add(
        "--allow_test_training",
        action="store_true",
        help="learn from test pictures too (pseudo-labels): only where the competition's rules allow training on test "
        "pictures; many forbid it",
    )
    add(
        "--canary",
        action="store_true",
        help="provoke leaks on purpose (shuffled labels, a watermark in one fold, planted duplicates) on a part of "
        "--data_path, or on made-up data, with these settings: nothing may get through; writes nothing",
    )
    add(
        "--compare_modes",
        action="store_true",
        help="train the one model of --models twice, fine-tuned and from scratch, on the same folds with the same seed, "
        "size and epochs, and compare what each reached and took",
    )
    add("--output", metavar="FOLDER", help="where runs are kept (default: training_results/)")
    add("--plain", action="store_true", help="plain lines instead of the live view")
    add("--version", action="version", version=f"grandmaster {__version__}")
    return parser


def _modes_help() -> str:
    lines = ["modes (--dry_run estimates the time on this machine):"]
    lines += [f"  {mode.name:<18} {mode.about['en']}; {mode.time['en']}" for mode in MODES.values()]
    return "\n".join(lines)


def _presets_help() -> str:
    lines = ["presets (the recipes of the original documents; --compare_modes sets training.mode itself):"]
    for preset in known_recipes().values():
        lines.append(f"  {preset.name:<18} {preset.about}")
        lines += [f"  {'':<18} {setting}" for setting in preset.settings]
    return "\n".join(lines)


def _fields_help() -> str:
    lines = ['settings (--set section.field=value; "none" leaves one open, for the plan to decide):']
    for field in fields():
        default = "open" if field.default is None else str(field.default).lower()
        kind = f"{field.type_text} {field.range_text}".strip()
        lines.append(f"  {field.path:<30} {kind}, default {default}")
        lines.append(f"  {'':<30} {field.help}")
    return "\n".join(lines)


def parse_flags(parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    """Flags as given. Where a shell asks what could follow, it is answered, and the process ends.

    Raises:
        UserError: an unknown flag, or one without its value.
    """
    if "_ARGCOMPLETE" in os.environ:
        from completion import offer

        offer(parser)
    options, unknown = parser.parse_known_args(argv)
    if unknown:
        word = unknown[0].partition("=")[0]
        if not word.startswith("-"):
            raise UserError(f"unexpected argument {word!r}", fix="Every value belongs to a flag; see --help")
        flags = [flag for action in parser._actions for flag in action.option_strings]
        raise UserError(f"unknown flag {word}", fix=did_you_mean(word, flags))
    return options


def read_settings(options: argparse.Namespace) -> Settings:
    """Check all that can be checked without the data.

    Raises:
        UserError: names the flag and the nearest right value.
    """
    if options.canary and options.mode is None:
        options.mode = "quick_test"
    if options.canary and (options.dry_run or options.until is not None):
        raise UserError("--canary neither stops early nor plans", where="--canary", fix="Give it alone")
    if options.mode is None:
        raise UserError(
            "no --mode given", fix=f"One of {', '.join(MODES)}; or run run_training.py for a menu"
        )
    mode = MODES[choice("--mode", options.mode, list(MODES))]
    until = None if options.until is None else choice("--until", options.until, list(mode.stages))
    config = mode.config
    if options.preset is not None:
        preset = find_recipe(options.preset)
        config = with_settings(config, preset.settings, where=f"--preset {options.preset}")
    config = with_settings(config, options.set)
    if options.models is not None:
        config = with_settings(config, [f"model.backbones={options.models}"], where="--models")
    if options.folds is not None:
        config = with_settings(config, [f"folds.train={options.folds}"], where="--folds")
        if (config.folds.train or 0) > config.folds.count:
            config = with_settings(config, [f"folds.count={options.folds}"], where="--folds")
    if (config.folds.train or 0) > config.folds.count:
        raise UserError(
            f"folds.train={config.folds.train} is more than folds.count={config.folds.count}", where="--set"
        )
    if options.vram is not None:
        config = with_settings(config, [f"hardware.vram_gb={options.vram}"], where="--vram")
    if config.model.backbones == ():
        raise UserError(
            "no backbone named", where="--models", fix=f"For example --models {','.join(BACKBONES[:2])}"
        )
    if options.time_limit is not None:
        if mode.name in ("debug", "explore"):
            raise UserError(
                f"a time limit is for runs that train, not for --mode {mode.name}", where="--time_limit"
            )
        minutes = read_time_limit(options.time_limit)
        config = with_settings(config, [f"run.time_limit={minutes!r}"], where="--time_limit")
    if options.allow_test_training:
        config = with_settings(config, ["run.allow_test_training=true"], where="--allow_test_training")
    weights = options.weights_dir or config.model.weights_dir
    weights_dir = None if weights is None else _weights_folder(weights)
    if weights_dir is not None:
        config = with_settings(config, [f"model.weights_dir={weights_dir}"], where="--weights_dir")
    if config.data.label_fixes is not None:  # a path, which has to mean the same wherever the run is resumed
        fixes = data_loader.resolve(config.data.label_fixes)
        config = with_settings(config, [f"data.label_fixes={fixes}"])
    if config.model.registry_file is not None:  # likewise
        added = data_loader.resolve(config.model.registry_file)
        config = with_settings(config, [f"model.registry_file={added}"])
    _check_training_mode(config, compared=options.compare_modes)
    return Settings(
        mode=mode,
        config=config,
        data_path=options.data_path,
        experiment=None if options.experiment_name is None else _folder_name(options.experiment_name),
        results=RESULTS_FOLDER if options.output is None else _results_folder(options.output),
        until=until,
        dry_run=options.dry_run,
        plain=options.plain,
        preset=None if options.preset is None else preset.name,
        assignments=tuple(options.set),
        models=options.models,
        folds=options.folds,
        weights_dir=weights_dir,
        vram=options.vram,
        time_limit=options.time_limit,
        allow_test_training=options.allow_test_training,
        canary=options.canary,
        compare_modes=options.compare_modes,
    )


def _check_training_mode(config: Config, *, compared: bool) -> None:
    """Refuse what a model of the registry does not support before the data are looked at.

    Args:
        compared: both modes that can be compared are wanted.

    Raises:
        UserError: in the words that a run has for it.
    """
    from grandmaster.models.registry import ENTRIES
    from grandmaster.models.registry.modes import require_mode, require_trainable

    for name in config.model.backbones or ():
        if name in ENTRIES:
            require_trainable(ENTRIES[name])
            wanted = (config.training.mode,) if config.training.mode is not None else ()
            for mode in ("full_training", "fine_tuning") if compared else wanted:
                require_mode(ENTRIES[name], mode)


def one_line(error: BaseException) -> str:
    """An error's text without line breaks."""
    return " ".join(str(error).split())


def choice(flag: str, value: str, known: Sequence[str]) -> str:
    """`value`, which has to be one of `known`.

    Raises:
        UserError: it is not; names the nearest.
    """
    if value not in known:
        raise UserError(f"unknown value {value!r}", where=flag, fix=did_you_mean(value, known))
    return value


def _folder_name(name: str) -> str:
    """A run's name is a folder's name and part of a file's name."""
    if not name or name[0] in ".-" or len(name) > 100 or any(sign in '/\\:*?"<>|' for sign in name):
        raise UserError(
            f"{name!r} cannot name a folder",
            where="--experiment_name",
            fix="Up to 100 letters, digits, _ or -, not starting with . or -",
        )
    if not name.isprintable():
        raise UserError(f"{name!r} holds a control character", where="--experiment_name")
    return name


def _weights_folder(given: str) -> Path:
    path = data_loader.resolve(given)
    if not path.is_dir():
        what = "is a file, not a folder" if path.is_file() else "does not exist"
        raise UserError(f"{given} {what}", where="--weights_dir", fix="Give the folder that holds the files")
    return path


def _results_folder(given: str) -> Path:
    path = Path(given).expanduser().resolve()
    taken = next((folder for folder in (path, *path.parents) if folder.exists()), path)
    if not taken.is_dir():
        raise UserError(f"{data_loader.shown(taken)} is a file", where="--output", fix="Give a folder")
    return path


def command_line(settings: Settings, data_path: Path, experiment: str, base: Path) -> str:
    """The command that does the same from the folder `base` (and so resumes), every default written out."""

    def path(value: Path) -> str:
        return data_loader.shown(value, base)

    words = ["python", path(SCRIPT), "--mode", settings.mode.name]
    words += ["--data_path", path(data_path), "--experiment_name", experiment]
    words += [] if settings.weights_dir is None else ["--weights_dir", path(settings.weights_dir)]
    words += [] if settings.models is None else ["--models", settings.models]
    words += [] if settings.folds is None else ["--folds", settings.folds]
    if settings.preset is not None:
        named = Path(settings.preset)
        words += ["--preset", path(named) if named.is_absolute() else settings.preset]
    words += [] if settings.vram is None else ["--vram", settings.vram]
    words += [] if settings.time_limit is None else ["--time_limit", settings.time_limit]
    words += ["--allow_test_training"] if settings.allow_test_training else []
    words += ["--compare_modes"] if settings.compare_modes else []
    for assignment in settings.assignments:
        words += ["--set", assignment]
    words += [] if settings.results == RESULTS_FOLDER else ["--output", path(settings.results)]
    return shlex.join(words)
