"""Reading from unlabelled test pictures what was done to them.

Simulation-based, in three steps that keep each other honest:

1. Training pictures are corrupted in known ways, broadly. One reader for each kind (extremely randomised trees on
   `eda.appearance`) learns to tell absent from weak from strong. What it says of the test pictures is turned into
   shares by Saerens' expectation maximisation (Neural Computation 2002), which corrects for shares in test being others
   than in the simulation. How well the reader does on simulated pictures it has not seen (out-of-bag AUC) bounds what
   may be claimed.
2. Pictures are corrupted again, near what was found, and told apart from the test pictures; each simulated picture is
   weighted by the odds that it is a test picture (importance weighting: Bickel et al., JMLR 2009). The weighted shares
   are the second estimate, which sees all kinds together.
3. Whichever of the two makes training pictures harder to tell from test pictures is kept, and measured once more on
   new draws.

No label is used. Training pictures read by the same readers must come out clean; what does not is taken off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import roc_auc_score

from grandmaster.eda.adversarial import CERTAIN_DECIMALS, Separation, separate, unseen_chances
from grandmaster.eda.appearance import NAMES, SIDE, appearance
from grandmaster.images.corruption import (
    KINDS,
    Draw,
    Prevalence,
    Shares,
    broad_prevalence,
    corrupt,
    draw,
    stored,
)
from grandmaster.images.resize import to_square

Pixels = npt.NDArray[np.uint8]
Table = npt.NDArray[np.float32]

BROAD_PICTURES = 2_000
NEAR_PICTURES = 1_500
FEWEST_SIMULATED = 200  # whatever the scale
NEAR_MIX = (
    0.25  # share of the broad prevalence in the second simulation, so that no strength is out of its reach
)
HELD_PART, FEWEST_TO_HOLD = 5, 200  # a fifth of the training pictures is held back where there are this many
ODDS_LIMIT = 20.0  # a single simulated picture must not weigh more than this
TREES = 200
BOOTSTRAP_ROUNDS = 60
ABSENT_PRIOR = 0.01
SMALLEST = 1e-4
# A reader that does worse on pictures of known corruption cannot support a claim.
READABLE_AUC = 0.65


@dataclass(frozen=True, kw_only=True)
class KindReading:
    """How often and how strongly one kind of corruption is found in the test pictures.

    Attributes:
        share: of the test pictures, 0 to 1.
        low, high: between which the two estimates and the 95 % bootstrap interval over test pictures lie.
        clean: share that the same reader finds in training pictures to which nothing was done; should be 0.
        levels: (low, high, weight) of each strength, weights summing to 1 (evenly where nothing was found).
        auc: of present against absent on simulated pictures that the reader had not seen.
    """

    share: float
    low: float
    high: float
    clean: float
    levels: tuple[tuple[float, float, float], ...]
    auc: float


@dataclass(frozen=True, kw_only=True)
class CorruptionReading:
    """What was done to the test pictures.

    Attributes:
        kinds: every kind of `images.corruption.KINDS`.
        prevalence: the kept estimate, to draw from.
        method: "shares" (step 1) or "weights" (step 2), whichever was kept.
        plain: training pictures as they are against test pictures.
        fitted: corrupted training pictures against test pictures, on draws that were not used to choose.
        simulated: pictures that were simulated.
    """

    kinds: Mapping[str, KindReading]
    prevalence: Prevalence
    method: str
    plain: Separation
    fitted: Separation
    simulated: int


def measure_squares(pictures: Sequence[Pixels], *, threads: int = 1) -> Table:
    """`appearance` of pictures of any size, each made square first. Shape (n, len(NAMES))."""
    return _mapped(lambda picture: appearance(to_square(picture, SIDE)), pictures, threads)


def simulations(tests: int, scale: float) -> int:
    """How many pictures `read_corruption` simulates for this many test pictures."""
    steps = (BROAD_PICTURES * scale, NEAR_PICTURES * scale, *[tests * min(1.0, scale)] * 2, tests)
    return sum(max(FEWEST_SIMULATED, round(number)) for number in steps)


def read_corruption(
    train: Sequence[Pixels],
    test: Table,
    *,
    plain: Separation,
    fill: int = 255,
    jpeg_quality: int | None = None,
    seed: int = 0,
    threads: int = 1,
    scale: float = 1.0,
    on_progress: Callable[[int], None] = lambda _: None,
) -> CorruptionReading:
    """Estimate the corruption of test pictures.

    Args:
        train: uint8 RGB training pictures of any sizes, at most about 640 px.
        test: `measure_squares` of test pictures that were read and reduced in the same way.
        plain: training pictures as they are against test pictures.
        fill, jpeg_quality: as `images.corruption.corrupt`.
        scale: of the numbers of simulated pictures; less is faster and less sure.
        on_progress: called with the number of pictures simulated since the last call.
    """
    rng = np.random.default_rng(seed)
    total = 0

    def simulate(
        number: int, prevalence: Prevalence, pictures: Sequence[Pixels] = train
    ) -> tuple[list[Draw], Table]:
        nonlocal total
        number = max(FEWEST_SIMULATED, number)
        total += number
        jobs = []
        for _ in range(number):
            own, other = rng.integers(len(pictures), size=2)
            jobs.append((pictures[own], pictures[other], draw(prevalence, rng)))

        def one(job: tuple[Pixels, Pixels, Draw]) -> Table:
            corrupted = corrupt(*job, fill=fill, jpeg_quality=jpeg_quality)
            return appearance(to_square(corrupted, SIDE))

        return [job[2] for job in jobs], _mapped(one, jobs, threads, on_progress)

    # Read as a check, so the readers must not have learnt from them; stored as test files are, else nothing done to them.
    held = len(train) // HELD_PART if len(train) >= FEWEST_TO_HOLD else 0
    order = rng.permutation(len(train)).tolist()
    learnt_from = [train[place] for place in order[held:]]
    unharmed = [stored(train[place], jpeg_quality) for place in order[: held or len(train)]]
    clean = measure_squares(unharmed, threads=threads)
    draws, rows = simulate(round(BROAD_PICTURES * scale), broad_prevalence(), learnt_from)
    with ThreadPoolExecutor(threads) as pool:
        learning = {
            name: pool.submit(
                _Reader, rows, np.array([drawn.bins[name] for drawn in draws]), 1 + len(kind.bins), seed
            )
            for name, kind in KINDS.items()
        }
        readers = {name: reader.result() for name, reader in learning.items()}
    by_shares = {name: reader.shares(test) for name, reader in readers.items()}
    spread = {name: reader.interval(test, seed) for name, reader in readers.items()}
    in_clean = {name: 1 - reader.shares(clean)[0] for name, reader in readers.items()}
    by_shares = {name: _without(shares, in_clean[name]) for name, shares in by_shares.items()}

    broad = broad_prevalence()
    near = {name: (1 - NEAR_MIX) * by_shares[name] + NEAR_MIX * broad[name] for name in KINDS}
    draws, rows = simulate(round(NEAR_PICTURES * scale), near)
    weights = _odds(rows, test, seed, threads)
    by_weights = {
        name: np.bincount([d.bins[name] for d in draws], weights=weights, minlength=1 + len(kind.bins))
        / weights.sum()
        for name, kind in KINDS.items()
    }

    candidates: dict[str, Prevalence] = {"shares": by_shares, "weights": by_weights}
    # A choice of two needs fewer pictures than the figure that is told.
    choosing = round(len(test) * min(1.0, scale))
    separations = {
        method: separate(simulate(choosing, prevalence)[1], test, NAMES, seed=seed, threads=threads, most=0)
        for method, prevalence in candidates.items()
    }
    method = min(separations, key=lambda name: separations[name].auc)
    # Choosing the lower of two flatters it: the figure that is reported comes from new draws.
    fitted = separate(simulate(len(test), candidates[method])[1], test, NAMES, seed=seed + 1, threads=threads)
    kinds = {}
    for name, kind in KINDS.items():
        shares = candidates[method][name]
        ends = [
            *(_beyond(end, in_clean[name]) for end in spread[name]),
            1 - by_shares[name][0],
            1 - by_weights[name][0],
        ]
        kinds[name] = KindReading(
            share=float(1 - shares[0]),
            low=float(min(ends)),
            high=float(max(ends)),
            clean=float(in_clean[name]),
            levels=_levels(shares, kind.bins),
            auc=readers[name].auc,
        )
    return CorruptionReading(
        kinds=kinds,
        prevalence=candidates[method],
        method=method,
        plain=plain,
        fitted=fitted,
        simulated=total,
    )


class _Reader:
    """Reads one kind: the chance of absent and of each strength, calibrated on pictures it has not seen."""

    def __init__(self, rows: Table, bins: npt.NDArray[np.int64], count: int, seed: int) -> None:
        self.count = count
        self.trees = ExtraTreesClassifier(
            TREES,
            min_samples_leaf=3,
            max_features=0.3,
            bootstrap=True,
            oob_score=True,
            random_state=seed,
        ).fit(rows, bins)
        unseen = self._all_bins(self.trees.oob_decision_function_)
        self.prior: Shares = np.bincount(bins, minlength=count) / len(bins) + 1e-6
        self.auc = float(roc_auc_score(bins > 0, 1 - unseen[:, 0]))
        # Trees are unsure by construction; one exponent, chosen by the log loss on unseen pictures, mends it.
        self.sharpness = min(
            np.linspace(0.5, 3.0, 26),
            key=lambda power: float(-np.log(_normalised(unseen**power)[np.arange(len(bins)), bins]).mean()),
        )

    def _all_bins(self, chances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        full = np.full((len(chances), self.count), SMALLEST)
        full[:, self.trees.classes_] = np.maximum(np.round(chances, CERTAIN_DECIMALS), SMALLEST)
        return _normalised(full)

    def _chances(self, rows: Table) -> npt.NDArray[np.float64]:
        return _normalised(self._all_bins(self.trees.predict_proba(rows)) ** self.sharpness)

    def shares(self, rows: Table) -> Shares:
        """Shares of absent and of each strength among these pictures."""
        return _expectation_maximisation(self._chances(rows), self.prior, np.ones(len(rows)))

    def interval(self, rows: Table, seed: int) -> tuple[float, float]:
        """95 % bootstrap interval of the share that is not absent."""
        rng, chances = np.random.default_rng(seed), self._chances(rows)
        found = []
        for _ in range(BOOTSTRAP_ROUNDS):
            counts = np.bincount(rng.integers(0, len(rows), len(rows)), minlength=len(rows))
            found.append(1 - _expectation_maximisation(chances, self.prior, counts, steps=60)[0])
        low, high = np.quantile(found, (0.025, 0.975))
        return float(low), float(high)


def _expectation_maximisation(
    chances: npt.NDArray[np.float64], prior: Shares, weights: npt.NDArray[Any], *, steps: int = 300
) -> Shares:
    """Shares under which the classifier's chances, corrected for them, average to themselves (Saerens et al. 2002).

    A prior of `ABSENT_PRIOR` of the pictures speaks for absent: where a reader is so unsure that any share explains
    what it says equally well, nothing is found.
    """
    prior_weight = ABSENT_PRIOR * float(weights.sum())
    shares = prior / prior.sum()
    for _ in range(steps):
        corrected = _normalised(chances * (shares / prior))
        new = weights @ corrected
        new[0] += prior_weight
        new /= new.sum()
        if np.abs(new - shares).max() < 1e-5:
            return np.asarray(new)
        shares = new
    return np.asarray(shares)


def _odds(rows: Table, test: Table, seed: int, threads: int) -> npt.NDArray[np.float64]:
    """For each simulated picture the odds that it is a test picture, corrected for the numbers of both; limited."""
    both = np.concatenate([rows, test])
    truth = np.repeat(np.array([0, 1]), [len(rows), len(test)])
    trees = ExtraTreesClassifier(TREES, min_samples_leaf=5, max_features=0.3, random_state=seed)
    chance = unseen_chances(trees, both, truth, seed=seed, threads=threads)[: len(rows)]
    chance = np.clip(chance, 1e-3, 1 - 1e-3)
    odds = chance / (1 - chance) * len(rows) / len(test)
    return np.asarray(np.clip(odds, 1 / ODDS_LIMIT, ODDS_LIMIT))


def _without(shares: Shares, clean: float) -> Shares:
    """Shares with what is found in clean pictures too taken off, the strengths in proportion."""
    present = 1 - shares[0]
    if clean <= 0 or present <= 0:
        return shares
    kept = _beyond(present, clean)
    return np.array([1 - kept, *(shares[1:] * kept / present)])


def _beyond(found: float, clean: float) -> float:
    """The share that is left of what was found: (found - clean) / (1 - clean), at least 0."""
    return max(0.0, found - clean) / (1 - clean) if clean < 1 else 0.0


def _levels(shares: Shares, bins: Sequence[tuple[float, float]]) -> tuple[tuple[float, float, float], ...]:
    present = shares[1:].sum()
    weights = shares[1:] / present if present > 1e-6 else np.full(len(bins), 1 / len(bins))
    return tuple((low, high, round(float(w), 3)) for (low, high), w in zip(bins, weights, strict=True))


def _normalised(chances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))


def _mapped(
    function: Callable[[Any], Table],
    items: Sequence[Any],
    threads: int,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Table:
    """Rows in the order of the items; OpenCV and NumPy release the interpreter for most of the work."""
    rows = []
    with ThreadPoolExecutor(threads) as pool:
        for row in pool.map(function, items):
            rows.append(row)
            on_progress(1)  # from this thread: who shows progress need not be ready for several
    return np.stack(rows)
