"""How often does each rule for "better" call it where there is no difference, and where there is one?

Gains of pictures are simulated: 500 pictures in 5 folds; each picture's gain has a part of its own and one that
differs by seed; each training (fold x seed) shifts all gains of its fold by a random amount, 0 to 0.04. The rules: the
paired bootstrap interval above 0; the corrected t interval of Nadeau & Bengio above 0; the bootstrap above 0 with the
corrected t test agreeing at a one-sided chance of 0.1 (the rule of grandmaster.competition.comparison), or of 0.2.

    python benchmarks/comparison_rule.py [--rounds 4000]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

import numpy as np
import pandas as pd

from grandmaster.competition.comparison import corrected_interval
from grandmaster.storage import write_csv

RESULTS = Path(__file__).resolve().parent / "results" / "comparison_rule.csv"
PICTURES, FOLDS = 500, 5
# Of a picture's gain: standard deviation, and share of its variance that differs by seed.
SPREAD, OF_SEED = 0.35, 0.3


def rates(gain: float, shift: float, seeds: int, rounds: int) -> dict[str, float]:
    """Share of simulated comparisons that each rule calls better."""
    random = np.random.default_rng(0)
    each = PICTURES // FOLDS
    called: list[list[bool]] = []
    for _ in range(rounds):
        gains = gain + random.normal(0, shift, (seeds, FOLDS, 1))
        gains = gains + random.normal(0, SPREAD * np.sqrt(1 - OF_SEED), (1, FOLDS, each))
        gains = gains + random.normal(0, SPREAD * np.sqrt(OF_SEED), (seeds, FOLDS, each))
        of_picture = gains.mean(axis=0).ravel()
        # What the bootstrap of a mean comes to.
        above = of_picture.mean() - 1.96 * of_picture.std() / np.sqrt(PICTURES) > 0
        found = corrected_interval(gains.mean(axis=2).ravel().tolist(), tested=each, trainable=PICTURES)
        assert found is not None, "there are five gains and more"
        doubt = found.doubt if found.mean > 0 else 1 - found.doubt
        called.append([above, found.low > 0, above and doubt <= 0.1, above and doubt <= 0.2])
    shares = np.mean(called, axis=0).round(3)
    return dict(zip(("bootstrap", "corrected_t", "both_at_0.1", "both_at_0.2"), shares.tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=4000)
    options = parser.parse_args()
    rows = [
        {
            "true_gain": gain,
            "training_shift": shift,
            "seeds": seeds,
            **rates(gain, shift, seeds, options.rounds),
        }
        for gain in (0.0, 0.04)
        for seeds in (1, 3)
        for shift in (0.0, 0.01, 0.02, 0.04)
    ]
    table = pd.DataFrame(rows)
    write_csv(RESULTS, table)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
