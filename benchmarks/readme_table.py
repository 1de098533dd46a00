"""The result table of the READMEs, from the runs' own files: nothing in it is typed by hand.

python benchmarks/readme_table.py                      rewrites the tables from benchmarks/results/readme_runs.csv
python benchmarks/readme_table.py --add RUN_FOLDER [--solution FILE] [--note TEXT]      adds or replaces a row first
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

from grandmaster.competition.solution import score_solution
from grandmaster.storage import read_json, write_atomic, write_csv

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "benchmarks" / "results" / "readme_runs.csv"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
HEADINGS = {
    "README.md": ["competition", "start", "backbone, input, epochs", "folds", "CV (clean)", "CV (corrupted like test)", "private score", "minutes", "machine"],
    "README.ko.md": ["대회", "시작 가중치", "백본, 입력, epoch", "fold", "CV (원본)", "CV (test처럼 손상)", "비공개 점수", "분", "장비"],
}  # fmt: skip


START = {"none": "random", "file": "pretrained, from a file", "hub": "pretrained, from the hub"}


def interval(score: float | None, low: float | None, high: float | None) -> str:
    if score is None or low is None or high is None:
        return "–"
    return f"{score:.3f} ({low:.3f}–{high:.3f})"


def row_of(run: Path, solution: Path | None, note: str) -> dict[str, str]:
    """One line of the table from a finished run's folder."""
    results, plan, machine = (
        read_json(run / name) for name in ("final_results.json", "plan.json", "environment.json")
    )
    clean, corrupted = results["cross_validation"], results["corrupted_validation"]
    model = plan["models"][0]
    private = "–"
    if solution is not None:
        found = score_solution(run / results["submission"]["file"], solution, metric=results["metric"])
        private = interval(found.value, found.low, found.high)
    return {
        "experiment": results["experiment"],
        "competition": results["competition"] + (f" ({note})" if note else ""),
        "start": START[model["weights"]["source"].partition(":")[0]],
        "model": f"{model['backbone']}, {model['input_size']} px, {model['epochs']}",
        "folds": f"{clean['folds_trained']} of {clean['folds_total']}",
        "clean": f"{results['metric_title']} " + interval(clean["score"], clean["low"], clean["high"]),
        "corrupted": "–"
        if corrupted is None
        else interval(corrupted["score"], corrupted["low"], corrupted["high"]),
        "private": private,
        "minutes": f"{results['total_seconds'] / 60:.1f}",
        "machine": machine["gpu"]["name"] if machine["gpu"] else f"{machine['cores']} CPU cores",
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--add", type=Path)
    parser.add_argument("--solution", type=Path)
    parser.add_argument("--note", default="")
    options = parser.parse_args()
    table = pd.read_csv(TABLE, dtype=str, keep_default_na=False) if TABLE.exists() else pd.DataFrame()
    if options.add:
        row = row_of(options.add, options.solution, options.note)
        if len(table):
            table = table[table["experiment"] != row["experiment"]]
        table = pd.concat([table, pd.DataFrame([row])], ignore_index=True)
        write_csv(TABLE, table)
    for name, headings in HEADINGS.items():
        path = ROOT / name
        lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
        lines += ["| " + " | ".join(cells[1:]) + " |" for cells in table.itertuples(index=False)]
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        write_atomic(path, before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + after)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
