"""What all pages share, and the first section of a run's report."""

from __future__ import annotations

from grandmaster.language import Texts

RESULT_TEXTS: Texts = {
    # --- shared ---------------------------------------------------------------------------------
    "shared.from_to": ("{low} to {high}", "{low} ~ {high}"),
    "shared.picture": ("picture {id}", "이미지 {id}"),
    "shared.cannot_be_read": ("cannot be read", "읽을 수 없음"),
    "shared.none": ("There are none.", "없습니다."),
    "shared.more": ("and {count} more", "그 외 {count}개"),
    "shared.more_in": (
        "and {count} more, in <code>{file}</code>",
        "그 외 {count}개는 <code>{file}</code>에 있습니다",
    ),
    "shared.more_words_in": (
        "and {count} more {word}, in <code>{file}</code>",
        "그 외 {word} {count}개는 <code>{file}</code>에 있습니다",
    ),
    "shared.names_and_more": ("{names} and {count} more", "{names} 외 {count}개"),
    "shared.no_label": ("no label", "라벨 없음"),
    "shared.yes": ("yes", "예"),
    "shared.no": ("no", "아니요"),
    "shared.train": ("Train", "Train"),
    "shared.test": ("Test", "Test"),
    "shared.model": ("Model", "모델"),
    "shared.pictures": ("Pictures", "이미지"),
    "shared.class": ("Class", "클래스"),
    "shared.clean": ("Clean", "원본"),
    "shared.corrupted": ("Corrupted", "변형"),
    "shared.gain": ("Gain", "차이"),
    "shared.layer": ("Layer", "층"),
    "shared.parameters": ("Parameters", "파라미터"),
    "shared.time": ("Time", "시간"),
    "word.classes": ("classes", "클래스"),
    "word.labels": ("labels", "라벨"),
    "word.grades": ("grades", "등급"),
    "word.train": ("train", "train"),
    "word.test": ("test", "test"),
    "nav.result": ("Result", "결과"),
    "nav.data": ("Data", "데이터"),
    "nav.plan": ("Plan", "계획"),
    "nav.training": ("Training", "훈련"),
    "nav.out_of_fold": ("Out of fold", "Out-of-fold"),
    "nav.mistakes": ("Mistakes", "틀린 예측"),
    "nav.looks": ("Looks", "보는 곳"),
    "nav.labels": ("Labels", "라벨"),
    "nav.worth": ("Worth", "기법 효과"),
    "nav.technique": ("Technique", "기술 정보"),
    # --- result ---------------------------------------------------------------------------------
    "result.mode": ("mode <b>{mode}</b>", "모드 <b>{mode}</b>"),
    "result.metric": ("metric <b>{metric}</b>", "평가 지표 <b>{metric}</b>"),
    "result.score": ("Cross-validated {metric}", "교차 검증 {metric}"),
    "result.interval": ("{level} bootstrap interval", "{level} 부트스트랩 신뢰구간"),
    "result.all_folds": (
        "Over {images} pictures: {trained} of {total} folds were trained.",
        "이미지 {images}장 기준: fold {total}개 중 {trained}개를 훈련했습니다.",
    ),
    "result.some_folds": (
        "Over {images} pictures: {trained} of {total} folds were trained, so the other pictures have no say in this score.",
        "이미지 {images}장 기준: fold {total}개 중 {trained}개를 훈련했으므로 나머지 이미지는 이 점수에 들어가지 않습니다.",
    ),
    "result.left_out": (
        "Left out of the mean, because only one side of them was validated: {names}.",
        "한쪽 답만 검증되어 평균에서 뺀 것: {names}.",
    ),
    "result.corrupted": ("Corrupted as the test is", "test처럼 변형"),
    "result.worse_than_clean": (
        '<span class="num">{loss}</span> worse than clean: expect the leaderboard nearer to this.',
        '원본보다 <span class="num">{loss}</span> 낮습니다. 리더보드 점수는 여기에 더 가까울 것입니다.',
    ),
    "result.no_corrupted": ("No validation on corrupted pictures.", "변형된 이미지로 검증하지 않았습니다."),
    "result.always": ("Always the {baseline}", "항상 {baseline}(으)로 답할 때"),
    "result.better": (
        'This run is <span class="num">{gain}</span> better.',
        '이 실행이 <span class="num">{gain}</span> 더 좋습니다.',
    ),
    "result.worse": (
        'This run is <span class="num">{gain}</span> worse.',
        '이 실행이 <span class="num">{gain}</span> 더 나쁩니다.',
    ),
    "result.not_compared": ("Not compared.", "비교하지 않았습니다."),
    "result.to_train": (
        'to train, <span class="num">{test}</span> to predict, {what}',
        '훈련, 예측 <span class="num">{test}</span>장, {what}',
    ),
    "result.quarantined": (
        ', <span class="num">{count}</span> set aside as unreadable',
        ', 읽을 수 없어 제외 <span class="num">{count}</span>장',
    ),
    "count.classes": ("{count} classes", "클래스 {count}개"),
    "count.labels": ("{count} labels", "라벨 {count}개"),
    "count.grades": ("{count} grades", "등급 {count}개"),
    "count.values": ("{count} estimated values", "추정값 {count}개"),
    "count.values.one": ("{count} estimated value", "추정값 {count}개"),
    "gate.title": ("Submission gate", "제출 검사"),
    "gate.none": ("No submission in this run.", "이 실행에는 제출 파일이 없습니다."),
    "gate.refused": ("✕ Refused", "✕ 거절"),
    "gate.problems": ("{count} problems, below.", "문제 {count}개, 아래에 있습니다."),
    "gate.problems.one": ("{count} problem, below.", "문제 {count}개, 아래에 있습니다."),
    "gate.passed": ("✓ Passed", "✓ 통과"),
    "gate.rows": (
        '<span class="num">{rows}</span> rows, {form}',
        '<span class="num">{rows}</span>행, {form}',
    ),
    "gate.problem": ("problem", "문제"),
    "gate.warning": ("warning", "경고"),
    "verdict.no_score": (
        "This run has no cross-validated score yet.",
        "아직 교차 검증 점수가 없습니다.",
    ),
    "verdict.no_baseline": (
        "There is no baseline with an interval to compare with.",
        "비교할 기준선이나 신뢰구간이 없습니다.",
    ),
    "verdict.beyond_baseline": (
        "The whole interval is better than always answering the {baseline} ({score}).",
        "신뢰구간 전체가 항상 {baseline}(으)로 답할 때의 점수({score})보다 좋습니다.",
    ),
    "verdict.reaches_baseline": (
        "The interval reaches the score of always answering the {baseline} ({score}): "
        "this model may have learnt nothing.",
        "신뢰구간이 항상 {baseline}(으)로 답할 때의 점수({score})에 걸칩니다. "
        "이 모델은 아무것도 배우지 못했을 수 있습니다.",
    ),
    "caution.epochs": (
        "{model} was trained for {trained} of {count} planned epochs.",
        "{model}은(는) 계획한 {count} epoch 중 {trained} epoch만 훈련했습니다.",
    ),
    "caution.epochs.one": (
        "{model} was trained for {trained} of {count} planned epoch.",
        "{model}은(는) 계획한 {count} epoch 중 {trained} epoch만 훈련했습니다.",
    ),
    "caution.random_weights": (
        "{model} began from random weights; pretrained ones mostly reach a higher score.",
        "{model}은(는) 무작위 가중치에서 시작했습니다. 사전 훈련 가중치를 쓰면 대개 점수가 더 높습니다.",
    ),
    # Names as `final_results.json` has them.
    "baseline.majority class": ("majority class", "가장 많은 클래스"),
    "baseline.label shares": ("label shares", "라벨 비율"),
    "baseline.mean": ("mean", "평균"),
    "baseline.median": ("median", "중앙값"),
    "baseline.commonest grade": ("commonest grade", "가장 흔한 등급"),
    "scores.cross_validated": ("cross-validated", "교차 검증"),
    "scores.corrupted": ("corrupted as the test is", "test처럼 변형"),
    "scores.higher": ("{title} (higher is better)", "{title} (높을수록 좋음)"),
    "scores.lower": ("{title} (lower is better)", "{title} (낮을수록 좋음)"),
    "scores.dashed": ("{axis}  ·  dashed: {name} {score}", "{axis}  ·  점선: {name} {score}"),
    "scores.about": (
        "Score of the run with its interval, against the baseline",
        "실행의 점수와 신뢰구간을 기준선과 비교한 그림",
    ),
    # --- what to do next ------------------------------------------------------------------------
    "next.title": ("What to do next", "다음에 할 일"),
    "next.no_submission": (
        "There is no submission yet. Running the same command goes on from here.",
        "아직 제출 파일이 없습니다. 같은 명령을 실행하면 여기서 이어집니다.",
    ),
    "next.refused": (
        "The gate refused the submission: mend what it says, then run again.",
        "제출 검사가 파일을 거절했습니다. 지적한 것을 고치고 다시 실행하세요.",
    ),
    "next.upload": (
        "Upload {file}: it has passed the gate.",
        "{file}을(를) 제출하세요. 제출 검사를 통과했습니다.",
    ),
    "next.upload_unnamed": (
        "Upload the submission: it has passed the gate.",
        "제출 파일을 올리세요. 제출 검사를 통과했습니다.",
    ),
    "next.sure_and_wrong": (
        "{count} pictures are answered wrongly with more than {level} confidence. Look at them "
        "under “Worst mistakes” first: such a label is often wrong.",
        "이미지 {count}장을 {level}가 넘는 확신으로 틀렸습니다. “가장 크게 틀린 것”에서 먼저 살펴보세요. "
        "이런 라벨은 잘못된 경우가 많습니다.",
    ),
    "next.sure_and_wrong.one": (
        "{count} picture is answered wrongly with more than {level} confidence. Look at them "
        "under “Worst mistakes” first: such a label is often wrong.",
        "이미지 {count}장을 {level}가 넘는 확신으로 틀렸습니다. “가장 크게 틀린 것”에서 먼저 살펴보세요. "
        "이런 라벨은 잘못된 경우가 많습니다.",
    ),
    "next.mode": ("Go on with the next mode, {mode}.", "다음 모드 {mode}(으)로 계속하세요."),
    "next.again": ("Make this run again, or resume it.", "이 실행을 다시 하거나 이어서 합니다."),
    "next.conflicts": (
        "{count} groups of duplicates have different labels. Write the right ones into label_fixes.csv in the competition's "
        "folder (columns id and label; drop leaves a picture out): every run follows it, and train.csv stays.",
        "라벨이 서로 다른 중복 묶음이 {count}개 있습니다. 맞는 라벨을 대회 폴더의 label_fixes.csv에 적으세요 "
        "(id와 label 열; drop은 이미지를 제외). 모든 실행이 이를 따르며 train.csv는 그대로입니다.",
    ),
    "next.conflicts.one": (
        "{count} group of duplicates has different labels. Write the right ones into label_fixes.csv in the competition's "
        "folder (columns id and label; drop leaves a picture out): every run follows it, and train.csv stays.",
        "라벨이 서로 다른 중복 묶음이 {count}개 있습니다. 맞는 라벨을 대회 폴더의 label_fixes.csv에 적으세요 "
        "(id와 label 열; drop은 이미지를 제외). 모든 실행이 이를 따르며 train.csv는 그대로입니다.",
    ),
    "next.dry_run": (
        "See what would be trained, each decision with its reason; trains nothing.",
        "무엇을 훈련할지 모든 결정과 이유를 봅니다. 훈련은 하지 않습니다.",
    ),
    "next.quick_test": (
        "Train one model on one fold: a first score and a first submission.",
        "모델 하나를 fold 하나에 훈련합니다. 첫 점수와 첫 제출 파일이 나옵니다.",
    ),
    "next.explore_again": (
        "Make this page again, after a change of the data.",
        "데이터가 바뀌면 이 보고서를 다시 만듭니다.",
    ),
}
