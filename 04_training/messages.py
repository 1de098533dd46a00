"""Every text of the menu and of the screens it leads to, in English and Korean."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

Language = Literal["en", "ko"]

TEXTS: dict[str, dict[Language, str]] = {
    # --- menu -----------------------------------------------------------------------------------
    "menu.title": {
        "en": "Grandmaster: from competition files to a submission",
        "ko": "Grandmaster: 대회 파일에서 제출 파일까지",
    },
    "menu.question": {"en": "What next?", "ko": "무엇을 할까요?"},
    "menu.hint": {"en": "(arrow keys or a number, then Enter)", "ko": "(화살표 키나 번호, 그다음 Enter)"},
    "menu.number": {"en": "Number: ", "ko": "번호: "},
    "menu.bad_number": {
        "en": "Please give a number from 1 to {last}.",
        "ko": "1부터 {last} 사이의 번호를 입력하세요.",
    },
    "menu.choose_data": {"en": "Choose the data folder", "ko": "데이터 폴더 고르기"},
    "menu.found": {"en": "Show what was found in the data", "ko": "데이터에서 찾은 것 보기"},
    "menu.plan": {"en": "Show the plan", "ko": "훈련 계획 보기"},
    "menu.report": {"en": "Open the last report", "ko": "마지막 보고서 열기"},
    "menu.resume": {"en": "Resume the last unfinished run", "ko": "중단된 훈련 이어하기"},
    "menu.sample": {"en": "Make the sample competition", "ko": "예제 대회 만들기"},
    "menu.models": {"en": "Models and how to train them", "ko": "모델과 훈련 방식 보기"},
    "menu.which_model": {"en": "Which model?", "ko": "어느 모델을 볼까요?"},
    "menu.which_training": {"en": "{name}: what next?", "ko": "{name}: 무엇을 할까요?"},
    "menu.guide": {"en": "Read about it", "ko": "안내 읽기"},
    "menu.train_so": {"en": "Quick test, {mode}", "ko": "{mode} 방식으로 빠른 테스트"},
    "menu.mode.fine_tuning": {"en": "fine-tuned (fine_tuning)", "ko": "파인튜닝(fine_tuning)"},
    "menu.mode.full_training": {"en": "from scratch (full_training)", "ko": "처음부터 학습(full_training)"},
    "menu.mode.inference_only": {"en": "as loaded (inference_only)", "ko": "추론 전용(inference_only)"},
    "menu.refused_mode": {"en": "not supported", "ko": "지원하지 않음"},
    "menu.discouraged_mode": {"en": "discouraged", "ko": "권장하지 않음"},
    "menu.recommended_mode": {"en": "recommended", "ko": "권장"},
    "menu.quit": {"en": "Quit", "ko": "종료"},
    "menu.back": {"en": "Back", "ko": "뒤로"},
    "menu.bye": {"en": "Bye.", "ko": "안녕히 가세요."},
    "menu.which_mode": {"en": "The plan of which mode?", "ko": "어느 모드의 계획을 볼까요?"},
    "menu.which_data": {"en": "Which competition?", "ko": "어느 대회를 사용할까요?"},
    "menu.other_folder": {"en": "Another folder", "ko": "다른 폴더"},
    "menu.type_folder": {"en": "Folder of competition files: ", "ko": "대회 파일 폴더: "},
    "menu.no_competition": {
        "en": "No competition found in {folder}: choose another folder (“{choose}”), or make the sample competition.",
        "ko": "{folder}에 대회가 없습니다. 다른 폴더를 고르거나(“{choose}”) 예제 대회를 만드세요.",
    },
    "menu.data": {"en": "data", "ko": "데이터"},
    "menu.last_run": {"en": "last run", "ko": "마지막 훈련"},
    "menu.no_data": {"en": "nothing yet", "ko": "아직 없음"},
    "menu.no_run": {"en": "none yet", "ko": "아직 없음"},
    "menu.unfinished": {"en": "unfinished", "ko": "미완료"},
    "menu.no_report": {
        "en": "No report yet: it is written at the end of a run.",
        "ko": "아직 보고서가 없습니다. 훈련이 끝나면 만들어집니다.",
    },
    "menu.report_at": {"en": "The report: {path}", "ko": "보고서: {path}"},
    "menu.report_opened": {
        "en": "Opened in the browser: {path}",
        "ko": "브라우저에서 열었습니다: {path}",
    },
    "menu.nothing_to_resume": {
        "en": "Nothing to resume: {folder} holds no unfinished run.",
        "ko": "이어할 훈련이 없습니다. {folder}에 끝나지 않은 훈련이 없습니다.",
    },
    "menu.resuming": {"en": "Resuming {name}: {command}", "ko": "{name} 이어하기: {command}"},
    "menu.making_sample": {
        "en": "Making the sample competition in {path} ({count} training pictures) ...",
        "ko": "{path}에 예제 대회를 만드는 중 (훈련 이미지 {count}장) ...",
    },
    "menu.sample_made": {"en": "Made: {path}", "ko": "완료: {path}"},
    # --- what was found -------------------------------------------------------------------------
    "found.folder": {"en": "folder", "ko": "폴더"},
    "found.pictures": {"en": "pictures", "ko": "이미지"},
    "found.counts": {"en": "{train} to train on, {test} to predict", "ko": "훈련 {train}장, 예측 {test}장"},
    "found.classes": {"en": "classes", "ko": "클래스"},
    "found.submission": {"en": "submission", "ko": "제출 형식"},
    "found.metric": {"en": "metric", "ko": "평가 지표"},
    "found.understood": {"en": "read as", "ko": "해석"},
    # --- plan -----------------------------------------------------------------------------------
    "plan.decisions": {"en": "Decisions", "ko": "결정 사항"},
    "plan.decision": {"en": "decision", "ko": "항목"},
    "plan.value": {"en": "value", "ko": "값"},
    "plan.reason": {"en": "because", "ko": "이유"},
    "plan.augmentation": {"en": "What is done to training pictures", "ko": "훈련 이미지에 적용하는 증강"},
    "plan.class_policy": {
        "en": "{name}, classes {classes}: the same, and",
        "ko": "{name}, 클래스 {classes}: 위와 같고, 추가로",
    },
    "plan.class_without": {"en": " (without {operations})", "ko": " ({operations} 제외)"},
    "plan.operation": {"en": "operation", "ko": "변환"},
    "plan.share": {"en": "pictures", "ko": "비율"},
    "plan.models": {
        "en": "Models x folds ({trained} of {total} folds trained)",
        "ko": "모델 x fold ({total}개 중 {trained}개 fold 훈련)",
    },
    "plan.backbone": {"en": "backbone", "ko": "모델"},
    "plan.weights": {"en": "weights", "ko": "가중치"},
    "plan.size": {"en": "size", "ko": "크기"},
    "plan.batch": {"en": "batch", "ko": "배치"},
    "plan.epochs": {"en": "epochs", "ko": "epoch"},
    "plan.per_fold": {"en": "per fold", "ko": "fold당"},
    "plan.folds": {"en": "folds", "ko": "fold"},
    "plan.time": {"en": "time", "ko": "시간"},
    "plan.memory": {"en": "memory", "ko": "메모리"},
    "plan.disk": {"en": "disk", "ko": "디스크"},
    "plan.total": {"en": "total", "ko": "합계"},
    "plan.later": {
        "en": "Afterwards, not in the total (under a time limit only where what is left allows)",
        "ko": "이후 단계, 합계에 포함되지 않음 (시간 제한이 있으면 남은 시간이 허용할 때만)",
    },
    "plan.stage": {"en": "stage", "ko": "단계"},
    "plan.fits": {"en": "fits", "ko": "학습 횟수"},
    "plan.at_most": {"en": "at most about", "ko": "최대 약"},
    "plan.written_nothing": {
        "en": "No run was written; what was measured is kept for it. Run it with:",
        "ko": "훈련은 저장하지 않았고, 측정값만 다음 실행을 위해 보관했습니다. 실행하려면:",
    },
    # --- exploration ----------------------------------------------------------------------------
    "explore.done": {"en": "The page about the data: {path}", "ko": "데이터 보고서: {path}"},
    "explore.next": {"en": "Next, the plan of a short run:", "ko": "다음 단계, 짧은 훈련의 계획 보기:"},
    "explore.written_nothing": {
        "en": "Nothing was written. It trains nothing and writes {path}, beside it what was measured and the log. "
        "Run it with:",
        "ko": "아무것도 저장하지 않았습니다. 훈련 없이 {path}와 측정값, 로그만 저장합니다. 실행하려면:",
    },
    # --- end of a run ---------------------------------------------------------------------------
    "end.title": {"en": "Done: {name}", "ko": "완료: {name}"},
    "end.score": {"en": "cross-validated", "ko": "교차 검증"},
    "end.interval": {
        "en": "{level} interval {low} to {high}, {images} pictures, {trained} of {total} folds",
        "ko": "{level} 신뢰구간 {low} ~ {high}, 이미지 {images}장, {total}개 중 {trained}개 fold",
    },
    "end.corrupted": {"en": "corrupted like test", "ko": "test처럼 변형"},
    "end.gap": {"en": "gap", "ko": "차이"},
    "end.gap_means": {
        "en": "A large gap: expect the board nearer to the corrupted score.",
        "ko": "차이가 크면 리더보드 점수는 변형된 점수에 더 가까울 것입니다.",
    },
    "end.baseline": {"en": "baseline", "ko": "기준선"},
    "end.models": {"en": "models", "ko": "모델"},
    "end.techniques": {"en": "techniques kept", "ko": "채택된 기법"},
    "end.techniques_left": {
        "en": "not used: {count} (see the report)",
        "ko": "사용하지 않음: {count}개 (보고서 참고)",
    },
    "end.licences": {"en": "weights' licence", "ko": "가중치 라이선스"},
    "end.random_weights": {"en": "from random weights", "ko": "무작위 가중치에서 시작"},
    "end.non_commercial": {"en": "not for commercial use", "ko": "상업적 이용 불가"},
    "end.submission": {"en": "submission", "ko": "제출 파일"},
    "end.gate": {"en": "gate", "ko": "제출 검사"},
    "end.rows": {"en": "{rows} rows, {form}", "ko": "{rows}행, {form}"},
    "end.passed": {"en": "passed", "ko": "통과"},
    "end.warnings": {"en": "passed with warnings", "ko": "경고와 함께 통과"},
    "end.failed": {"en": "failed", "ko": "실패"},
    "end.report": {"en": "report", "ko": "보고서"},
    "end.time": {"en": "time", "ko": "시간"},
    "end.stopped": {
        "en": "Stopped after {stage}, as asked. Go on with:",
        "ko": "{stage} 단계까지 실행했습니다. 계속하려면:",
    },
    "end.interrupted": {
        "en": "Interrupted; what was finished is kept. Resume with:",
        "ko": "중단했습니다. 끝난 부분은 보관됩니다. 이어하려면:",
    },
    "end.out_of_time": {
        "en": "The time limit was reached in a step that took longer than foreseen.",
        "ko": "예상보다 오래 걸린 단계에서 시간 제한에 도달했습니다.",
    },
    "end.submission_stands": {
        "en": "The submission written before stands: {path}.",
        "ko": "이전에 저장한 제출 파일은 그대로 있습니다: {path}.",
    },
    "end.resume": {"en": "Resume with:", "ko": "이어하려면:"},
    "end.limit": {
        "en": "{used} of {limit}; changed for the limit:",
        "ko": "{limit} 중 {used} 사용; 시간 제한 때문에 바뀐 것:",
    },
    "end.limit_kept": {
        "en": "{used} of {limit}; nothing was given up",
        "ko": "{limit} 중 {used} 사용; 포기한 것 없음",
    },
    "end.steps": {
        "en": "{time}, {steps} % of it steps of training and prediction",
        "ko": "{time}, 그중 {steps} %는 학습과 예측 단계",
    },
    # --- debug ----------------------------------------------------------------------------------
    "debug.title": {"en": "System check", "ko": "시스템 점검"},
    "debug.check": {"en": "check", "ko": "항목"},
    "debug.found": {"en": "found", "ko": "결과"},
    "debug.good": {"en": "good", "ko": "좋음"},
    "debug.warn": {"en": "warn", "ko": "주의"},
    "debug.fail": {"en": "fail", "ko": "실패"},
    "debug.summary": {
        "en": "{good} good, {warn} to look at, {fail} failed ({seconds} s)",
        "ko": "좋음 {good}, 주의 {warn}, 실패 {fail} ({seconds}초)",
    },
    # --- canaries -------------------------------------------------------------------------------
    "canary.begin": {
        "en": "{count} canaries on {data}; tiny nets, about a minute.",
        "ko": "카나리아 {count}개 실행: {data}; 작은 신경망, 약 1분.",
    },
    "canary.made_up": {"en": "a made-up competition", "ko": "임의로 만든 대회"},
    "canary.canary": {"en": "canary", "ko": "카나리아"},
    "canary.what": {"en": "what was planted", "ko": "심은 것"},
    "canary.result": {"en": "result", "ko": "결과"},
    "canary.alive": {
        "en": "Nothing leaks: every canary is alive.",
        "ko": "누출 없음: 모든 카나리아가 살아 있습니다.",
    },
    "canary.dead": {
        "en": "Do not trust a score before this is understood: a canary died, or could not tell.",
        "ko": "원인을 알기 전에는 점수를 믿지 마세요: 카나리아가 죽었거나 판별할 수 없었습니다.",
    },
    # --- fine-tuned or from scratch --------------------------------------------------------------
    "compare.fine_tuning": {"en": "1 of 2: {model}, fine-tuned", "ko": "1/2: {model} 파인튜닝"},
    "compare.full_training": {"en": "2 of 2: {model}, from scratch", "ko": "2/2: {model} 처음부터 학습"},
    "compare.gain": {
        "en": "Gain of fine-tuning, on the same pictures",
        "ko": "파인튜닝의 이득 (같은 이미지 기준)",
    },
    "compare.pictures": {"en": "validation pictures", "ko": "검증 이미지"},
    "compare.clean": {"en": "as they are", "ko": "원본"},
    "compare.corrupted": {"en": "corrupted like test", "ko": "test처럼 변형"},
    "compare.gains": {"en": "gain", "ko": "이득"},
    "compare.bootstrap": {"en": "bootstrap", "ko": "부트스트랩"},
    "compare.corrected_t": {"en": "corrected t", "ko": "보정 t"},
    "compare.verdict": {"en": "fine-tuned is", "ko": "판정"},
    "compare.moved": {
        "en": "How far the weights moved (L2 of the change, as a share of the start)",
        "ko": "가중치 변화량 (시작 가중치 대비 변화의 L2)",
    },
    "compare.layer": {"en": "layer", "ko": "층"},
    "compare.parameters": {"en": "parameters", "ko": "파라미터"},
    "compare.page": {"en": "All of it on a page: {path}", "ko": "전체 비교 보고서: {path}"},
    "menu.compare": {
        "en": "Compare fine-tuning with training from scratch",
        "ko": "파인튜닝과 처음부터 학습 비교하기",
    },
    # --- live view ------------------------------------------------------------------------------
    "live.run": {"en": "whole run", "ko": "전체"},
    "live.left": {"en": "left", "ko": "남음"},
    "live.tasks": {"en": "{done} of {all} tasks", "ko": "작업 {done}/{all}"},
    "live.elapsed": {"en": "elapsed", "ko": "경과"},
    "live.limit": {"en": "to the limit", "ko": "제한까지"},
    "live.preparing": {"en": "preparing", "ko": "준비 중"},
}


def language(environment: Mapping[str, str] | None = None) -> Language:
    """Korean where the locale is Korean, else English; `GRANDMASTER_LANG` (en, ko) overrides the locale.

    Of the locale's variables the first that is set counts, as in POSIX: LC_ALL, LC_MESSAGES, LANG.
    """
    variables = os.environ if environment is None else environment
    for name in ("GRANDMASTER_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = variables.get(name, "").lower()
        if value:
            return "ko" if value.startswith("ko") else "en"
    return "en"


def text(key: str, **values: Any) -> str:
    """The text of a key in the reader's language, with `{name}` places filled in."""
    return TEXTS[key][language()].format(**values)
