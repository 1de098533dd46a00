"""The modes, each a named value of `grandmaster.config.Config`."""

from __future__ import annotations

from dataclasses import dataclass

import _source_roots  # noqa: F401 - grandmaster is found through it
from grandmaster.config import Config, EnsembleConfig, FoldsConfig, InspectConfig, TrainingConfig
from grandmaster.language import Language

# What `--until` takes: the stages of `grandmaster.pipeline.run`, repeated here so that `--help` needs none of its
# imports (a test holds the two equal).
STAGES = (
    "inspect",
    "shift",
    "plan",
    "find_rate",
    "trial",
    "train",
    "pseudo_label",
    "distill",
    "predict",
    "specialist",
    "ensemble",
    "label_quality",
    "submit",
    "report",
)
EXPLORE_STAGES = ("inspect", "shift", "explore")

# The large backbones of a full run; names of our own for pretrained models of timm.
BACKBONES = (
    "convnext_large",
    "swin_large",
    "beit_large",
    "efficientnetv2_xl",
    "maxvit_large",
    "resnext101_32x32d",
    "vit_large",
)


@dataclass(frozen=True, kw_only=True)
class Mode:
    """What one `--mode` means.

    Attributes:
        name: as given on the command line.
        title: a few words for the menu.
        about: what it does.
        time: as the original documentation states it for a GPU of 16 GB; `--dry_run` prints the estimate for this machine.
        models_wanted: how many backbones the plan looks for (fewer where the machine has no GPU).
        config: its settings; what is open there, the plan decides.
        stages: what its `--until` takes.
    """

    name: str
    title: dict[Language, str]
    about: dict[Language, str]
    time: dict[Language, str]
    models_wanted: int
    config: Config
    stages: tuple[str, ...] = STAGES


MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode(
            name="quick_test",
            title={"en": "Quick test", "ko": "빠른 테스트"},
            about={
                "en": "1 model, 1 of 5 folds: a first score and a first submission",
                "ko": "모델 1개, 5개 fold 중 1개: 첫 점수와 첫 제출 파일",
            },
            time={"en": "about 30 min on a 16 GB GPU", "ko": "16GB GPU에서 약 30분"},
            models_wanted=1,
            # One model is trained here: comparing train with test must not take as long as training it.
            config=Config(
                folds=FoldsConfig(train=1), inspect=InspectConfig(shift_pictures=500, shift_effort=0.4)
            ),
        ),
        Mode(
            name="full_training",
            title={"en": "Full training", "ko": "전체 훈련"},
            about={
                "en": "7 models x 5 folds, blended; stops a fit early once its score no longer rises",
                "ko": "모델 7개 x 5 fold 앙상블, 점수가 오르지 않으면 조기 종료",
            },
            time={"en": "8-12 h on a 16 GB GPU", "ko": "16GB GPU에서 8~12시간"},
            models_wanted=len(BACKBONES),
            config=Config(),
        ),
        Mode(
            name="competition_ready",
            title={"en": "Competition ready", "ko": "대회 준비"},
            about={
                "en": "7 models x 5 folds, every fit to the end of its schedule, finer intervals",
                "ko": "모델 7개 x 5 fold, 모든 학습을 일정 끝까지 진행, 더 정밀한 신뢰구간",
            },
            time={"en": "10-15 h on a 16 GB GPU", "ko": "16GB GPU에서 10~15시간"},
            models_wanted=len(BACKBONES),
            config=Config(
                training=TrainingConfig(patience=0), ensemble=EnsembleConfig(bootstrap_rounds=5000)
            ),
        ),
        Mode(
            name="explore",
            title={"en": "Explore the data", "ko": "데이터 탐색"},
            about={
                "en": "looks at every picture and writes eda.html, a page about the data; trains nothing",
                "ko": "모든 이미지를 살펴보고 데이터 보고서 eda.html을 만듦 (훈련하지 않음)",
            },
            time={"en": "minutes, without a GPU", "ko": "GPU 없이 몇 분"},
            models_wanted=1,
            config=Config(),
            stages=EXPLORE_STAGES,
        ),
        Mode(
            name="debug",
            title={"en": "Debug", "ko": "디버그"},
            about={
                "en": "checks this machine, its packages and the data; trains nothing",
                "ko": "시스템, 패키지, 데이터 점검 (훈련하지 않음)",
            },
            time={"en": "under a minute", "ko": "1분 이내"},
            models_wanted=1,
            config=Config(),
        ),
    )
}
