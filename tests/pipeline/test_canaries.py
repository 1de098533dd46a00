"""Every canary lives with its guard, and dies without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from kind_competitions import make_competition

import canary as command
import grandmaster_train
from grandmaster.config import Config
from grandmaster.errors import UserError
from grandmaster.images.dataset import PictureDataset
from grandmaster.pipeline import canaries, canary_data, preparing, run, training
from grandmaster.pipeline.canaries import Canary, Ground
from grandmaster.pipeline.canary_data import Copy, halves, split_pairs, with_marks, with_shuffled_labels
from grandmaster.training.judging import FoldData

SENTENCE = "a disc in pictures of fold 0"
real_fold_data = training.fold_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return canary_data.write_made_up(tmp_path_factory.mktemp("data") / "made_up", train=60)


@pytest.fixture
def ground(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    monkeypatch.setattr(canaries, "GUESSES", 60)
    return Ground(data_path=data, config=Config(), place=tmp_path / "runs", test_pictures=8)


def trained_on_all(context: Any, spec: Any, teaching: Any = None) -> FoldData:
    """The guard is gone: the fold's own validation pictures are trained on too."""
    whole = real_fold_data(context, spec)
    whole.train.rows = np.concatenate([whole.train.rows, whole.validation.rows])
    return whole


def taught_by_all(context: Any, spec: Any, teaching: Any = None) -> FoldData:
    """Wrong way round: pictures of the other folds get the labels that a teacher gives them who saw the fold's own.

    The teacher answers with the class whose mean picture, over all folds, is nearest.
    """
    whole = real_fold_data(context, spec)
    old = whole.train
    pictures = np.stack([old.store[row].reshape(-1) for row in range(len(old.store))]).astype(np.float64)
    targets = np.asarray(old.targets)
    means = np.stack([pictures[targets == label].mean(axis=0) for label in np.unique(targets)])
    taught = np.square(pictures[:, None] - means).sum(axis=2).argmin(axis=1).astype(targets.dtype)
    given = PictureDataset(old.store, taught, old.augmentation, old.size, old.seed, rows=old.rows)
    return replace(whole, train=given)


@pytest.mark.fault(47, "labels shuffled, with folds and with folds taken away")
def test_shuffled_labels_score_chance_and_would_not_without_the_folds(ground, monkeypatch, tmp_path):
    found = canaries.shuffled_labels(ground)
    assert found.outcome == "alive", found
    assert "by heart" in found.power
    monkeypatch.setattr(training, "fold_data", trained_on_all)
    monkeypatch.setattr(canaries, "EPOCHS_BY_HEART", 12)
    leaking = canaries.shuffled_labels(replace(ground, place=tmp_path / "leaking"))
    assert leaking.outcome == "dead", leaking


def test_shuffled_labels_that_are_not_shuffled_are_noticed(ground, monkeypatch):
    monkeypatch.setattr(canaries, "with_shuffled_labels", lambda part: part)
    monkeypatch.setattr(canaries, "EPOCHS_BY_HEART", 8)
    found = canaries.shuffled_labels(ground)
    assert found.outcome == "dead", found


def test_shuffled_labels_that_nothing_could_learn_are_no_proof(ground, monkeypatch):
    monkeypatch.setattr(canaries, "EPOCHS_BY_HEART", 2)
    found = canaries.shuffled_labels(ground)
    assert found.outcome == "no power", found


@pytest.mark.parametrize(
    ("leak", "outcome"), [(None, "alive"), (trained_on_all, "dead"), (taught_by_all, "dead")]
)
@pytest.mark.fault(
    45, "a watermark planted in one fold's pictures, with the guard and with the guard taken away"
)
def test_the_watermark_stays_out_unless_the_guard_is_gone(ground, monkeypatch, leak, outcome):
    if leak is not None:
        monkeypatch.setattr(training, "fold_data", leak)
    found = canaries.watermark(ground)
    assert found.outcome == outcome, found
    assert "folds 1, 2" in found.power, "the models that may see the mark must have noticed it"


def test_a_watermark_that_nobody_sees_is_no_proof(ground, monkeypatch):
    monkeypatch.setattr(canaries, "with_marks", lambda part, marked, folder: part)
    assert canaries.watermark(ground).outcome == "no power"


@pytest.mark.fault(46, "duplicates planted in a whole run, with grouping and with grouping taken away")
def test_planted_duplicates_never_split_unless_grouping_is_gone(ground, monkeypatch, tmp_path):
    found = canaries.planted_duplicates(ground)
    assert found.outcome == "alive", found
    assert found.result == "0 of 12 pairs are split"
    real = preparing.make_folds
    monkeypatch.setattr(preparing, "make_folds", lambda train, groups, **how: real(train, [], **how))
    split = canaries.planted_duplicates(replace(ground, place=tmp_path / "split"))
    assert split.outcome == "dead", split


def test_the_watermark_is_known_for_other_kinds_of_target(tmp_path, monkeypatch):
    competition = make_competition(tmp_path / "numbers", "regression", train=48)
    monkeypatch.setattr(run, "read_competition", lambda root, config: competition)
    ground = Ground(data_path=competition.root, config=Config(), place=tmp_path / "runs")
    assert canaries.watermark(ground).outcome == "alive"


@pytest.mark.parametrize("case", ["multilabel", "ordinal", "regression", "rows"])
def test_shuffling_moves_targets_of_whole_rows(tmp_path, case):
    competition = make_competition(tmp_path / case, case, train=48, test=2)
    shuffled = with_shuffled_labels(competition)
    flat, before = shuffled.targets.reshape(48, -1), competition.targets.reshape(48, -1)
    assert sorted(map(tuple, flat)) == sorted(map(tuple, before))
    assert (flat != before).any()
    if "label" in shuffled.train:
        assert shuffled.train["label"].tolist() == flat[:, 0].astype(int).tolist()
    of_row = shuffled.train.assign(target=flat[:, 0]).groupby("row")["target"]
    assert (of_row.nunique() == 1).all(), "pictures of a row share their target"
    for part in (halves(competition), halves(shuffled)):
        assert 0.2 < part.mean() < 0.8


def test_too_few_pictures_are_refused(tmp_path, monkeypatch):
    competition = make_competition(tmp_path / "few", "ordinal", train=20)
    monkeypatch.setattr(run, "read_competition", lambda root, config: competition)
    ground = Ground(data_path=competition.root, config=Config(), place=tmp_path / "runs")
    with pytest.raises(UserError, match="20 readable training pictures are too few"):
        canaries.planted_duplicates(ground)


def test_marks_are_on_the_marked_only_and_originals_are_untouched(tmp_path):
    competition = make_competition(tmp_path / "marked", "ordinal", train=24)
    before = [Path(path).read_bytes() for path in competition.train["path"]]
    marked = np.arange(24) % 4 == 0
    changed = with_marks(competition, marked, tmp_path / "marks")
    other = (changed.train["path"] != competition.train["path"]).to_numpy()
    assert (other == marked).all()
    picture = cv2.imread(changed.train["path"].iloc[0])
    assert tuple(picture[24, 24]) == (255, 0, 255)
    assert [Path(path).read_bytes() for path in competition.train["path"]] == before


def test_pairs_are_split_by_fold_or_by_group():
    pairs = tuple(Copy(original=name, copy=f"{name}2", kind="resized") for name in "abc")
    folds = {"a": 0, "a2": 0, "b": 0, "b2": 1, "c": 1, "c2": 1}
    groups = {"a": "a", "a2": "a", "b": "b", "b2": "b", "c": "c", "c2": "c2"}
    assert [pair.original for pair in split_pairs(pairs, folds, groups)] == ["b", "c"]


@pytest.mark.parametrize(("outcome", "code"), [("alive", 0), ("dead", 3), ("no power", 3)])
def test_the_command_shows_a_table_and_its_exit_code_says_it(
    capsys, monkeypatch, tmp_path, data, outcome, code
):
    grounds: list[Ground] = []

    def fake(ground: Ground) -> Iterator[Canary]:
        grounds.append(ground)
        assert (ground.data_path / "train.csv").exists()
        yield Canary(name="watermark", what=SENTENCE, outcome=outcome, result="CHANGED", power="a bit")

    monkeypatch.setattr(canaries, "run_canaries", fake)
    monkeypatch.setenv("GRANDMASTER_LANG", "en")
    assert grandmaster_train.main(["--canary"]) == code
    shown = capsys.readouterr().out
    assert "watermark" in shown
    assert SENTENCE in shown
    assert ("every canary is alive" in shown) is (code == 0)
    assert not grounds[0].data_path.exists(), "the temporary folder is gone"
    assert grandmaster_train.main(["--canary", "--data_path", str(data)]) == code
    assert grounds[1].data_path == data
    assert command.canary_table([]).row_count == 0
