"""Is one set of predictions better than another? Paired, with all that is known of folds and seeds, and a stated rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import stats

from grandmaster.competition.metric_table import METRICS
from grandmaster.competition.metrics import drawn_gains, ends, score
from grandmaster.competition.verdict import ENGLISH
from grandmaster.language import Speaker

Verdict = Literal["better", "worse", "no difference shown"]

FEWEST_GAINS = 3
"""Gains of folds x seeds from which the corrected t interval is taken; the spread of two says next to nothing."""
MOST_DOUBT = 0.1
"""One-sided chance, by the corrected t test, of such gains where there is no difference; above it the verdict is open."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What two sides say of the same n pictures, with one seed.

    Attributes:
        first, second: (n, c) values, as `metrics.score` takes them.
        decisions: of the first and of the second, where a rule was fitted (nested).
        name: of the seed, for people.
    """

    first: npt.NDArray[np.floating]
    second: npt.NDArray[np.floating]
    decisions: tuple[npt.NDArray[Any] | None, npt.NDArray[Any] | None] = field(default=(None, None))
    name: str = ""


class FoldGain(msgspec.Struct, frozen=True, kw_only=True):
    """The gain on one fold with one seed, of that many rows."""

    fold: int
    seed: str
    gain: float
    rows: int


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """Mean of the gains of folds x seeds with its corrected resampled t interval.

    Attributes:
        mean, low, high: of the gains.
        doubt: one-sided chance of a mean so far from 0 (in its direction) where there is no difference.
        factor: 1/J + n_test/n_train, by which the variance of the J gains is multiplied.
    """

    mean: float
    low: float
    high: float
    doubt: float
    factor: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """By how much the second is better than the first.

    Attributes:
        metric: a key of `METRICS`.
        before, after: scores of the first and the second on all rows, means over seeds.
        gain: in the metric's units, positive where the second is better, whichever way the metric goes.
        low, high, level: paired bootstrap interval of the gain.
        by_fold: gains of every fold and seed that could be scored.
        corrected: None where there are fewer than `FEWEST_GAINS` of them.
        verdict: see `compare`.
    """

    metric: str
    before: float
    after: float
    gain: float
    low: float
    high: float
    level: float
    by_fold: tuple[FoldGain, ...]
    corrected: Corrected | None
    verdict: Verdict

    @property
    def interval(self) -> dict[str, float]:
        """As scores are stored: score, low, high, level."""
        return {"score": self.gain, "low": self.low, "high": self.high, "level": self.level}

    def sentence(self, first: str = "the first", second: str = "the second", say: Speaker = ENGLISH) -> str:
        """The comparison for people; names are of the two sides.

        Args:
            say: has at least the texts of `VERDICT_TEXTS`.
        """
        line = say(
            "sentence.gain",
            verdict=say(f"sentence.{self.verdict}", first=first, second=second),
            metric=METRICS[self.metric].title,
            before=f"{self.before:.4f}",
            after=f"{self.after:.4f}",
            gain=f"{self.gain:+.4f}",
            level=f"{self.level:.0%}",
            low=f"{self.low:+.4f}",
            high=f"{self.high:+.4f}",
        )
        seeds = len({one.seed for one in self.by_fold})
        if len(self.by_fold) > 1:
            above = sum(one.gain > 0 for one in self.by_fold)
            folds = len({one.fold for one in self.by_fold})
            of = say.counted("sentence.folds", folds)
            if seeds > 1:
                of += f" x {say.counted('sentence.seeds', seeds)}"
            line += say("sentence.ahead", above=above, count=len(self.by_fold), of=of)
        if self.corrected is not None:
            low, high = f"{self.corrected.low:+.4f}", f"{self.corrected.high:+.4f}"
            line += say("sentence.corrected", low=low, high=high)
        return line


def verdict_sentence(
    clean: Comparison, corrupted: Comparison | None, first: str, second: str, say: Speaker = ENGLISH
) -> str:
    """The verdict as a whole sentence: on corrupted pictures, where there are such.

    Args:
        clean, corrupted: of the same two sides, on pictures as they are and corrupted as the test set is.
        first, second: names of the sides.
        say: as for `Comparison.sentence`.
    """
    if corrupted is None:
        return f"{clean.sentence(first, second, say)}."
    return f"{corrupted.sentence(first, second, say)}{say('sentence.corrupted')}."


def compare(
    metric: str,
    truth: npt.NDArray[Any],
    pairs: Sequence[Pair],
    *,
    groups: npt.ArrayLike | None = None,
    folds: npt.ArrayLike | None = None,
    trainable: int | None = None,
    top_k: int = 1,
    positive: int = 1,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Whether the second sides of pairs are better than the first, on the same rows.

    Two intervals, of two kinds of chance. The paired bootstrap draws whole groups of rows; all seeds of a group are
    drawn together, and the gains of a drawing are averaged over seeds: it covers the choice of the pictures. The
    corrected resampled t interval is taken over the gains of folds x seeds, whose variance is multiplied by
    1/J + n_test/n_train because the training parts overlap (Nadeau & Bengio, Inference for the Generalization Error,
    Machine Learning 52, 2003; for repeated folds: Bouckaert & Frank, PAKDD 2004): it covers the randomness of training
    too, but of few gains it is wide.

    The rule: "better" where the lower end of the bootstrap interval is above 0 and, where there are at least
    `FEWEST_GAINS` gains, the corrected t test agrees: its mean is above 0 with a one-sided chance of at most
    `MOST_DOUBT`. "worse" likewise. With 5 folds this calls no difference better in 2 to 4 % of simulated cases, where the
    bootstrap alone does so in up to 9 % as training grows more random; asking the t interval itself to be above 0 would
    miss most true gains (benchmarks/comparison_rule.py).

    Args:
        metric, truth, top_k, positive: as `metrics.score`.
        pairs: one for each seed, rows in the order of `truth`.
        groups: (n,) group of each row; None: each its own.
        folds: (n,) fold of each row; None: one fold.
        trainable: rows that are trained or validated on, for n_test/n_train; None: those of `truth`.
        rounds, level, seed: of the bootstrap; `level` also of the t interval.

    Raises:
        ValueError: as `metrics.score`, or no pair.
    """
    if not pairs:
        raise ValueError("there is nothing to compare")
    how: dict[str, Any] = {"top_k": top_k, "positive": positive}
    found = [
        drawn_gains(
            metric,
            truth,
            pair.first,
            pair.second,
            decisions=pair.decisions,
            groups=groups,
            rounds=rounds,
            seed=seed,
            **how,
        )
        for pair in pairs
    ]
    gain = float(np.mean([value for value, _ in found]))
    low, high = ends(np.mean([drawn for _, drawn in found], axis=0), level)
    scores = [
        [
            score(metric, truth, values, decisions=decided, **how)
            for values, decided in zip((pair.first, pair.second), pair.decisions, strict=True)
        ]
        for pair in pairs
    ]
    by_fold = _by_fold(metric, truth, pairs, folds, how)
    corrected = corrected_interval(
        [one.gain for one in by_fold],
        tested=float(np.mean([one.rows for one in by_fold])) if by_fold else math.nan,
        trainable=len(truth) if trainable is None else trainable,
        level=level,
    )
    before, after = (float(value) for value in np.mean(scores, axis=0))
    return Comparison(
        metric=metric,
        before=before,
        after=after,
        gain=gain,
        low=low,
        high=high,
        level=level,
        by_fold=by_fold,
        corrected=corrected,
        verdict=_verdict(low, high, corrected),
    )


def _by_fold(
    metric: str,
    truth: npt.NDArray[Any],
    pairs: Sequence[Pair],
    folds: npt.ArrayLike | None,
    how: dict[str, Any],
) -> tuple[FoldGain, ...]:
    """Folds that cannot be scored alone (an area under a curve with one side only) are left out."""
    fold_of = np.zeros(len(truth), np.int64) if folds is None else np.asarray(folds)
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0
    found = []
    for number, pair in enumerate(pairs):
        for fold in np.unique(fold_of):
            rows = fold_of == fold
            before, after = (
                score(
                    metric,
                    truth[rows],
                    values[rows],
                    decisions=None if decided is None else decided[rows],
                    **how,
                )
                for values, decided in zip((pair.first, pair.second), pair.decisions, strict=True)
            )
            gain = sign * (after - before)
            if math.isfinite(gain):
                named = pair.name or str(number)
                found.append(FoldGain(fold=int(fold), seed=named, gain=gain, rows=int(rows.sum())))
    return tuple(found)


def corrected_interval(
    gains: Sequence[float], *, tested: float, trainable: int, level: float = 0.95
) -> Corrected | None:
    """The corrected resampled t interval of gains of folds x seeds.

    Args:
        gains: one for each fold and seed.
        tested: mean number of rows that a gain was measured on.
        trainable: rows that are trained or validated on.

    Returns:
        None for fewer than `FEWEST_GAINS` gains, or where nothing is trained on.
    """
    count, trained = len(gains), trainable - tested
    if count < FEWEST_GAINS or not trained > 0:
        return None
    mean, factor = float(np.mean(gains)), 1 / count + tested / trained
    error = math.sqrt(factor * float(np.var(gains, ddof=1)))
    doubt = (0.5 if mean == 0 else 0.0) if error == 0 else float(stats.t.sf(abs(mean) / error, count - 1))
    reach = float(stats.t.ppf((1 + level) / 2, count - 1)) * error
    return Corrected(mean=mean, low=mean - reach, high=mean + reach, doubt=doubt, factor=factor)


def _verdict(low: float, high: float, corrected: Corrected | None) -> Verdict:
    if low > 0 and (corrected is None or (corrected.mean > 0 and corrected.doubt <= MOST_DOUBT)):
        return "better"
    if high < 0 and (corrected is None or (corrected.mean < 0 and corrected.doubt <= MOST_DOUBT)):
        return "worse"
    return "no difference shown"
