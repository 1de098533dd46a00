"""A bundle predicts what its run predicted, other test sets too, and leaves a valid submission whatever happens."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from small_competition import Record, request, write_competition

from grandmaster.config import Config
from grandmaster.errors import UserError
from grandmaster.pipeline.bundle import FACTS, read_bundle
from grandmaster.pipeline.bundling import write_bundle
from grandmaster.pipeline.clock import Clock
from grandmaster.pipeline.finished import open_run
from grandmaster.pipeline.inferring import InferenceRequest, infer
from grandmaster.pipeline.run import run_pipeline
from grandmaster.pipeline.view_budget import Budget, Work
from grandmaster.progress import SilentProgress
from grandmaster.settings import with_settings
from grandmaster.storage import read_json, write_json

CHANGES = ("prediction.tta_views=4", "model.backbones=test_resnet,test_convnext", "training.epochs=1")
MACHINE = with_settings(
    Config(), ["hardware.device=cpu", "hardware.workers=0", "hardware.picture_cache_gb=0"]
)
PROBABILITIES = "ID,0,1,2\n"


def as_probabilities(data: Path) -> None:
    """The same competition, but chances of the classes are handed in, which show every rounding."""
    ids = [line.split(",")[0] for line in (data / "sample_submission.csv").read_text().splitlines()[1:]]
    rows = [f"{picture_id},0.4,0.3,0.3\n" for picture_id in ids]
    (data / "sample_submission.csv").write_text(PROBABILITIES + "".join(rows))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Path, Path]:
    """Data, run, bundle."""
    place = tmp_path_factory.mktemp("bundle")
    data = write_competition(place / "squares")
    as_probabilities(data)
    run = place / "runs" / "first"
    run_pipeline(request(data, run, *CHANGES, until="submit"), SilentProgress())
    write_bundle(open_run(run), place / "dataset", student=False, full=False, progress=SilentProgress())
    return data, run, place / "dataset"


def handed_in(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / f"submission_{run.name}.csv", dtype={"ID": str})


def predicted(bundle: Path, data: Path, out: Path, clock: Clock | None = None):
    wanted = InferenceRequest(bundle=bundle, data=data, out=out, clock=clock or Clock(), config=MACHINE)
    return infer(wanted, Record()), pd.read_csv(out, dtype={"ID": str})


def test_the_runs_own_test_pictures_are_predicted_as_by_the_run(made, tmp_path):
    data, run, bundle = made
    found, frame = predicted(bundle, data, tmp_path / "submission.csv")
    expected = handed_in(run)
    assert frame["ID"].tolist() == expected["ID"].tolist()
    assert frame[["0", "1", "2"]].to_numpy() == pytest.approx(expected[["0", "1", "2"]].to_numpy(), abs=2e-3)
    known = read_bundle(bundle)
    assert set(found.members) == set(known.members)
    assert found.prior == 0
    assert found.gave_up == []
    assert any(member.half for member in known.members.values())
    assert all(member.half_difference <= 2e-3 for member in known.members.values())


def test_weights_that_are_not_rounded_predict_the_same_to_the_last_digits(made, tmp_path):
    data, run, _ = made
    bundle = tmp_path / "full"
    known = write_bundle(open_run(run), bundle, student=False, full=True, progress=SilentProgress())
    assert not any(member.half for member in known.members.values())
    _, frame = predicted(bundle, data, tmp_path / "submission.csv")
    assert frame[["0", "1", "2"]].to_numpy() == pytest.approx(
        handed_in(run)[["0", "1", "2"]].to_numpy(), abs=1e-5
    )


def hidden(data: Path, place: Path, *, times: int) -> Path:
    """The test set that nobody has seen: copies under other ids, one of them damaged and one missing."""
    shutil.copytree(data, place)
    shutil.rmtree(place / "train")  # a re-run may take away what was for training
    pictures = sorted((place / "test").iterdir())
    rows = []
    for number, picture in itertools.product(range(times), pictures):
        name = f"h{number}_{picture.name}"
        shutil.copyfile(picture, place / "test" / name)
        rows.append(f"{name},0.4,0.3,0.3\n")
    for picture in pictures:
        picture.unlink()
    (place / "test" / f"h0_{pictures[0].name}").write_bytes(b"no picture")
    (place / "test" / f"h0_{pictures[1].name}").unlink()
    (place / "sample_submission.csv").write_text(PROBABILITIES + "".join(rows))
    return place


def test_a_hidden_test_set_of_other_size_with_missing_pictures(made, tmp_path):
    data, run, bundle = made
    place = hidden(data, tmp_path / "hidden", times=3)
    found, frame = predicted(bundle, place, tmp_path / "out" / "submission.csv")
    expected = handed_in(run).set_index("ID")
    assert len(frame) == found.rows == 3 * len(expected)
    assert found.prior == 2
    told = frame.set_index("ID")
    for name, row in told.iloc[2:].iterrows():
        assert row.to_numpy() == pytest.approx(expected.loc[str(name)[3:]].to_numpy(), abs=2e-3)
    lost = told.iloc[:2].to_numpy()
    assert lost == pytest.approx(np.tile(read_bundle(bundle).prior, (2, 1)), abs=0.02)
    assert not list(place.glob("**/*.part"))


def test_another_competition_is_refused(made, tmp_path):
    data, _, bundle = made
    other = tmp_path / "other"
    shutil.copytree(data, other)
    table = (other / "train.csv").read_text()
    (other / "train.csv").write_text(table.replace(",2\n", ",7\n"))
    (other / "sample_submission.csv").write_text(
        (other / "sample_submission.csv").read_text().replace("ID,0,1,2", "ID,0,1,7")
    )
    with pytest.raises(UserError, match="not the competition that the models were trained on"):
        predicted(bundle, other, tmp_path / "submission.csv")


def test_a_damaged_model_does_not_take_the_others_with_it(made, tmp_path):
    data, _, bundle = made
    hurt = tmp_path / "hurt"
    shutil.copytree(bundle, hurt)
    known = read_bundle(hurt)
    name = next(iter(known.members))
    (hurt / known.members[name].folder / "checkpoint" / "best.safetensors").write_bytes(b"\0" * 100)
    found, frame = predicted(hurt, data, tmp_path / "submission.csv")
    assert set(found.members) == set(known.members) - {name}
    assert len(frame) == found.rows
    assert any(name in line for line in found.gave_up)


def test_without_any_model_the_priors_submission_is_left_and_that_is_an_error(made, tmp_path):
    data, _, bundle = made
    hurt = tmp_path / "hurt"
    shutil.copytree(bundle, hurt)
    for path in hurt.rglob("best.safetensors"):
        path.write_bytes(b"\0" * 100)
    out = tmp_path / "submission.csv"
    with pytest.raises(UserError, match="no model could predict"):
        predicted(hurt, data, out)
    frame = pd.read_csv(out)
    assert frame[["0", "1", "2"]].to_numpy() == pytest.approx(
        np.tile(read_bundle(bundle).prior, (len(frame), 1)), abs=0.02
    )


def ticking(step: float, limit: float) -> Clock:
    """A clock on which every look costs `step` seconds."""
    ticks = itertools.count()
    return Clock(limit=limit, started=0.0, now=lambda: step * next(ticks))


def test_when_time_runs_out_the_models_so_far_are_the_submission(made, tmp_path):
    data, _, bundle = made
    found, frame = predicted(bundle, data, tmp_path / "submission.csv", ticking(8.0, 60.0))
    assert 1 <= len(found.members) < len(read_bundle(bundle).members)
    assert len(frame) == found.rows
    assert any("had no time" in line for line in found.gave_up)


def works(count: int, views: int = 8) -> list[Work]:
    return [Work(name=f"m{number}", place=number, views=views, cost=1.0) for number in range(count)]


def test_views_are_given_up_before_models():
    at = [0.0]
    budget = Budget(Clock(limit=103.0, started=0.0, now=lambda: at[0]), works(4))  # margin 4.09
    budget.learn(works(1)[0], 1, 0.5, 2.5)  # 5 s a view of all pictures
    first = budget.next()
    assert first is not None
    assert budget.views_for(first) == 4  # 4 fits x 4 views x 5 s = 80 s of 0.85 x 98.9
    at[0] = 50.0  # it took longer than foretold
    budget.finished(first, 4)
    second = budget.next()
    assert second is not None
    assert budget.views_for(second) == 2  # 3 x 2 x 5 = 30 of 0.85 x 48.9
    at[0] = 92.0
    budget.finished(second, 2)
    assert budget.next() is not None  # one view of it fits: 5 of 5.9
    at[0] = 97.0
    assert budget.next() is None
    assert budget.given_up() == ["m0: 8 views -> 4", "m1: 8 views -> 2", "1 of 4 fits had no time: m3"]


def test_without_a_limit_nothing_is_given_up():
    budget = Budget(Clock(), works(2))
    assert not budget.knows_nothing
    assert [budget.views_for(work) for work in works(2)] == [8, 8]


def test_a_bundle_of_another_version_is_refused(made, tmp_path):
    _, _, bundle = made
    write_json(tmp_path / FACTS, read_json(bundle / FACTS) | {"format": 99})
    with pytest.raises(UserError, match="not a bundle of this version"):
        read_bundle(tmp_path)
    write_json(tmp_path / FACTS, read_json(bundle / FACTS) | {"prior": "much"})
    with pytest.raises(UserError, match="damaged"):
        read_bundle(tmp_path)


def test_no_path_of_this_machine_is_in_a_bundle(made):
    _, run, bundle = made
    texts = "".join(path.read_text() for path in bundle.rglob("*.json"))
    assert str(run.parent) not in texts
    assert msgspec.json.decode((bundle / FACTS).read_bytes())["experiment"] == "first"


def test_a_run_that_does_not_tell_how_its_blend_is_applied(made, tmp_path):
    _, run, _ = made
    copied = tmp_path / "runs" / "first"
    shutil.copytree(run, copied)
    (copied / "ensemble" / "applied.json").unlink()
    with pytest.raises(UserError, match="earlier version"):
        write_bundle(open_run(copied), tmp_path / "b", student=False, full=True, progress=SilentProgress())
