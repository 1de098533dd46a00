"""Numbers that are not finite: a loss (row 18), an average of weights (row 19), a validation (row 20)."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from timm.utils import ModelEmaV3
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from grandmaster.errors import UserError
from grandmaster.pipeline.run import run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.storage import read_json
from grandmaster.training import checkpoint
from grandmaster.training.divergence import TRIES, Diverged, FitFailed, resynchronise
from grandmaster.training.fit import FitResult, fit_fold
from grandmaster.training.precision import Precision
from pipeline.small_competition import Record, request, write_competition
from training.training_cases import make_data, make_spec


@contextmanager
def not_finite(moments: Any, *, training: bool = True) -> Iterator[list[int]]:
    """Every classifier's outputs become NaN in the passes whose number `moments(number)` is true for."""
    passes = [0]

    def spoil(module: nn.Module, inputs: Any, output: Any) -> Any:
        if not isinstance(module, nn.Linear) or module.training is not training:
            return None
        passes[0] += 1
        return output * float("nan") if moments(passes[0]) else None

    hook = register_module_forward_hook(spoil)
    try:
        yield passes
    finally:
        hook.remove()


def fit(folder: Path, spec: Any, data: Any, progress: Any = None) -> FitResult:
    return fit_fold(
        spec,
        data,
        folder,
        Precision("cpu", spec.precision),
        workers=0,
        progress=progress or SilentProgress(),
        task="t",
    )


@pytest.mark.fault(18, "a loss that is NaN once: in the first epoch, at its end, in a later one")
@pytest.mark.parametrize("moment", [1, 4, 7])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_row_18_a_loss_that_is_not_finite_once(tmp_path, moment, precision):
    spec = make_spec(epochs=3, precision=precision)
    data = make_data(tmp_path, spec)
    record, folder = Record(), tmp_path / "fit"
    with not_finite(lambda number: number == moment):
        found = fit(folder, spec, data, record)
    assert found.epochs == 3
    assert [line["epoch"] for line in found.history] == [1, 2, 3]
    assert all(np.isfinite(line["train_loss"]) for line in found.history)
    assert all(torch.isfinite(tensor).all() for tensor in found.model.state_dict().values())
    (warning,) = [message for message in record.messages if message.startswith("warn")]
    assert "is nan at epoch" in warning
    assert "goes on from the last good state" in warning
    if precision == "bf16":
        assert (found.ease.precision, found.ease.rate) == ("fp32", 1.0), (
            "a format with more range comes first"
        )
    else:
        assert (found.ease.precision, found.ease.rate) == ("fp32", 0.3), "then lower rates"
        untouched = fit(tmp_path / "untouched", spec, data)
        rates = [[line["learning_rate"] for line in one.history] for one in (found, untouched)]
        share = np.array(rates[0]) / np.array(rates[1])
        done = (moment - 1) // 4  # epochs that were whole: 4 passes each
        np.testing.assert_allclose(share, [1.0] * done + [0.3] * (3 - done))


@pytest.mark.fault(18, "killed after it was eased")
def test_row_18_resumed_after_that_it_stays_eased(tmp_path):
    spec = make_spec(epochs=3)
    data = make_data(tmp_path, spec)
    with not_finite(lambda number: number == 6):
        whole = fit(tmp_path / "whole", spec, data)

    class Killed(Exception):
        pass

    class Kill(SilentProgress):
        def advance(self, task: str, units: int = 1, **facts: Any) -> None:
            if facts.get("epoch") == "3/3" and units:
                raise Killed

    with not_finite(lambda number: number == 6), pytest.raises(Killed):
        fit(tmp_path / "killed", spec, data, Kill())
    resumed = fit(tmp_path / "killed", spec, data)
    assert resumed.ease == whole.ease
    assert resumed.ease.tries == 1
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor), name


@pytest.mark.fault(18, "a loss that is always NaN")
def test_row_18_after_some_tries_the_fit_fails_by_name(tmp_path):
    spec = make_spec(epochs=2)
    data = make_data(tmp_path, spec)
    with (
        not_finite(lambda number: True) as passes,
        pytest.raises(
            FitFailed, match=rf"test_resnet, fold 0 is nan at epoch 1.*{TRIES} times.*0\.027 times"
        ),
    ):
        fit(tmp_path / "fit", spec, data)
    assert passes == [1 + TRIES]


@pytest.mark.fault(18, "a fold of a run whose loss is always NaN")
def test_row_18_the_run_goes_on_without_that_fold(tmp_path):
    data, folder = write_competition(tmp_path / "squares"), tmp_path / "run"
    record = Record()
    run_pipeline(request(data, folder, until="plan"), Record())
    with not_finite(lambda number: number <= 1 + TRIES):
        results = run_pipeline(request(data, folder), record)
    assert any(
        message.startswith("error: test_resnet fold 0 failed; the run goes on without it")
        for message in record.messages
    )
    assert results["cross_validation"]["folds_trained"] == 1
    assert [fit["fold"] for fit in results["models"]] == [1]
    assert results["failed"][0].startswith("test_resnet fold 0: the loss of")
    assert results["submission"]["problems"] == []
    assert len(pd.read_csv(folder / "submission_run.csv")) == 18
    assert "Fits that failed" in (folder / "report.html").read_text()
    # The same command does not try it again, and changes nothing.
    again = Record()
    before = (folder / "submission_run.csv").read_bytes()
    run_pipeline(request(data, folder), again)
    assert again.notes["train test_resnet fold 0"] == "failed before"
    assert again.notes["train test_resnet fold 1"].startswith("done before")
    assert (folder / "submission_run.csv").read_bytes() == before


@pytest.mark.fault(18, "every fold's loss is always NaN")
def test_row_18_where_no_fold_can_be_trained_that_is_the_end(tmp_path):
    data, folder = write_competition(tmp_path / "squares"), tmp_path / "run"
    run_pipeline(request(data, folder, until="plan"), Record())
    with (
        not_finite(lambda number: True),
        pytest.raises(
            UserError, match=r"no fit could be carried out: test_resnet fold 0.*test_resnet fold 1"
        ),
    ):
        run_pipeline(request(data, folder), Record())


class Poison(Record):
    """Writes NaN into every average of weights there is, once, after so many pictures."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left, self.poisoned = after, 0

    def advance(self, task: str, units: int = 1, **facts: Any) -> None:
        self.left -= units
        if units and self.left <= 0 and not self.poisoned:
            for average in [one for one in gc.get_objects() if type(one) is ModelEmaV3]:
                tensors = [one for one in average.module.state_dict().values() if one.is_floating_point()]
                tensors[0][(0,) * tensors[0].ndim] = float("nan")
                tensors[-1][(0,) * tensors[-1].ndim] = float("inf")
                self.poisoned += 1


@pytest.mark.fault(19, "NaN and Inf written into the average of weights in mid-epoch")
def test_row_19_an_average_that_is_not_finite_begins_anew_from_the_weights(tmp_path):
    spec = make_spec(epochs=3)
    data = make_data(tmp_path, spec)
    gc.collect()
    record = Poison(after=40)
    found = fit(tmp_path / "fit", spec, data, record)
    assert record.poisoned == 1
    assert all(torch.isfinite(tensor).all() for tensor in found.model.state_dict().values())
    assert all(np.isfinite(line["val_score"]) for line in found.history)
    (warning,) = [message for message in record.messages if message.startswith("warn")]
    assert "2 tensors of the averaged weights were not finite" in warning
    assert found.ease.tries == 0, "the training itself was sound"


@pytest.mark.fault(19, "NaN in the weights themselves")
def test_row_19_weights_that_are_not_finite_are_no_source(tmp_path):
    net, average = nn.Linear(2, 2), nn.Linear(2, 2)
    with torch.no_grad():
        net.weight[0, 0] = float("inf")
    with pytest.raises(Diverged, match="weight is not finite"):
        resynchronise(average, net)


@pytest.mark.fault(20, "validation predictions that are NaN in one epoch")
def test_row_20_what_is_not_finite_is_never_best(tmp_path):
    spec = make_spec(epochs=3, ema_decay=0.0)
    data = make_data(tmp_path, spec)
    record, kept = Record(), tmp_path / "fit" / "checkpoint"
    with not_finite(lambda number: number == 2, training=False):
        found = fit(tmp_path / "fit", spec, data, record)
    assert any("predicts validation pictures with what is not finite" in line for line in record.messages)
    assert np.isfinite(found.best_score)
    assert np.isfinite(read_json(kept / "best.json")["score"])
    assert [line["epoch"] for line in found.history] == [1, 2, 3]
    assert checkpoint.load_ease(kept, fit_digest=spec.digest) == found.ease
