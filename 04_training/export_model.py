# PYTHON_ARGCOMPLETE_OK
"""Writes one trained model as files that need nothing of a run: safetensors, JSON, ONNX."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import data_loader
from grandmaster.errors import UserError, did_you_mean
from options import BAD_INPUT, DONE, Parser, one_line, parse_flags


def make_parser() -> Parser:
    """Its flags."""
    parser = Parser(
        prog="export_model.py",
        description="Writes a trained model of a run to a folder: model.safetensors, model.json (classes, size, "
        "normalisation, timm's name) and, where onnx and onnxruntime are installed, model.onnx, which takes pictures of 0 to "
        "255 and gives probabilities. All of it is read back and compared with the model. Exit code 0: done; 2: bad input, "
        "or what was written predicts otherwise.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--run", metavar="FOLDER", required=True, help="the run's folder below training_results/")
    add("--fit", metavar="NAME", help="fold_0/<backbone>, distill/fold_0/<student>, ...; without it: a list")
    add("--out", metavar="FOLDER", help="where to (default: export/<fit> in the run's folder)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (default: the process's own) and return its exit code."""
    try:
        options = parse_flags(make_parser(), sys.argv[1:] if argv is None else argv)
        return export(data_loader.resolve(options.run), options.fit, options.out)
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT


def export(run: Path, name: str | None, out: str | None) -> int:
    """Export a fit, or list those that there are; exit code.

    Raises:
        UserError: no such run or fit, or what was written predicts otherwise.
    """
    fits = exportable(run)
    if name is None:
        print("\n".join(fits))
        return DONE
    if name.strip("/") not in fits:
        raise UserError(f"no finished fit is called {name!r}", where="--fit", fix=did_you_mean(name, fits))
    from grandmaster.pipeline.exporting import export_fit

    fit = name.strip("/")
    target = run / "export" / fit.replace("/", "_") if out is None else Path(out).expanduser().resolve()
    said = export_fit(run / fit, target)
    print(f"{data_loader.shown(target)}: {said}")
    return DONE


def exportable(run: Path) -> list[str]:
    """Finished fits of a run, by folder.

    Raises:
        UserError: no such folder, or nothing in it can be exported.
    """
    if not run.is_dir():
        raise UserError(
            f"no such folder: {run}", where="--run", fix="Give a run's folder of training_results/"
        )
    found = sorted(
        path.parent.relative_to(run).as_posix()
        for path in run.rglob("spec.json")
        if (path.parent / "manifest.json").exists()
    )
    if not found:
        raise UserError("no finished fit lies in this folder", where=run, fix="Repeat the run's command")
    return found


if __name__ == "__main__":
    sys.exit(main())
