"""What the page does with a finished run: predicts as it did, checks its files, notes scores, shows its data."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from page_application import application

from grandmaster.competition.predictions import Predictions
from grandmaster.errors import UserError
from grandmaster.page import predicting
from grandmaster.page.comparing import compare_all
from grandmaster.page.data_view import accept_suspects, is_of, view_data
from grandmaster.page.places import comparison_called, runs_in
from grandmaster.page.predicting import predict_picture
from grandmaster.page.submitting import check_submissions, choose_two, finished_names, ledger, note_scores
from grandmaster.prediction import heat_map
from grandmaster.prediction.views import ViewValues
from grandmaster.report.run_comparison import comparison_cells
from grandmaster.report.texts import speaker
from grandmaster.storage import write_json
from pipeline.finished_run import copy_run, make_run


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three folds; tests copy what they change."""
    return make_run(tmp_path_factory.mktemp("page"), "prediction.tta_views=2", "inspect.shift_pictures=40")


@pytest.fixture
def results(first: Path, tmp_path: Path) -> Path:
    shutil.copytree(first.parent.parent, tmp_path / "all")
    return tmp_path / "all" / "runs"


def test_a_dropped_test_picture_is_predicted_as_the_run_predicted_it(first: Path) -> None:
    ids = Predictions.load(first / "test" / "test_resnet_fold0.npz").ids
    content = (first.parent.parent / "data" / "test" / ids[4]).read_bytes()
    said = predict_picture(first.parent, "first", "anything.png", content, all_folds=True)
    assert len(said.fits) == 3
    for fold, fit in enumerate(said.fits):
        known = ViewValues.load(first / "test" / f"test_resnet_fold{fold}_views.npz")
        np.testing.assert_allclose(fit.values, known.values[:, 4], atol=1e-5)
        assert fit.views == ("identity", "mirrored")
    blended = Predictions.load(first / "ensemble" / "test.npz").values[4]
    np.testing.assert_allclose(said.values, blended, atol=1e-5)
    submission = pd.read_csv(first / "submission_first.csv", dtype=str).set_index("ID")["target"]
    assert said.decided == submission[ids[4]]
    assert said.picture.startswith("data:image/jpeg;base64,")
    one = predict_picture(first.parent, "first", "anything.png", content, all_folds=False)
    assert [fit.name for fit in one.fits] == ["test_resnet fold 0"]


def test_without_captum_everything_but_the_heat_map_is_there(
    first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (first.parent.parent / "data" / "test" / "test000.png").read_bytes()
    monkeypatch.setattr(heat_map, "find_spec", lambda name: None)
    said = predict_picture(first.parent, "first", "x.png", content, all_folds=False)
    assert (said.heat, said.no_heat) == (None, "pip install captum")
    assert said.values.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("content", [b"", b"<svg/>", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_what_is_no_picture_is_refused_with_its_reason(first: Path, content: bytes) -> None:
    with pytest.raises(UserError, match="this picture cannot be used"):
        predict_picture(first.parent, "first", "x.png", content, all_folds=False)


def test_too_large_a_file_is_refused_unread(first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predicting, "MOST_MB", 0)
    with pytest.raises(UserError, match="more than 0 MB"):
        predict_picture(first.parent, "first", "x.png", b"x", all_folds=False)


def test_the_gate_judges_the_file_as_it_lies_there(results: Path) -> None:
    (found,) = check_submissions(results, "first")
    assert (found.file.name, found.rows, found.verdict.passed) == ("submission_first.csv", 18, True)
    found.file.write_text(found.file.read_text().replace("test003.png", "test999.png"))
    (found,) = check_submissions(results, "first")
    assert not found.verdict.passed
    assert "test999.png" in " ".join(found.verdict.problems)


def test_scores_go_into_the_ledger_and_two_runs_are_chosen(results: Path) -> None:
    copy_run(results / "first", "better", right=0.9)
    assert len(ledger(results).table) == 1
    with pytest.raises(UserError, match="no score is given"):
        note_scores(results, "better", public=None, private=None)
    note_scores(results, "better", public=0.93, private=None)
    rows = ledger(results).table.set_index("experiment")
    assert (rows.loc["better", "public"], rows.loc["better", "private"]) == ("0.93", "")
    assert {name for of_one in finished_names(results).values() for name in of_one} == {"first", "better"}
    (results / "broken").mkdir()
    write_json(results / "broken" / "config.json", {})
    chosen = choose_two(results, ["first", "better", "broken"])
    assert chosen.left_out[0][0] == "broken"
    assert {one.run.name for one in chosen.choice.candidates} == {"first", "better"}
    with pytest.raises(UserError, match="no run can be looked at; broken"):
        choose_two(results, ["broken"])


def test_runs_are_compared_with_the_first_one_picked(results: Path) -> None:
    copy_run(results / "first", "better", right=0.95)
    copy_run(results / "first", "worse", right=0.05)
    found = compare_all(results, ["first", "better", "worse"], "en")
    up, down = found.pairs
    assert (up.second, down.second) == ("better", "worse")
    assert up.clean.gain > 0 > down.clean.gain
    assert comparison_cells(up.clean, speaker("en"))[2] == f"{up.clean.gain:+.4f}"
    page = comparison_called(results, found.page)
    assert page is not None
    assert "2 runs against first" in page.read_text(encoding="utf-8")
    assert "comparisons" not in runs_in(results)
    with pytest.raises(UserError, match="nothing to compare"):
        compare_all(results, ["first"], "en")
    with pytest.raises(UserError, match="no run"):
        compare_all(results, ["first", "../first"], "en")


def test_the_data_show_what_the_run_measured_and_suspects(results: Path) -> None:
    data = results.parent / "data"
    app = application(results.parent, fixes_file=lambda run: data / "label_fixes.csv")
    write_json(results / "first" / "config.json", {"data_path": str(data)})
    view = view_data(app, data)
    assert view.classes == (("0", 16), ("1", 16), ("2", 16))
    assert view.measured is not None
    assert (view.measured.name, view.measured.section.unreadable_count) == ("first", 0)
    assert view.measured.section.train_examples[0].picture.startswith("data:image/jpeg")
    suspects = pd.DataFrame(
        [
            ["train000.png", "0", "2", 0.1, 0.1, 0.8, "cleanlab"],
            ["train001.png", "1", "", None, None, None, "twins"],
        ],
        columns=["id", "label", "suggested", "quality", "p_label", "p_suggested", "reason"],
    )
    suspects.to_csv(results / "first" / "label_suspects.csv", index=False)
    view = view_data(app, data)
    assert view.suspects is not None
    assert (view.suspects[0], view.suspects[1].count) == ("first", 2)
    with pytest.raises(UserError, match="no suspect is ticked"):
        accept_suspects(app, "first", ["train001.png", "nobody.png"])
    assert accept_suspects(app, "first", ["train000.png"]) == (1, data / "label_fixes.csv")
    assert accept_suspects(app, "first", ["train000.png"])[0] == 0
    assert (data / "label_fixes.csv").read_text() == "id,label\ntrain000.png,2\n"
    assert view_data(app, data).classes == (("0", 15), ("1", 16), ("2", 17))


def test_an_exploration_belongs_to_the_folder_that_its_command_names(tmp_path: Path) -> None:
    app = application(tmp_path)
    run = tmp_path / "runs" / "cats_explore"
    run.mkdir(parents=True)
    assert not is_of(app, run, tmp_path / "data" / "cats")
    line = "2026-01-01 00:00:00 python x/grandmaster_train.py --mode explore --data_path data/cats --experiment_name c\n"
    (run / "train.log").write_text(line)
    assert is_of(app, run, tmp_path / "data" / "cats")
    assert not is_of(app, run, tmp_path / "data" / "dogs")


def test_a_square_on_an_empty_picture_is_what_a_model_of_its_brightness_looks_at() -> None:
    pytest.importorskip("captum")
    import torch

    class Bright(torch.nn.Module):
        """Output 1 is how bright the upper left quarter is; the last feature map is the picture, four times smaller."""

        def forward_features(self, pictures: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.avg_pool2d(pictures, 4)

        def forward_head(self, maps: torch.Tensor) -> torch.Tensor:
            quarter = maps[:, :, :4, :4].mean(dim=(1, 2, 3))
            return torch.stack([-quarter, quarter], dim=1)

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return self.forward_head(self.forward_features(pictures))

    picture = torch.zeros(1, 3, 32, 32)
    picture[:, :, 4:12, 4:12] = 1
    found = heat_map.heat_map(Bright().eval(), picture, 1)
    assert (found.method, found.values.shape, float(found.values.max())) == ("Grad-CAM", (8, 8), 1.0)
    assert found.values[1:3, 1:3].min() > 0
    assert found.values[4:, 4:].max() == 0

    class Tokens(Bright):
        """As a transformer that reads its class token only: no gradient reaches the last map."""

        num_prefix_tokens = 1

        def forward_features(self, pictures: torch.Tensor) -> torch.Tensor:
            maps = super().forward_features(pictures)
            token = maps[:, :, :4, :4].mean(dim=(2, 3), keepdim=True)
            return torch.cat([token.flatten(2), maps.flatten(2)], dim=2).transpose(1, 2)

        def forward_head(self, maps: torch.Tensor) -> torch.Tensor:
            quarter = maps[:, 0].mean(dim=1)
            return torch.stack([-quarter, quarter], dim=1)

    found = heat_map.heat_map(Tokens().eval(), picture, 1)
    assert (found.method, found.values.shape) == ("occlusion", (32, 32))
    assert found.values[4:12, 4:12].min() > found.values[20:, 20:].max() == 0


def test_cold_parts_of_a_picture_stay_as_they_are() -> None:
    picture = np.full((40, 40, 3), 90, np.uint8)
    heat = np.zeros((8, 8), np.float32)
    heat[0, 0] = 1
    painted = heat_map.painted(picture, heat)
    assert (painted[20:] == 90).all()
    assert (painted[0, 0] != 90).any()
    assert cv2.imencode(".jpg", painted)[0]
