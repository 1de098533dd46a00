"""Row 39: a tracker that is missing, fails, hangs or cannot reach its server leaves the run as it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from grandmaster.pipeline import tracking
from grandmaster.pipeline.run import run_pipeline
from grandmaster.pipeline.trackers import TRACKERS, Subject
from grandmaster.storage import read_json, read_jsonl, write_json
from pipeline.small_competition import Record, request, write_competition


class Kept:
    """A tracker that remembers what it was told."""

    def __init__(self, subject: Subject) -> None:
        self.known = subject.known or "first"
        self.subject = subject
        self.told: list[tuple[str, int, dict[str, float]]] = []
        self.found: dict[str, float] = {}
        self.closed = False

    def numbers(self, fit: str, epoch: int, values: Mapping[str, float]) -> None:
        self.told.append((fit, epoch, dict(values)))

    def results(self, values: Mapping[str, float]) -> None:
        self.found = dict(values)

    def close(self) -> None:
        self.closed = True


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_competition(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture
def use(monkeypatch):
    """Put a tracker in the place of TensorBoard; what was made of it."""

    def put(kind) -> list:
        made = []

        def make(subject: Subject):
            made.append(kind(subject))
            return made[-1]

        monkeypatch.setitem(TRACKERS, "tensorboard", (make, "json", "json"))
        monkeypatch.setattr(tracking, "SECONDS", 0.05)
        return made

    return put


def go(data: Path, folder: Path, *changes: str, **others) -> Record:
    record = Record()
    run_pipeline(request(data, folder, "run.trackers=tensorboard", *changes, **others), record)
    return record


def whole(folder: Path) -> bool:
    return (folder / f"submission_{folder.name}.csv").exists() and (folder / "report.html").exists()


def test_every_epoch_is_told_once_and_the_score_at_the_end(data, tmp_path, use):
    made, folder = use(Kept), tmp_path / "run"
    go(data, folder, until="train")
    go(data, folder)
    first, second = made
    told = [(fit, epoch) for fit, epoch, _ in [*first.told, *second.told]]
    assert sorted(told) == [(f"fold_{fold}/test_resnet", epoch) for fold in (0, 1) for epoch in (1, 2)]
    line = read_jsonl(folder / "fold_0" / "test_resnet" / "metrics.jsonl")[0]
    values = next(values for fit, epoch, values in first.told if (fit, epoch) == ("fold_0/test_resnet", 1))
    assert values["val_score"] == line["val_score"]
    assert values["learning_rate"] == line["learning_rate"]
    assert (
        second.found["cross_validation/score"]
        == read_json(folder / "final_results.json")["cross_validation"]["score"]
    )
    assert (first.found, first.closed, second.closed) == ({}, True, True)
    assert second.subject.known == "first"
    assert first.subject.settings["training.epochs"] == "2"


def test_a_fit_that_is_begun_anew_is_told_anew(tmp_path):
    follower = tracking.Follower("tensorboard", tmp_path, "c", {})
    tracker, told = (
        Kept(Subject(competition="c", experiment="e", folder=tmp_path, known=None, settings={})),
        tracking.Told(),
    )
    fit = tmp_path / "fold_0" / "net"
    fit.mkdir(parents=True)
    (fit / "metrics.jsonl").write_text('{"epoch":1,"val_score":0.1}\n{"epoch":2,"val_score":0.2}\n')
    follower._pass_on(tracker, told)
    (fit / "metrics.jsonl").write_text('{"epoch":1,"val_score":0.9}\n')
    follower._pass_on(tracker, told)
    assert [(epoch, values["val_score"]) for _, epoch, values in tracker.told] == [
        (1, 0.1),
        (2, 0.2),
        (1, 0.9),
    ]


def test_a_file_that_is_damaged_is_passed_over(tmp_path):
    follower = tracking.Follower("tensorboard", tmp_path, "c", {})
    tracker, told = (
        Kept(Subject(competition="c", experiment="e", folder=tmp_path, known=None, settings={})),
        tracking.Told(),
    )
    for name, text in (
        ("a", b"\xff\xfe"),
        ("b", b'{"epoch":1'),
        ("c", b'{"epoch":1,"val_score":null,"train_loss":1}\n'),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_bytes(text)
    follower._pass_on(tracker, told)
    assert tracker.told == [("c", 1, {"train_loss": 1})]


@pytest.fixture
def folder(tmp_path) -> Path:
    """Of a run that has come to its end, as far as trackers look at it."""
    fit = tmp_path / "run" / "fold_0" / "net"
    fit.mkdir(parents=True)
    (fit / "metrics.jsonl").write_text('{"epoch":1,"val_score":0.5}\n')
    write_json(tmp_path / "run" / "final_results.json", {"cross_validation": {"score": 0.5}})
    return tmp_path / "run"


def follow(folder: Path, **others) -> Record:
    record = Record()
    with tracking.tracked(("tensorboard",), folder, "squares", {}, record, **others):
        pass
    return record


def failing(moment: str) -> type:
    def fail(*_args, **_kwargs):
        raise ConnectionError("server is gone\nsecond line")

    return type("Failing", (Kept,), {moment: fail})


@pytest.fixture
def free() -> Iterator[threading.Event]:
    """Lets go what hangs, when the test is over."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.fault(
    39, "a tracker that raises: at its start, at the first numbers, at the results, at its end"
)
@pytest.mark.parametrize("moment", ["__init__", "numbers", "results", "close"])
def test_a_tracker_that_fails_is_given_up_and_said(folder, use, moment):
    use(failing(moment))
    said = follow(folder).messages
    assert any("tensorboard gave up (ConnectionError: server is gone)" in text for text in said)


@pytest.mark.fault(39, "a tracker that hangs and never comes back")
@pytest.mark.parametrize("moment", ["__init__", "numbers", "close"])
def test_a_tracker_that_hangs_is_left_behind(folder, use, free, monkeypatch, moment):
    monkeypatch.setattr(tracking, "GRACE", 0.3)
    use(type("Hanging", (Kept,), {moment: lambda *_args, **_kwargs: free.wait()}))
    assert any("left behind" in text for text in follow(folder).messages)


def test_a_time_limit_leaves_a_hanging_tracker_little_grace(folder, use, free):
    use(type("Hanging", (Kept,), {"close": lambda *_args: free.wait()}))
    said = follow(folder, left=lambda: 0.0).messages
    assert any("did not end within 1 s" in text for text in said)


@pytest.mark.fault(39, "a tracker that raises in mid-run: the run is whole")
def test_the_run_is_whole_all_the_same(data, tmp_path, use):
    use(failing("numbers"))
    record = go(data, tmp_path / "run")
    assert whole(tmp_path / "run")
    assert any("tensorboard gave up" in text for text in record.messages)


@pytest.mark.fault(39, "a tracker whose library is not installed")
def test_a_tracker_that_is_not_installed_is_said(folder, monkeypatch):
    monkeypatch.setitem(TRACKERS, "tensorboard", (Kept, "no_such_module_here", "tensorboard"))
    assert any("pip install tensorboard" in text for text in follow(folder).messages)


@pytest.mark.fault(39, "what a tracker was told is damaged")
def test_a_damaged_memory_is_begun_anew(folder, use):
    made = use(Kept)
    (folder / "tracking").mkdir()
    (folder / "tracking" / "tensorboard.json").write_text('{"epochs": 7}')
    follow(folder)
    assert [epoch for _, epoch, _ in made[0].told] == [1]


@pytest.mark.slow
@pytest.mark.fault(39, "a real server that refuses the connection")
@pytest.mark.parametrize(
    ("name", "module", "variables"),
    [
        (
            "mlflow",
            "mlflow",
            {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"},
        ),
        (
            "wandb",
            "wandb",
            {"WANDB_MODE": "online", "WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": "0" * 40},
        ),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_server_that_cannot_be_reached(data, tmp_path, monkeypatch, name, module, variables):
    pytest.importorskip(module)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    record = Record()
    run_pipeline(request(data, tmp_path / "run", f"run.trackers={name}"), record)
    assert whole(tmp_path / "run")
    assert any(f"{name} gave up" in text for text in record.messages)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_real_trackers_keep_their_files_in_the_run_folder(data, tmp_path, name):
    pytest.importorskip(name)
    record = Record()
    run_pipeline(request(data, tmp_path / "run", f"run.trackers={name}"), record)
    assert not any("gave up" in text for text in record.messages)
    assert any(path.is_file() for path in (tmp_path / "run" / "tracking" / name).rglob("*"))


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_holds_the_epochs(data, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = tmp_path / "run"
    record = go(data, folder)
    assert not any("gave up" in text for text in record.messages)
    events = EventAccumulator(str(folder / "tracking" / "tensorboard" / "fold_1" / "test_resnet")).Reload()
    lines = read_jsonl(folder / "fold_1" / "test_resnet" / "metrics.jsonl")
    assert [event.step for event in events.Scalars("val_loss")] == [1, 2]
    assert [event.value for event in events.Scalars("val_loss")] == pytest.approx(
        [line["val_loss"] for line in lines]
    )


def test_another_tracker_is_not_another_run(data, tmp_path, use):
    use(Kept)
    folder = tmp_path / "run"
    go(data, folder, until="plan")
    assert read_json(folder / "config.json")["run"]["trackers"] == ["tensorboard"]
    before = (folder / "plan.json").read_bytes()
    run_pipeline(request(data, folder, until="plan"), Record())
    assert (folder / "plan.json").read_bytes() == before
