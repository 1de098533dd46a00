"""Every text of the menu and of the screens it leads to, in English and Korean."""

from __future__ import annotations

from typing import Any

import _source_roots  # noqa: F401 - grandmaster is found through it
from grandmaster.language import Speaker, language

TEXTS: dict[str, tuple[str, str]] = {
    # --- menu -----------------------------------------------------------------------------------
    "menu.title": (
        "Grandmaster: from competition files to a submission",
        "Grandmaster: 대회 파일에서 제출 파일까지",
    ),
    "menu.question": ("What next?", "무엇을 할까요?"),
    "menu.hint": ("(arrow keys or a number, then Enter)", "(화살표 키나 번호, 그다음 Enter)"),
    "menu.number": ("Number: ", "번호: "),
    "menu.bad_number": ("Please give a number from 1 to {last}.", "1부터 {last} 사이의 번호를 입력하세요."),
    "menu.choose_data": ("Choose the data folder", "데이터 폴더 고르기"),
    "menu.found": ("Show what was found in the data", "데이터에서 찾은 것 보기"),
    "menu.plan": ("Show the plan", "훈련 계획 보기"),
    "menu.report": ("Open the last report", "마지막 보고서 열기"),
    "menu.resume": ("Resume the last unfinished run", "중단된 훈련 이어하기"),
    "menu.sample": ("Make the sample competition", "예제 대회 만들기"),
    "menu.models": ("Models and how to train them", "모델과 훈련 방식 보기"),
    "menu.which_model": ("Which model?", "어느 모델을 볼까요?"),
    "menu.which_training": ("{name}: what next?", "{name}: 무엇을 할까요?"),
    "menu.guide": ("Read about it", "안내 읽기"),
    "menu.train_so": ("Quick test, {mode}", "{mode} 방식으로 빠른 테스트"),
    "menu.mode.fine_tuning": ("fine-tuned (fine_tuning)", "파인튜닝(fine_tuning)"),
    "menu.mode.full_training": ("from scratch (full_training)", "처음부터 학습(full_training)"),
    "menu.mode.inference_only": ("as loaded (inference_only)", "추론 전용(inference_only)"),
    "menu.refused_mode": ("not supported", "지원하지 않음"),
    "menu.discouraged_mode": ("discouraged", "권장하지 않음"),
    "menu.recommended_mode": ("recommended", "권장"),
    "menu.quit": ("Quit", "종료"),
    "menu.back": ("Back", "뒤로"),
    "menu.bye": ("Bye.", "안녕히 가세요."),
    "menu.which_mode": ("The plan of which mode?", "어느 모드의 계획을 볼까요?"),
    "menu.which_data": ("Which competition?", "어느 대회를 사용할까요?"),
    "menu.other_folder": ("Another folder", "다른 폴더"),
    "menu.type_folder": ("Folder of competition files: ", "대회 파일 폴더: "),
    "menu.no_competition": (
        "No competition found in {folder}: choose another folder (“{choose}”), or make the sample competition.",
        "{folder}에 대회가 없습니다. 다른 폴더를 고르거나(“{choose}”) 예제 대회를 만드세요.",
    ),
    "menu.data": ("data", "데이터"),
    "menu.last_run": ("last run", "마지막 훈련"),
    "menu.no_data": ("nothing yet", "아직 없음"),
    "menu.no_run": ("none yet", "아직 없음"),
    "menu.unfinished": ("unfinished", "미완료"),
    "menu.no_report": (
        "No report yet: it is written at the end of a run.",
        "아직 보고서가 없습니다. 훈련이 끝나면 만들어집니다.",
    ),
    "menu.report_at": ("The report: {path}", "보고서: {path}"),
    "menu.report_opened": ("Opened in the browser: {path}", "브라우저에서 열었습니다: {path}"),
    "menu.nothing_to_resume": (
        "Nothing to resume: {folder} holds no unfinished run.",
        "이어할 훈련이 없습니다. {folder}에 끝나지 않은 훈련이 없습니다.",
    ),
    "menu.resuming": ("Resuming {name}: {command}", "{name} 이어하기: {command}"),
    "menu.making_sample": (
        "Making the sample competition in {path} ({count} training pictures) ...",
        "{path}에 예제 대회를 만드는 중 (훈련 이미지 {count}장) ...",
    ),
    "menu.sample_made": ("Made: {path}", "완료: {path}"),
    # --- what was found -------------------------------------------------------------------------
    "found.folder": ("folder", "폴더"),
    "found.pictures": ("pictures", "이미지"),
    "found.counts": ("{train} to train on, {test} to predict", "훈련 {train}장, 예측 {test}장"),
    "found.classes": ("classes", "클래스"),
    "found.submission": ("submission", "제출 형식"),
    "found.metric": ("metric", "평가 지표"),
    "found.understood": ("read as", "해석"),
    # --- plan -----------------------------------------------------------------------------------
    "plan.decisions": ("Decisions", "결정 사항"),
    "plan.decision": ("decision", "항목"),
    "plan.value": ("value", "값"),
    "plan.reason": ("because", "이유"),
    "plan.augmentation": ("What is done to training pictures", "훈련 이미지에 적용하는 증강"),
    "plan.class_policy": (
        "{name}, classes {classes}: the same, and",
        "{name}, 클래스 {classes}: 위와 같고, 추가로",
    ),
    "plan.class_without": (" (without {operations})", " ({operations} 제외)"),
    "plan.operation": ("operation", "변환"),
    "plan.share": ("pictures", "비율"),
    "plan.models": (
        "Models x folds ({trained} of {total} folds trained)",
        "모델 x fold ({total}개 중 {trained}개 fold 훈련)",
    ),
    "plan.backbone": ("backbone", "모델"),
    "plan.weights": ("weights", "가중치"),
    "plan.size": ("size", "크기"),
    "plan.batch": ("batch", "배치"),
    "plan.epochs": ("epochs", "epoch"),
    "plan.per_fold": ("per fold", "fold당"),
    "plan.folds": ("folds", "fold"),
    "plan.time": ("time", "시간"),
    "plan.memory": ("memory", "메모리"),
    "plan.disk": ("disk", "디스크"),
    "plan.total": ("total", "합계"),
    "plan.later": (
        "Afterwards, not in the total (under a time limit only where what is left allows)",
        "이후 단계, 합계에 포함되지 않음 (시간 제한이 있으면 남은 시간이 허용할 때만)",
    ),
    "plan.stage": ("stage", "단계"),
    "plan.fits": ("fits", "학습 횟수"),
    "plan.at_most": ("at most about", "최대 약"),
    "plan.written_nothing": (
        "No run was written; what was measured is kept for it. Run it with:",
        "훈련은 저장하지 않았고, 측정값만 다음 실행을 위해 보관했습니다. 실행하려면:",
    ),
    # --- exploration ----------------------------------------------------------------------------
    "explore.done": ("The page about the data: {path}", "데이터 보고서: {path}"),
    "explore.next": ("Next, the plan of a short run:", "다음 단계, 짧은 훈련의 계획 보기:"),
    "explore.written_nothing": (
        "Nothing was written. It trains nothing and writes {path}, beside it what was measured and the log. "
        "Run it with:",
        "아무것도 저장하지 않았습니다. 훈련 없이 {path}와 측정값, 로그만 저장합니다. 실행하려면:",
    ),
    # --- end of a run ---------------------------------------------------------------------------
    "end.title": ("Done: {name}", "완료: {name}"),
    "end.score": ("cross-validated", "교차 검증"),
    "end.interval": (
        "{level} interval {low} to {high}, {images} pictures, {trained} of {total} folds",
        "{level} 신뢰구간 {low} ~ {high}, 이미지 {images}장, {total}개 중 {trained}개 fold",
    ),
    "end.corrupted": ("corrupted like test", "test처럼 변형"),
    "end.gap": ("gap", "차이"),
    "end.gap_means": (
        "A large gap: expect the board nearer to the corrupted score.",
        "차이가 크면 리더보드 점수는 변형된 점수에 더 가까울 것입니다.",
    ),
    "end.baseline": ("baseline", "기준선"),
    "end.models": ("models", "모델"),
    "end.alone": ("each alone, on its own fold", "모델 각각, 자기 fold 기준"),
    "end.alone_views": (
        "each alone, on its own fold, by the mean of all {views} views",
        "모델 각각, 자기 fold 기준, 시점 {views}개 전체의 평균",
    ),
    "end.blend_views": (
        "above: the blend, with the views that were chosen",
        "위 점수: 고른 시점으로 계산한 앙상블",
    ),
    "end.techniques": ("techniques kept", "채택된 기법"),
    "end.techniques_left": ("not used: {count} (see the report)", "사용하지 않음: {count}개 (보고서 참고)"),
    "end.licences": ("weights' licence", "가중치 라이선스"),
    "end.random_weights": ("from random weights", "무작위 가중치에서 시작"),
    "end.non_commercial": ("not for commercial use", "상업적 이용 불가"),
    "end.submission": ("submission", "제출 파일"),
    "end.gate": ("gate", "제출 검사"),
    "end.rows": ("{rows} rows, {form}", "{rows}행, {form}"),
    "end.passed": ("passed", "통과"),
    "end.warnings": ("passed with warnings", "경고와 함께 통과"),
    "end.failed": ("failed", "실패"),
    "end.report": ("report", "보고서"),
    "end.time": ("time", "시간"),
    "end.stopped": (
        "Stopped after {stage}, as asked. Go on with:",
        "{stage} 단계까지 실행했습니다. 계속하려면:",
    ),
    "end.interrupted": (
        "Interrupted; what was finished is kept. Resume with:",
        "중단했습니다. 끝난 부분은 보관됩니다. 이어하려면:",
    ),
    "end.out_of_time": (
        "The time limit was reached in a step that took longer than foreseen.",
        "예상보다 오래 걸린 단계에서 시간 제한에 도달했습니다.",
    ),
    "end.submission_stands": (
        "The submission written before stands: {path}.",
        "이전에 저장한 제출 파일은 그대로 있습니다: {path}.",
    ),
    "end.resume": ("Resume with:", "이어하려면:"),
    "end.limit": (
        "{used} of {limit}; changed for the limit:",
        "{limit} 중 {used} 사용; 시간 제한 때문에 바뀐 것:",
    ),
    "end.limit_kept": ("{used} of {limit}; nothing was given up", "{limit} 중 {used} 사용; 포기한 것 없음"),
    "end.steps": (
        "{time}, {steps} % of it steps of training and prediction",
        "{time}, 그중 {steps} %는 학습과 예측 단계",
    ),
    # --- debug ----------------------------------------------------------------------------------
    "debug.title": ("System check", "시스템 점검"),
    "debug.check": ("check", "항목"),
    "debug.found": ("found", "결과"),
    "debug.good": ("good", "좋음"),
    "debug.warn": ("warn", "주의"),
    "debug.fail": ("fail", "실패"),
    "debug.summary": (
        "{good} good, {warn} to look at, {fail} failed ({seconds} s)",
        "좋음 {good}, 주의 {warn}, 실패 {fail} ({seconds}초)",
    ),
    # --- canaries -------------------------------------------------------------------------------
    "canary.begin": (
        "{count} canaries on {data}; tiny nets, about a minute.",
        "카나리아 {count}개 실행: {data}; 작은 신경망, 약 1분.",
    ),
    "canary.made_up": ("a made-up competition", "임의로 만든 대회"),
    "canary.canary": ("canary", "카나리아"),
    "canary.what": ("what was planted", "심은 것"),
    "canary.result": ("result", "결과"),
    "canary.alive": ("Nothing leaks: every canary is alive.", "누출 없음: 모든 카나리아가 살아 있습니다."),
    "canary.dead": (
        "Do not trust a score before this is understood: a canary died, or could not tell.",
        "원인을 알기 전에는 점수를 믿지 마세요: 카나리아가 죽었거나 판별할 수 없었습니다.",
    ),
    # --- fine-tuned or from scratch --------------------------------------------------------------
    "compare.fine_tuning": ("1 of 2: {model}, fine-tuned", "1/2: {model} 파인튜닝"),
    "compare.full_training": ("2 of 2: {model}, from scratch", "2/2: {model} 처음부터 학습"),
    "compare.gain": ("Gain of fine-tuning, on the same pictures", "파인튜닝의 이득 (같은 이미지 기준)"),
    "compare.pictures": ("validation pictures", "검증 이미지"),
    "compare.clean": ("as they are", "원본"),
    "compare.corrupted": ("corrupted like test", "test처럼 변형"),
    "compare.gains": ("gain", "이득"),
    "compare.bootstrap": ("bootstrap", "부트스트랩"),
    "compare.corrected_t": ("corrected t", "보정 t"),
    "compare.verdict": ("fine-tuned is", "판정"),
    "compare.moved": (
        "How far the weights moved (L2 of the change, as a share of the start)",
        "가중치 변화량 (시작 가중치 대비 변화의 L2)",
    ),
    "compare.layer": ("layer", "층"),
    "compare.parameters": ("parameters", "파라미터"),
    "compare.page": ("All of it on a page: {path}", "전체 비교 보고서: {path}"),
    "menu.compare": ("Compare fine-tuning with training from scratch", "파인튜닝과 처음부터 학습 비교하기"),
    # --- live view ------------------------------------------------------------------------------
    "live.run": ("whole run", "전체"),
    "live.left": ("left", "남음"),
    "live.tasks": ("{done} of {all} tasks", "작업 {done}/{all}"),
    "live.elapsed": ("elapsed", "경과"),
    "live.limit": ("to the limit", "제한까지"),
    "live.preparing": ("preparing", "준비 중"),
}


def text(key: str, **values: Any) -> str:
    """The text of a key in the reader's language, with `{name}` places filled in."""
    return Speaker(TEXTS, language())(key, **values)
