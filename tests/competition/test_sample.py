"""The sample competition: same bytes for the same seed, honest tables, and hard for the reasons it claims."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from grandmaster.competition import sample
from grandmaster.competition.sample import make_sample
from grandmaster.competition.sample_maker import certificates, corruption
from grandmaster.competition.sample_maker.page import Dice, Page
from grandmaster.competition.sample_maker.plan import (
    CONFUSED,
    TRAIN,
    Picture,
    class_counts,
    hidden_pictures,
    training_pictures,
)
from grandmaster.competition.sample_maker.render import render
from grandmaster.competition.sample_maker.words import CLASS_NAMES
from grandmaster.errors import UserError
from grandmaster.progress import SilentProgress

IMAGES, TEST_IMAGES = 34, 21


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "competition"
    make_sample(folder, images=IMAGES, test_images=TEST_IMAGES, seed=4, workers=1)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_same_seed_gives_same_bytes_with_two_workers_and_another_seed_does_not(
    made: Path, tmp_path: Path
) -> None:
    make_sample(tmp_path / "again", images=IMAGES, test_images=TEST_IMAGES, seed=4, workers=2)
    assert contents(tmp_path / "again") == contents(made)
    make_sample(tmp_path / "other", images=IMAGES, test_images=TEST_IMAGES, seed=5, workers=1)
    pictures, others = contents(made), contents(tmp_path / "other")
    assert not {name for name in pictures if name.endswith(".jpg")} & set(others)
    assert not set(pictures.values()) & {data for name, data in others.items() if name.endswith(".jpg")}


def test_tables_and_files_agree(made: Path) -> None:
    train, submission = rows(made / "train.csv"), rows(made / "sample_submission.csv")
    solution, names = rows(made / "solution.csv"), rows(made / "meta.csv")
    assert [list(table[0]) for table in (train, submission, solution)] == [["ID", "target"]] * 3
    assert {row["ID"] for row in train} == {path.name for path in (made / "train").iterdir()}
    assert {row["ID"] for row in submission} == {path.name for path in (made / "test").iterdir()}
    assert (len(train), len(submission)) == (IMAGES, TEST_IMAGES)
    assert [row["ID"] for row in solution] == [row["ID"] for row in submission]
    assert {row["target"] for row in submission} == {"0"}
    assert [(int(row["target"]), row["class_name"]) for row in names] == list(enumerate(CLASS_NAMES))
    expected = {picture.file_name(4): str(picture.kind) for picture in hidden_pictures(TEST_IMAGES)}
    assert {row["ID"]: row["target"] for row in solution} == expected
    assert all(re.fullmatch(r"[0-9a-f]{16}\.jpg", row["ID"]) for row in (*train, *submission))
    assert "NEVER reads" in (made / "README.txt").read_text()
    for path in (made / "train").iterdir():
        height, width = cv2.imread(str(path)).shape[:2]
        assert 380 < width < 700
        assert 380 < height < 700


def test_classes_are_as_unbalanced_as_the_original() -> None:
    original = [100] * 17
    original[1], original[13], original[14] = 46, 74, 50
    assert class_counts(1570).tolist() == original
    for images in (17, 60, 102, 600, 3141):
        counts = class_counts(images)
        assert counts.sum() == images
        assert counts.min() >= min(6, images // 17)
    counts = class_counts(600)
    assert counts[1] / counts[0] == pytest.approx(0.46, abs=0.03)


def test_wrong_labels_are_few_and_between_classes_that_look_alike() -> None:
    pictures = training_pictures(1570, seed=0)
    wrong = [picture for picture in pictures if picture.kind != picture.label]
    assert len(wrong) == 8
    assert {tuple(sorted((picture.kind, picture.label))) for picture in wrong} <= set(CONFUSED)
    labels = Counter(picture.label for picture in pictures)
    assert [labels[index] for index in range(17)] == class_counts(1570).tolist()
    assert all(picture.kind == picture.label for picture in hidden_pictures(1570))


def test_near_duplicates_show_the_same_page_but_are_not_copies() -> None:
    pictures = training_pictures(1570, seed=0)
    twins = [picture for picture in pictures if picture.page != picture.index]
    assert 5 <= len(twins) <= 13

    def small(picture: Picture) -> np.ndarray:
        grey = cv2.cvtColor(render(picture, 0), cv2.COLOR_BGR2GRAY)
        shrunk = cv2.resize(grey, (24, 24), interpolation=cv2.INTER_AREA).astype(float).ravel()
        return (shrunk - shrunk.mean()) / shrunk.std()

    likeness = []
    for twin in twins[:4]:
        source = pictures[twin.page]
        stranger = next(
            other
            for other in pictures
            if other.kind == twin.kind and other.index not in (twin.index, twin.page)
        )
        assert source.kind == twin.kind
        assert render(twin, 0).tobytes() != render(source, 0).tobytes()
        likeness.append(
            (float(small(twin) @ small(source)) / 576, float(small(twin) @ small(stranger)) / 576)
        )
    assert np.mean([near for near, _ in likeness]) > np.mean([far for _, far in likeness]) + 0.15


def test_certificates_differ_in_their_title_only() -> None:
    for number in range(12):
        pages = {kind: certificates.draw(kind, Dice(1, number)) for kind in (3, 4, 7, 14)}
        left, top, right, bottom = pages[3].title_box
        inside = []
        for kind in (4, 7, 14):
            assert pages[kind].title_box == (left, top, right, bottom)
            different = (pages[3].pixels != pages[kind].pixels).any(axis=2)
            inside.append(different[top:bottom, left:right].sum())
            different[top:bottom, left:right] = False
            assert not different.any()
        assert min(inside) > 100


def test_the_test_set_is_brighter_and_blunter_than_train() -> None:
    def means(pictures: list[Picture]) -> np.ndarray:
        values = []
        for picture in pictures:
            grey = cv2.cvtColor(render(picture, 2), cv2.COLOR_BGR2GRAY)
            values.append((grey.mean(), cv2.Laplacian(grey, cv2.CV_64F).var(), *grey.shape))
        return np.mean(values, axis=0)

    train, test = means(training_pictures(119, seed=2)), means(hidden_pictures(119))
    assert 10 < test[0] - train[0] < 50
    assert 0.3 < test[1] / train[1] < 0.75
    assert 480 < train[3] < 525  # mean width, as in the original
    assert abs(test[2] * test[3] / (train[2] * train[3]) - 1) < 0.08


def test_the_label_stays_with_the_picture_that_dominates() -> None:
    black, white = np.zeros((90, 80, 3), np.uint8), np.full((70, 110, 3), 255, np.uint8)
    for mix in (corruption.mix_up, corruption.cut_mix):
        shares = [mix(black, white, Dice(6, number)).mean() / 255 for number in range(200)]
        assert max(shares) < 0.42
        assert min(shares) > 0.08
        assert np.ptp(shares) > 0.2


def test_turning_fills_white_and_keeps_the_area() -> None:
    black = np.zeros((120, 90, 3), np.uint8)
    turned = [corruption.turn(black, Dice(8, number)) for number in range(60)]
    assert np.mean([picture[0, 0].min() == 255 for picture in turned]) > 0.8
    assert all(abs(picture.size / black.size - 1) < 0.04 for picture in turned)
    assert 0 < sum(picture.shape == black.shape for picture in turned) < 60


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("keep")
    with pytest.raises(UserError, match="something already"):
        make_sample(folder, images=17, test_images=1, workers=1)
    assert contents(tmp_path) == {"mine/notes.txt": b"keep"}
    (folder / "notes.txt").unlink()
    make_sample(folder, images=17, test_images=1, workers=1)
    assert len(list((folder / "train").iterdir())) == 17


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(OSError(28, "No space left on device"), UserError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_a_run_that_is_cut_off_leaves_nothing(
    failure: BaseException,
    expected: type[BaseException],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write = sample.write_pictures

    def stop_later(pictures: list[Picture], seed: int, folder: Path) -> int:
        if pictures[0].index:
            raise failure
        return write(pictures[:2], seed, folder)

    monkeypatch.setattr(sample, "write_pictures", stop_later)
    with pytest.raises(expected):
        make_sample(tmp_path / "cut", images=50, test_images=1, workers=1)
    assert list(tmp_path.iterdir()) == []


def test_numbers_out_of_range_are_refused(tmp_path: Path) -> None:
    for numbers in ({"images": 16}, {"images": 17, "test_images": 0}, {"images": 17, "seed": -1}):
        with pytest.raises(UserError):
            make_sample(tmp_path / "none", **numbers)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_picture(tmp_path: Path) -> None:
    class Counting(SilentProgress):
        total, done = 0, 0

        def start(self, task: str, total: int) -> None:
            self.total = total

        def advance(self, task: str, units: int = 1, **facts: str | int | float) -> None:
            self.done += units

    progress = Counting()
    make_sample(tmp_path / "counted", images=17, workers=1, progress=progress)
    assert (progress.total, progress.done) == (51, 51)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--out", str(tmp_path / "made"), "--images", "17", "--test_images", "3", "--workers", "1"]
    assert sample.main(arguments) == 0
    assert len(list((tmp_path / "made" / "test").iterdir())) == 3
    assert sample.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "something already" in error


def test_text_is_cut_between_words_and_titles_shrink_into_their_box() -> None:
    page = Page(200, 60, (255, 255, 255))
    whole = page.text(0, 0, "seven words", "sans", 12)
    assert page.text(0, 30, "seven words", "sans", 12, width=whole - 4) < whole * 0.65
    page = Page(200, 60, (255, 255, 255))
    page.heading((20, 10, 120, 50), "A title much too long for it", "sans bold", 30)
    outside = page.ink.copy()
    assert outside[10:50, 20:120].max() > 200
    outside[10:50, 20:120] = 0
    assert outside.max() == 0


def test_training_pictures_are_upright_and_vary() -> None:
    # The long card edge lies level: more gradient along the picture's axes than off them.
    pictures = [render(Picture(split=TRAIN, index=i, kind=8, label=8, page=i), 3) for i in range(6)]
    assert len({picture.tobytes() for picture in pictures}) == 6
    assert len({picture.shape for picture in pictures}) >= 5
    for picture in pictures:
        grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (0, 0), 2).astype(np.float32)
        across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
        energy, angle = across**2 + down**2, np.arctan2(np.abs(down), np.abs(across))
        level = energy[(angle < 0.1) | (angle > np.pi / 2 - 0.1)].sum() / energy.sum()
        assert level > 0.35  # of directions spread evenly: 0.13
