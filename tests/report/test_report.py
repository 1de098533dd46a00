"""The page of a finished run: complete, true to the artefacts, safe, small."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from grandmaster.competition.predictions import Predictions
from grandmaster.competition.table import Competition
from grandmaster.errors import UserError
from grandmaster.report.artefacts import Epoch
from grandmaster.report.figures import IntervalRow, curves_figure, interval_figure
from grandmaster.report.html import write_report
from grandmaster.report.out_of_fold import MOST_CELLS, MOST_CLOSE_CALLS, MOST_IN_CELL, MOST_WORST, judge
from grandmaster.report.texts import speaker
from report.page import Page
from report.run_builder import COMMAND, make_competition, make_probabilities, render, write_run

SECTIONS = ("result", "data", "plan", "training", "out-of-fold", "mistakes", "technique")


def read(run: Path, competition: Competition) -> Page:
    return Page(write_report(run, competition).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(finished: Path, competition: Competition, tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = Path(shutil.copytree(finished, tmp_path_factory.mktemp("page") / "shapes"))
    return read(folder, competition)


def test_page_needs_nothing_from_outside(page: Page, finished: Path) -> None:
    names = [name for name, _ in page.tags]
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(names)
    resources = [attrs["src"] or "" for _, attrs in page.tags if "src" in attrs]
    assert resources
    assert all(value.startswith("data:image/jpeg;base64,") for value in resources)
    links = [attrs["href"] or "" for _, attrs in page.tags if "href" in attrs]
    assert all(value.startswith("#") for value in links)
    assert any(
        attrs.get("http-equiv") == "Content-Security-Policy"
        and (attrs["content"] or "").startswith("default-src 'none'")
        for attrs in page.having("meta")
    )


def test_cells_of_the_matrix_open_their_pictures(finished: Path, competition: Competition) -> None:
    oof = Predictions.load(finished / "ensemble" / "oof.npz")
    judged = judge(oof, competition)
    labels = dict(zip(competition.train["id"], competition.targets, strict=True))
    said = dict(zip(oof.ids, oof.values.argmax(axis=1), strict=True))
    wrong = {(int(labels[name]), int(said[name])) for name in oof.ids if labels[name] != said[name]}
    assert judged.cells.keys() == wrong
    for (truth, predicted), cell in judged.cells.items():
        inside = [name for name in oof.ids if (labels[name], said[name]) == (truth, predicted)]
        assert cell.count == len(inside)
        assert {item.id for item in cell.shown} <= set(inside)
        confidences = [item.confidence for item in cell.shown]
        assert confidences == sorted(confidences, reverse=True)
        assert len(cell.shown) == min(len(inside), MOST_IN_CELL)


def test_every_cell_that_is_a_link_has_its_pictures_in_the_page(page: Page) -> None:
    links = {
        attrs["href"] for tag, attrs in page.tags if tag == "a" and "confused-" in (attrs.get("href") or "")
    }
    cells = {f"#{attrs['id']}" for attrs in page.having("div", "cell")}
    assert links
    assert links == cells


def test_time_is_told_by_what_it_was_spent_on(page: Page) -> None:
    text = page.text("technique")
    assert "93.8 % of it were steps of training and prediction, 6.2 % everything else" in text
    assert "waiting for pictures 2.1" in text


def test_page_text_names_no_address_and_no_import(run: Path, competition: Competition) -> None:
    html = write_report(run, competition).read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|url\((?!#)|javascript:", html)
    assert str(competition.root) not in html, "paths of the machine do not travel with the page"


def test_ids_are_unique_and_every_reference_has_its_target(page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert set(SECTIONS) <= set(ids)
    referred = {(attrs["href"] or "")[1:] for _, attrs in page.tags if "href" in attrs}
    referred |= {match for _, attrs in page.tags for match in re.findall(r"url\(#([^)]*)\)", str(attrs))}
    assert referred <= set(ids)


def test_figures_take_their_colours_from_the_page(whole_run: Path, competition: Competition) -> None:
    html = write_report(whole_run, competition).read_text(encoding="utf-8")
    figures = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert len(figures) == 1 + 4 + 1, "score, a figure a fit, single models"
    for figure in figures:
        assert not re.search(
            r"#[0-9a-fA-F]{6}\b(?!\))|fill: (white|black)", re.sub(r'(href="|url\()#\w+', "", figure)
        )
        assert "var(--ink)" in figure


def test_headline_shows_the_numbers_of_the_results_file(page: Page) -> None:
    text = page.text("result")
    for shown in (
        "0.9124",
        "[0.8761, 0.9416]",
        "95 % bootstrap interval",
        "0.8349",
        "[0.7883, 0.8722]",
        "0.0333",
    ):
        assert shown in text
    assert "This run is 0.8790 better" in text
    assert "0.0775 worse than clean" in text
    assert "24 pictures: 2 of 5 folds were trained" in text
    assert "The whole interval is better" in text
    assert "✓ Passed submission_shapes.csv 20 rows" in text
    assert "class 3 is predicted 1 time" in text
    assert "mode quick_test" in text
    assert "2026-03-14 15:09" in text


def test_figures_write_the_numbers_of_the_results_file(whole_run: Path, competition: Competition) -> None:
    html = write_report(whole_run, competition).read_text(encoding="utf-8")
    first, *_, last = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    written = " ".join(re.sub(r"<[^>]*>", " ", first).split())
    assert "cross-validated 0.9124 [0.8761, 0.9416]" in written
    assert "corrupted as the test is 0.8349 [0.7883, 0.8722]" in written
    assert "macro F1 (higher is better) · dashed: majority class 0.0333" in written
    written = " ".join(re.sub(r"<[^>]*>", " ", last).split())
    for model in json.loads((whole_run / "final_results.json").read_text())["models"]:
        interval = f"{model['score']:.4f} [{model['low']:.4f}, {model['high']:.4f}]"
        assert f"{model['backbone']} · fold {model['fold']} {interval}" in written


def test_next_steps_are_commands_that_can_be_copied(run: Path, competition: Competition) -> None:
    html = write_report(run, competition).read_text(encoding="utf-8")
    copied = [
        re.sub(r"<[^>]*>", "", block).replace("&#39;", "'")
        for block in re.findall(r"<pre><code>(.*?)</code></pre>", html)
    ]
    longer = COMMAND.replace("quick_test", "full_training").replace(" shapes", " shapes_full_training", 2)
    assert COMMAND in copied
    assert longer.replace("my shapes_full_training", "my shapes") in copied


def test_data_section_counts_what_the_fingerprint_lists(page: Page) -> None:
    text = page.text("data")
    assert "Brightness mean grey, 0–255 149.9 ± 28.00 172.4 ± 28.00 +0.80" in text
    assert "Sharpness variance of the Laplacian 1,446 ± 610.0 607.3 ± 610.0 −1.37" in text
    assert "Unreadable pictures 1" in text
    assert "broken.jpg truncated JPEG" in text
    assert "Exact duplicates in train, groups 2" in text
    assert "Pictures of test that are also in train, pairs 1" in text
    assert "Duplicates with different labels, groups 1" in text
    assert text.count("bank statement") >= 3, "class bar, example, conflict"
    assert "Folds: 5, of 12 pictures; 60 groups" in text


def test_the_top_says_why_more_could_be_reached(
    finished: Path, competition: Competition, tmp_path: Path
) -> None:
    run = tmp_path / "cut"
    shutil.copytree(finished, run)
    assert "planned epochs" not in Page(write_report(run, competition).read_text(encoding="utf-8")).text(
        "result"
    )
    for path in run.glob("fold_*/resnet18/result.json"):
        edit(path, epochs=3, stopped_early=False, weights="none")
    top = Page(write_report(run, competition).read_text(encoding="utf-8")).text("result")
    assert "resnet18 was trained for 3 of 12 planned epochs." in top
    assert "resnet18 began from random weights" in top
    for path in run.glob("fold_*/resnet18/result.json"):
        edit(path, stopped_early=True)
    assert "planned epochs" not in Page(write_report(run, competition).read_text(encoding="utf-8")).text(
        "result"
    )


def test_the_scores_of_single_models_are_told_apart_from_that_of_the_blend(
    finished: Path, competition: Competition, tmp_path: Path
) -> None:
    run = tmp_path / "views"
    shutil.copytree(finished, run)
    edit(run / "final_results.json", tta={"views": 8, "chosen": True})
    said = Page(write_report(run, competition).read_text(encoding="utf-8")).text("technique")
    assert "Each model alone, on its own fold, by the mean of all 8 views." in said
    assert "the blend, with the views that were chosen" in said


def test_plan_shows_decisions_and_estimate_beside_measurement(page: Page) -> None:
    text = page.text("plan")
    assert "augmentation test_like test is turned and blurred, train is not" in text
    assert "224 px 16 × 4 12 lamb.safetensors 1.9 min planned 2.5 min 2.9 GB planned 3.4 GB" in text
    assert "pseudo labels – off unless the rules allow it" in text
    assert "training mode from scratch (full_training) as set" in text
    assert "FilledRotation 78.0 % of pictures about 68% of test pictures are turned" in text
    assert "<b>Odd</b> 25.0 % of pictures a person's <own> words" in text
    assert (
        "photos Classes 0 , <i>2</i> . median brightness 45 to 74 against 132 to 186 "
        "HueSaturationValue 30.0 % of pictures cameras" in text
    )
    assert "Trial (3 epochs of resnet10t each, fold 0). The fitted augmentation is kept: +0.1." in text
    assert "/home/someone" not in text


def test_training_shows_every_model_and_fold(page: Page, finished: Path) -> None:
    text = page.text("training")
    for result in finished.glob("fold_*/*/result.json"):
        fit = json.loads(result.read_text())
        stopped = ", stopped early" if fit["stopped_early"] else ""
        best = (
            f"macro F1 {fit['score']:.4f} best epoch {fit['best_epoch']} of {fit['epochs']} {stopped}".strip()
        )
        assert f"Fold {fit['fold']} {best}".replace(" ,", ",") in text.replace(" ,", ",")
    assert text.count("train loss") == text.count("learning rate") == 4


def test_confusion_and_class_scores_are_those_of_the_predictions(
    page: Page, finished: Path, competition: Competition
) -> None:
    predictions, labels = out_of_fold(finished, competition)
    guess = predictions.values.argmax(axis=1)
    expected = np.zeros((5, 5), int)
    np.add.at(expected, (labels, guess), 1)
    shown = [[0 if cell == "·" else int(cell) for cell in row] for row in page.cells if row]
    assert shown == expected.tolist()
    text = page.text("out-of-fold")
    assert f"{(guess == labels).sum()} of {len(labels)} pictures are answered rightly" in text
    for label, name in enumerate(competition.class_names):
        hits, said, there = expected[label, label], expected[:, label].sum(), expected[label].sum()
        precision, recall = hits / said, hits / there
        f1 = 2 * precision * recall / (precision + recall)
        assert f"{name} {100 * precision:.1f} % {100 * recall:.1f} % {100 * f1:.1f} % {there}" in text


def out_of_fold(run: Path, competition: Competition) -> tuple[Predictions, np.ndarray]:
    predictions = Predictions.load(run / "ensemble" / "oof.npz")
    label_of = dict(zip(competition.train["id"], competition.train["label"], strict=True))
    return predictions, np.array([label_of[picture_id] for picture_id in predictions.ids])


def test_worst_mistakes_are_the_highest_losses_and_close_calls_the_smallest_margins(
    tmp_path: Path,
) -> None:
    competition = make_competition(tmp_path / "data", per_class=60)
    run = tmp_path / "run"
    write_run(run, competition, epochs=2, skill=0.6)
    predictions, labels = out_of_fold(run, competition)
    probabilities = predictions.values.astype(float)
    loss = -np.log(probabilities[np.arange(len(labels)), labels])
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    worst = wrong[np.argsort(-loss[wrong])][:MOST_WORST]
    top = np.sort(probabilities, axis=1)
    closest = np.argsort(top[:, -1] - top[:, -2])[:MOST_CLOSE_CALLS]
    assert len(wrong) > MOST_WORST

    page = read(run, competition)
    named = [data for place, data in page.pieces if place == "mistakes" and data in set(predictions.ids)]
    assert named == [predictions.ids[row] for row in (*worst, *closest)]
    text = page.text("mistakes")
    for row in worst:
        said = probabilities[row].max()
        assert f"{100 * said:.1f} % sure · loss {loss[row]:.2f} {predictions.ids[row]}" in text


def test_technique_shows_tta_time_and_origin(page: Page, finished: Path) -> None:
    text = page.text("technique")
    assert "Picture alone 0.9052 Mean of 8 views 0.9124 Difference +0.0072" in text
    assert "train 7.6 min" in text
    assert "NVIDIA RTX 4090 Laptop, 16.0 GB" in text
    assert "torch 2.12.0" in text
    assert "mobilenetv3_small_100 fold 1" in text
    for name in ("config.json", "folds.csv", "ensemble/test.npz", "submission_shapes.csv"):
        assert name in text


def test_same_run_gives_the_same_bytes_wherever_it_lies(
    finished: Path, whole_run: Path, competition: Competition, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(finished, tmp_path / "moved"))
    first = write_report(whole_run, competition).read_bytes()
    assert write_report(whole_run, competition).read_bytes() == first, (
        "an old report does not change the new one"
    )
    assert write_report(other, competition).read_bytes() == first


def test_the_line_of_the_baseline_passes_no_words() -> None:
    rows = tuple(
        IntervalRow(label=label, value=0.5, low=0.4, high=0.6) for label in ("a long label", "b", "c")
    )
    drawn = interval_figure(
        rows, baseline=0.1, baseline_name="nothing", axis="x", about="a", say=speaker("en")
    )

    def heights(styled: str) -> list[tuple[float, float]]:
        paths = re.findall(rf'<path d="([^"]*)"[^>]*style="[^"]*{styled}', drawn)
        found = [[float(y) for y in re.findall(r"[ML] \S+ (\S+)", path)] for path in paths]
        return [(min(ys), max(ys)) for ys in found]

    lines, words = heights("stroke-dasharray"), heights(r"fill: var\(--card\)")
    assert len(lines) == len(rows)
    assert len(words) == 2 * len(rows)
    assert not [1 for top, bottom in lines for above, below in words if top < below and above < bottom]


def test_same_figure_gives_the_same_bytes_and_shares_no_name_with_another() -> None:
    epochs = tuple(Epoch(epoch=number, train_loss=1 / number, val_score=0.1 * number) for number in (1, 2, 3))
    drawn = [
        curves_figure(epochs, best_epoch=3, metric_title="macro F1", about=about, say=speaker("en"))
        for about in ("a", "a", "b")
    ]
    assert drawn[0] == drawn[1]
    names = [set(re.findall(r' id="([^"]*)"', figure)) for figure in drawn]
    assert names[0]
    assert not names[0] & names[2]


def test_names_from_data_stay_text(tmp_path: Path) -> None:
    hostile = (
        "<script>alert(1)</script>",
        "\"><img src=x onerror='alert(2)'>",
        "=cmd|' /C calc'!A0",
        "$\\frac{a}{",
        "한국어 </style></title>",
    )
    suffix = "\"'><svg onload=alert(3)>"
    competition = make_competition(
        tmp_path / "<b>data", names=hostile, labels=hostile, per_class=8, test_images=9, id_suffix=suffix
    )
    run = tmp_path / "run"
    write_run(run, competition, epochs=2, skill=0.5)
    evil = "<i>$x_1$ model 한"
    (run / "fold_0" / "resnet18").rename(run / "fold_0" / evil)
    (run / "fold_0" / evil / "result.json").unlink()
    edit(run / "final_results.json", experiment="<u>me</u>", command="python x --mode quick_test '<script>'")
    edit(run / "final_results.json", models=[{"backbone": "$\\frac{$<b>", "fold": 0, "score": 0.5}])
    edit(run / "plan.json", decisions={"<em>a": {"value": ["<em>b"], "reason": "</dl><em>c"}})
    finger = json.loads((run / "fingerprint.json").read_text())
    finger["unreadable"] = [{"split": "train", "id": "<em>", "path": "<em>", "reason": "<em>reason"}]
    (run / "fingerprint.json").write_text(json.dumps(finger))

    page = read(run, competition)
    tags = {name for name, _ in page.tags}
    assert not tags & {"script", "em", "u"}
    assert not any(attribute.startswith("on") for _, attrs in page.tags for attribute in attrs)
    assert all((attrs["src"] or "").startswith("data:") for attrs in page.having("img"))
    text = page.text()
    for name in hostile:
        assert " ".join(name.split()) in text
    assert suffix in text
    assert "<u>me</u>" in text
    assert "</dl><em>c" in text
    assert "<i>$x_1$ model" in text
    assert "$\\frac{$<b> · fold 0" in page.text("technique")


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_many_classes_give_a_list_of_confusions_instead_of_a_matrix(tmp_path: Path) -> None:
    labels = tuple(f"kind-{number}" for number in range(64))
    competition = make_competition(tmp_path / "data", labels=labels, names=labels, per_class=5, test_images=3)
    write_run(tmp_path / "run", competition, epochs=2)
    page = read(tmp_path / "run", competition)
    assert page.cells == []
    text = page.text("out-of-fold")
    assert "With 64 classes a matrix cannot be read" in text
    assert "Most confused" in text
    assert re.search(r"and \d+ more pairs", text)
    assert "and 4 better classes" in text
    assert "and 24 more classes" in page.text("data")


def test_usual_large_run_stays_small(tmp_path: Path) -> None:
    """Thirty classes, seven models on five folds, and pictures of noise, which JPEG cannot make small."""
    labels = tuple(str(number) for number in range(30))
    competition = make_competition(tmp_path / "data", labels=labels, names=labels, per_class=8)
    noise = np.random.default_rng(0).integers(0, 255, (160, 160, 3), dtype=np.uint8)
    raw = bytes(cv2.imencode(".jpg", noise)[1])
    for path in [*competition.train["path"], *competition.test["path"]]:
        Path(path).write_bytes(raw)
    run = tmp_path / "run"
    write_run(run, competition, folds_trained=1, epochs=50, skill=-0.5)
    finger = json.loads((run / "fingerprint.json").read_text())
    ids = competition.train["id"].tolist()
    finger["duplicates"]["label_conflicts"] = [ids[place::20] for place in range(20)]
    finger["duplicates"]["exact"] = [ids[place::50] for place in range(50)]
    (run / "fingerprint.json").write_text(json.dumps(finger))

    page = read(run, competition)
    cells = judge(Predictions.load(run / "ensemble" / "oof.npz"), competition).cells.values()
    assert len(cells) == MOST_CELLS
    opened = sum(len(cell.shown) for cell in cells)
    assert len(page.having("img")) == 8 + 8 + 6 * 3 + 24 + 12 + opened
    html = (run / "report.html").read_text(encoding="utf-8")
    curve = max(len(figure) for figure in re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL))
    assert len(html.encode()) + (7 * 5 - 2) * curve < 6_000_000
    assert "and 40 more" in page.text("data")


def test_predictions_of_other_data_are_refused_and_the_old_report_stays(
    run: Path, competition: Competition
) -> None:
    (run / "report.html").write_text("old")
    Predictions(
        ids=("stranger.jpg",),
        outputs=competition.classes,
        values=make_probabilities(np.array([0]), 5, seed=1),
    ).save(run / "ensemble" / "oof.npz")
    with pytest.raises(UserError, match=r"stranger\.jpg"):
        write_report(run, competition)
    Predictions(
        ids=("0000.jpg",), outputs=("a", "b"), values=make_probabilities(np.array([0]), 2, seed=1)
    ).save(run / "ensemble" / "oof.npz")
    with pytest.raises(UserError, match="2 classes"):
        write_report(run, competition)
    assert (run / "report.html").read_text() == "old"


def test_picture_that_is_gone_leaves_a_note(tmp_path: Path) -> None:
    competition = make_competition(tmp_path / "data", per_class=5, test_images=12)
    run = tmp_path / "run"
    write_run(run, competition, epochs=2, skill=-3.0)
    for path in competition.train["path"]:
        Path(path).write_bytes(b"")
    Path(competition.test["path"].iloc[0]).unlink()
    render(Path(competition.test["path"].iloc[1]), 1, 1, test=False)
    page = read(run, competition)
    assert "cannot be read" in page.text("mistakes")
    assert "No training picture could be read." in page.text("data")
    assert len(page.having("img")) == 8, "of the eleven test pictures that are left"


def test_what_a_time_limit_made_of_the_plan(finished: Path, competition: Competition, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "shapes"))
    path = folder / "final_results.json"
    results = json.loads(path.read_text())
    limited = {
        "limit_seconds": 720.0,
        "used_seconds": 660.0,
        "gave_up": ["after 90 s: a fold 3: 8 views -> 4"],
    }
    path.write_text(json.dumps(results | {"time": limited}))
    plan = read(folder, competition).text("plan")
    assert "Time limit" in plan
    assert "11 min of 12 min had been used" in plan
    assert "a fold 3: 8 views -> 4" in plan
    path.write_text(json.dumps(results | {"time": limited | {"gave_up": []}}))
    assert "Nothing was given up." in read(folder, competition).text("plan")
