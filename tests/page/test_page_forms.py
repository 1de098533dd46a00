"""Cards and filters of models, the form of a training, its plan, and the texts."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest
from page_application import ROOT, application

import options
from grandmaster.errors import UserError
from grandmaster.models.registry import ENTRIES
from grandmaster.models.registry.modes import refusal
from grandmaster.models.registry.user_file import read_models
from grandmaster.page.model_cards import Filters, ModelCard, make_cards, passing
from grandmaster.page.planning import Choice, Planned, PlannedModel, Planning, encoded
from grandmaster.page.texts import TEXTS, choose_language, duration, speaker
from grandmaster.page.training_form import Form, flags_of

PLANNED = Planned(
    choices=(Choice(name="loss", value="focal", reason="as set"),),
    models=(
        PlannedModel(
            backbone="a",
            weights="none",
            pretrained=False,
            licence="",
            input_size=32,
            micro_batch=8,
            accumulation=2,
            epochs=3,
            minutes=1.5,
            memory_gb=2.0,
            disk_gb=0.1,
        ),
    ),
    folds_trained=2,
    folds_total=5,
    operations=(),
    later=(),
    notes=("few pictures",),
)


@pytest.fixture(scope="module")
def cards() -> dict[str, ModelCard]:
    return {
        card.id: card
        for card in make_cards(None, counted={"resnet18": 11_000_000, "convnext_large": 196_000_000})
    }


def test_a_badge_says_what_the_registry_says(cards: dict[str, ModelCard]) -> None:
    assert set(cards) == set(ENTRIES)
    for name, card in cards.items():
        for badge in card.modes:
            assert badge.why == (refusal(ENTRIES[name], badge.mode) or "")
            assert (badge.offered == "refused") == bool(badge.why)
    offered = {badge.mode: badge.offered for badge in cards["vit_base"].modes}
    assert (offered["fine_tuning"], offered["full_training"]) == ("recommended", "discouraged")
    assert cards["resnext101_32x32d"].non_commercial
    assert not cards["resnet18"].non_commercial
    assert cards["dfine_x"].missing
    assert not cards["dfine_x"].trainable
    assert cards["dfine_x"].documented


@pytest.mark.parametrize(
    ("wanted", "inside", "outside"),
    [
        (Filters(text="RESNET imagenet"), "resnet18", "convnext_large"),
        (Filters(task="detection"), "yolo11n", "resnet18"),
        (Filters(mode="full_training"), "resnet18", "dfine_x"),
        (Filters(licence="cc-by-nc"), "resnext101_32x32d", "resnet18"),
        (Filters(most_million=20), "resnet18", "convnext_large"),
        (Filters(most_million=500), "convnext_large", "vit_large"),  # not counted yet: not said to be small
        (Filters(most_gb=4), "resnet18", "convnext_large"),
        (Filters(most_gb=400), "convnext_large", "vit_large"),
    ],
)
def test_filters_leave_what_is_wanted(
    cards: dict[str, ModelCard], wanted: Filters, inside: str, outside: str
) -> None:
    found = [card.id for card in passing(cards.values(), wanted, {"resnet18": 1.0, "convnext_large": 5.0})]
    assert inside in found
    assert outside not in found


def test_weights_at_hand_are_found_in_the_folder(tmp_path: Path) -> None:
    assert passing(make_cards(tmp_path, counted={}), Filters(at_hand=True), {}) == []
    (tmp_path / "resnet18.a1_in1k.safetensors").write_bytes(b"")
    found = passing(make_cards(tmp_path, counted={}), Filters(at_hand=True), {})
    assert [card.id for card in found] == ["resnet18"]


def form(**changes: object) -> Form:
    return Form(**({"data": Path("/data/cats"), "mode": "quick_test", "experiment": "cats_1"} | changes))  # type: ignore[arg-type]


def test_a_form_is_a_command_line_that_is_accepted(tmp_path: Path) -> None:
    whole = form(
        models=("resnet18", "test_resnet"),
        folds=2,
        minutes=1.5,
        preset="advanced_loss",
        training_mode="full_training",
        weights_dir=tmp_path,
        settings=" training.epochs=3 \n\n model.image_size=64",
        allow_test_training=True,
    )
    settings = options.read_settings(options.parse_flags(options.make_parser(), flags_of(whole)))
    config = settings.config
    assert (config.model.backbones, config.folds.train) == (("resnet18", "test_resnet"), 2)
    assert (config.run.time_limit, config.run.allow_test_training) == (1.5, True)
    assert (config.training.mode, config.training.epochs, config.model.image_size) == ("full_training", 3, 64)
    assert (config.training.loss, settings.experiment) == ("advanced", "cats_1")
    assert flags_of(form()) == [
        "--mode",
        "quick_test",
        "--data_path",
        "/data/cats",
        "--experiment_name",
        "cats_1",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"minutes": 0.0}, "no time limit"),
        ({"minutes": float("nan")}, "no time limit"),
        ({"settings": "epochs 3"}, "is no setting"),
        ({"models": ("dfine_x",)}, "only classifiers of timm are trained here"),
    ],
)
def test_what_no_command_line_can_say_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        flags_of(form(**changes))


def test_an_unsupported_mode_is_refused_in_the_words_of_the_run(tmp_path: Path) -> None:
    text = (
        "mine:\n  factory: resnet18\n  training_modes: {supported: [fine_tuning], recommended: fine_tuning}\n"
    )
    (tmp_path / "models.yaml").write_text(text)
    (entry,) = read_models(tmp_path / "models.yaml").values()
    assert "mine" in flags_of(form(data=tmp_path, models=("mine",), training_mode="fine_tuning"))
    why = refusal(entry, "full_training")
    assert why is not None
    with pytest.raises(UserError, match=re.escape(why)):
        flags_of(form(data=tmp_path, models=("mine",), training_mode="full_training"))
    moved = (tmp_path / "models.yaml").rename(tmp_path / "other.yaml")
    with pytest.raises(UserError, match="mine"):
        flags_of(form(data=tmp_path, models=("mine",)))
    flags_of(form(data=tmp_path, models=("mine",), settings=f"model.registry_file={moved}"))


def collected(tmp_path: Path, script: str) -> list[object]:
    async def collect() -> list[object]:
        app = application(tmp_path, plan=(sys.executable, "-c", script))
        return [line async for line in Planning().lines(app, ["--mode", "quick_test"])]

    return asyncio.run(collect())


def test_planning_tells_what_it_does_and_ends_with_the_plan(tmp_path: Path) -> None:
    script = f"import sys; print('reading', file=sys.stderr, flush=True); print({encoded(PLANNED)!r})"
    lines = collected(tmp_path, script)
    assert lines == ["reading", PLANNED]
    assert (PLANNED.minutes, PLANNED.memory_gb) == (3.0, 2.0)


def test_an_error_of_planning_is_told_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^no such folder: x$"):
        collected(tmp_path, "import sys; print('error: no such folder: x', file=sys.stderr); sys.exit(2)")
    with pytest.raises(UserError, match="no plan came back"):
        collected(tmp_path, "print('{}')")


def test_planning_that_is_given_up_ends_without_a_plan(tmp_path: Path) -> None:
    async def give_up() -> list[object]:
        script = "import time; print('reading', flush=True); time.sleep(120)"
        app, planning, lines = application(tmp_path, plan=(sys.executable, "-c", script)), Planning(), []
        async for line in planning.lines(app, []):
            lines.append(line)
            planning.give_up()
        return lines

    assert asyncio.run(give_up()) == ["reading"]


def test_every_text_that_is_asked_for_is_there_and_no_other() -> None:
    code = "\n".join(
        path.read_text()
        for path in (ROOT / "03_modeling/grandmaster/page").rglob("*.py")
        if path.name != "texts.py"
    )
    asked = set(re.findall(r"""say\(\s*"([^"{}]+)\"""", code))
    assert asked <= set(TEXTS)
    counted = set(re.findall(r"""say\.counted\(\s*"([^"{}]+)\"""", code))
    assert counted
    assert counted | {f"{key}.one" for key in counted} <= set(TEXTS)
    begun = tuple(re.findall(r"""say\(\s*f"([^"{}]+)\{""", code))
    unused = {
        key for key in TEXTS if f'"{key.removesuffix(".one")}"' not in code and not key.startswith(begun)
    }
    assert unused == set()


def test_language_and_durations() -> None:
    assert choose_language(None, "ko-KR,ko;q=0.9") == "ko"
    assert choose_language("en", "ko") == "en"
    assert choose_language("xx", "fr-FR,fr, ko") == "ko"
    assert choose_language(None, "") == "en"
    assert speaker("ko")("submit.noted") == "적었습니다."
    assert [duration(seconds) for seconds in (5.4, 90, 3661)] == ["5 s", "2 min", "1 h 01 min"]
