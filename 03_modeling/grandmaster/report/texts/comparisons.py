"""The page that compares runs, and the page that compares training modes."""

from __future__ import annotations

from grandmaster.language import Texts
from grandmaster.models.registry.modes import MODE_TITLES

COMPARISON_TEXTS: Texts = {
    "compared.interval": (
        '{low} to {high} <span class="note">{level} interval, paired</span>',
        '{low} ~ {high} <span class="note">{level} 신뢰구간, 짝지은 비교</span>',
    ),
    "compared.difference": ("The difference on the same pictures", "같은 이미지에서의 차이"),
    "compared.corrected": ("Corrected t", "보정 t"),
    # --- training modes -------------------------------------------------------------------------
    "modes.title": (
        "{model}: fine-tuned or from scratch · {name}",
        "{model}: 파인튜닝과 처음부터 학습 · {name}",
    ),
    "modes.heading": ("{model}: fine-tuned or from scratch?", "{model}: 파인튜닝인가, 처음부터 학습인가?"),
    "modes.cost": ("Cost", "비용"),
    "modes.weights": ("Weights", "가중치"),
    "modes.full_training": (MODE_TITLES["full_training"], "처음부터 학습"),
    "modes.fine_tuning": (MODE_TITLES["fine_tuning"], "파인튜닝"),
    "modes.inference_only": (MODE_TITLES["inference_only"], "추론 전용"),
    "modes.folds": ("{trained} of {total} folds, {rows} rows", "fold {total}개 중 {trained}개, {rows}행"),
    "modes.seed": ("seed {seed}", "시드 {seed}"),
    "modes.gain": ("Gain of fine-tuning", "파인튜닝의 이득"),
    "modes.pictures": ("Validation pictures", "검증 이미지"),
    "modes.from_scratch": ("From scratch", "처음부터 학습"),
    "modes.fine_tuned": ("Fine-tuned", "파인튜닝"),
    "modes.bootstrap": ("Bootstrap", "부트스트랩"),
    "modes.verdict": ("Fine-tuned is", "판정"),
    "modes.clean": ("As they are", "원본"),
    "modes.corrupted": ("Corrupted like test", "test처럼 변형"),
    "modes.rule": (
        "“Better” is said only where the paired bootstrap over groups of pictures lies above 0 and, with three folds or "
        "more, the corrected t test over folds agrees.",
        "“더 좋음”은 이미지 묶음 단위의 짝지은 부트스트랩 구간이 0보다 크고, fold가 셋 이상이면 fold에 대한 보정 t 검정도 "
        "일치할 때만 말합니다.",
    ),
    "modes.side_by_side": ("Side by side", "나란히 보기"),
    "modes.note": (
        "Measured on {machine}; “documented” is what others state and nobody measured here. Same folds, pictures, seed, "
        "size and epochs; what a mode's recipe leaves open (rates, pictures a step, BatchNorm) follows the mode. Licence "
        "of the weights: {licence}.",
        "{machine}에서 쟀습니다. “문서의 값”은 다른 곳에 적힌 값이며 여기서 재지 않았습니다. fold, 이미지, 시드, 크기, "
        "epoch은 같고, 방식의 레시피가 정하지 않은 것(학습률, 스텝당 이미지, BatchNorm)은 방식을 따릅니다. 가중치 "
        "라이선스: {licence}.",
    ),
    "modes.unknown": ("unknown", "알 수 없음"),
    "modes.again": ("The same again", "다시 비교하기"),
    "modes.moved": ("How far the weights moved", "가중치 변화량"),
    "modes.moved_note": (
        "L2 norm of weights at the best epoch minus weights at the start, as a share of that at the start, means over "
        "folds; below it the layer's highest peak rate. A new classifier begins near zero, so its share is large.",
        "최고 epoch의 가중치에서 시작 가중치를 뺀 것의 L2 노름을 시작 가중치의 노름으로 나눈 값, fold 평균. 아래는 그 층의 "
        "최대 학습률입니다. 새 분류기는 0 근처에서 시작하므로 값이 큽니다.",
    ),
    "modes.not_moved": (
        "The runs do not tell: their weights were not compared with the start.",
        "알 수 없습니다. 가중치를 시작과 비교하지 않았습니다.",
    ),
    "modes.about": ("Scores of both runs with their intervals", "두 실행의 점수와 신뢰구간"),
    "mode_line.corrupted": ("corrupted like test", "test처럼 변형"),
    "mode_line.training": ("training, all folds", "훈련, 모든 fold"),
    "mode_line.run": ("whole run, data aside", "실행 전체, 데이터 제외"),
    "mode_line.memory": ("memory", "메모리"),
    "mode_line.best_epoch": ("best epoch", "최고 epoch"),
    "mode_line.speed": ("pictures a second", "초당 이미지"),
    "mode_line.start": ("started from", "시작 가중치"),
    "mode_line.rate": ("peak rate", "최대 학습률"),
    "mode_line.batch": ("pictures a step", "스텝당 이미지"),
    "mode_line.moved": ("weights moved by", "가중치 변화량"),
    "mode_line.documented": ("documented", "문서의 값"),
    "mode_value.epochs": ("{best} of {epochs}", "{epochs}개 중 {best}"),
    "mode_value.groups": ("{rate}, in {count} groups", "{rate}, 그룹 {count}개"),
    "mode_value.groups.one": ("{rate}, in {count} group", "{rate}, 그룹 {count}개"),
    "mode_value.layer_decay": ("{rate}, x {decay} a layer down", "{rate}, 층마다 x {decay}"),
    # --- runs -----------------------------------------------------------------------------------
    "runs.differs": ("What differs", "다른 점"),
    "runs.curves": ("Curves", "곡선"),
    "runs.one_against": ("{second} against {first}", "{first} 대비 {second}"),
    "runs.many_against": ("{count} runs against {first}", "{first} 대비 실행 {count}개"),
    "runs.rows": ("{count} rows that both predicted", "둘 다 예측한 {count}행"),
    "runs.gain_of": ("Gain of {name}", "{name}의 이득"),
    "runs.each_against": (
        "Each against {first}, on the same pictures",
        "{first}와(과) 하나씩 비교, 같은 이미지 기준",
    ),
    "runs.best_of_many": (
        "Of {count} runs that are compared with the first, the best looks better than it is.",
        "{count}개를 첫 실행과 비교했습니다. 여럿 중 가장 좋은 것은 실제보다 좋아 보입니다.",
    ),
    "runs.no_scores": ("The runs have no scores.", "점수가 없습니다."),
    "runs.scores": ("Scores", "점수"),
    "runs.run": ("Run", "실행"),
    "runs.board.public": ("Public board", "Public 점수"),
    "runs.board.private": ("Private board", "Private 점수"),
    "runs.folds": ("Folds", "fold"),
    "runs.of": ("{part} of {whole}", "{part}/{whole}"),
    "runs.report": ("report", "보고서"),
    "runs.no_report": ("no report", "보고서 없음"),
    "runs.scores_note": (
        "Out-of-fold scores with their bootstrap intervals; corrupted: on validation pictures corrupted as the test set "
        "is. Intervals of single runs overlap long before the runs are alike: whether one is better, the paired "
        "comparison says.",
        "out-of-fold 점수와 부트스트랩 신뢰구간. 변형: test처럼 변형한 검증 이미지 기준. 실행마다의 구간은 실행들이 비슷하지 "
        "않아도 겹칩니다. 어느 쪽이 좋은지는 짝지은 비교가 말해 줍니다.",
    ),
    "runs.runs": ("Runs", "실행"),
    "runs.before": ("Before", "이전"),
    "runs.after": ("After", "이후"),
    "runs.ahead": ("Folds ahead", "앞선 fold"),
    "runs.verdict": ("Verdict", "판정"),
    "runs.clean": ("as they are", "원본"),
    "runs.corrupted": ("corrupted like test", "test처럼 변형"),
    "runs.row_count": ("{count} rows", "{count}행"),
    "runs.row_count.one": ("{count} row", "{count}행"),
    "runs.difference_note": (
        "Gain: after minus before in the metric's own direction, above 0 where the second is better, with its {level} "
        "paired bootstrap interval over groups of pictures. “Better” is said only where that lies above 0 and, with three "
        "folds or more, the corrected t test over folds agrees.",
        "차이: 평가 지표의 방향으로 이후에서 이전을 뺀 값이며 두 번째가 좋으면 0보다 큽니다. 이미지 묶음 단위의 {level} "
        "짝지은 부트스트랩 신뢰구간과 함께 보여 줍니다. “더 좋음”은 이 구간이 0보다 크고, fold가 셋 이상이면 fold에 대한 "
        "보정 t 검정도 일치할 때만 말합니다.",
    ),
    "runs.no_board": (
        "the board scores of {name} are not known: {why}",
        "{name}의 리더보드 점수를 알 수 없음: {why}",
    ),
    "differing.settings": ("Settings", "설정"),
    "differing.plan": ("Plan", "계획"),
    "differing.augmentation": ("Augmentation of training pictures", "훈련 이미지 증강"),
    "differing.machine": ("Machine", "장비"),
    "differing.open": ("open", "미정"),
    "differing.none": (
        "Nothing: the runs have the same settings and the same plan.",
        "없음: 설정과 계획이 같습니다.",
    ),
    "differing.note": (
        "Everything else is alike. “Open”: left to the plan. An en dash: a run does not have it.",
        "나머지는 같습니다. “미정”: 계획에 맡김. 줄표(–): 그 실행에 없음.",
    ),
    "run_curves.val_score": ("{metric} of validation pictures", "검증 이미지의 {metric}"),
    "run_curves.val_score_corrupted": (
        "{metric}, corrupted as the test is",
        "{metric}, test처럼 변형",
    ),
    "run_curves.val_loss": ("Validation loss", "검증 손실"),
    "run_curves.train_loss": ("Training loss", "훈련 손실"),
    "run_curves.learning_rate": ("Learning rate", "학습률"),
    "run_curves.about": ("{title} of all runs over the epochs", "모든 실행의 epoch별 {title}"),
    "run_curves.note": (
        "A thin line for each fit, a thick one for the mean of a run's fits, as far as all of them go. Losses can be set "
        "side by side only where loss, smoothing and mixing are the same; scores always can.",
        "가는 선은 학습 하나, 굵은 선은 실행의 평균이며 모든 학습이 간 곳까지 그립니다. 손실은 손실 함수, smoothing, "
        "혼합이 같을 때만 나란히 볼 수 있고, 점수는 언제나 볼 수 있습니다.",
    ),
    "runs.about": ("Scores of the runs with their intervals", "실행들의 점수와 신뢰구간"),
    "runs.like_test": ("{metric}, corrupted as the test is", "{metric}, test처럼 변형"),
    "of_kind.multiclass": ("Class", "클래스"),
    "of_kind.multilabel": ("Label", "라벨"),
    "of_kind.ordinal": ("Grade", "등급"),
    "of_kind.regression": ("Value", "값"),
    "measured.F1": ("F1", "F1"),
    "measured.average precision": ("average precision", "평균 정밀도"),
    "measured.RMSE": ("RMSE", "RMSE"),
    "class_by_class.multiclass": ("Class by class", "클래스별 비교"),
    "class_by_class.multilabel": ("Label by label", "라벨별 비교"),
    "class_by_class.ordinal": ("Grade by grade", "등급별 비교"),
    "class_by_class.regression": ("Value by value", "값별 비교"),
    "class_table.rows": ("Rows", "행"),
    "class_table.left_out": ("and {count} more that differ less", "그 외 차이가 더 작은 {count}개"),
    "class_table.note": (
        "{measure} on the {rows} rows that all runs predicted out of fold, the largest difference first; gain: above 0 "
        "where the run is better than {first}. These have no intervals: where a class has few pictures, one picture more "
        "or less moves them.",
        "{measure}, 모든 실행이 out-of-fold로 예측한 {rows}행 기준, 차이가 큰 것부터. 차이: 실행이 {first}보다 좋으면 0보다 "
        "큽니다. 신뢰구간이 없으므로 이미지가 적은 클래스는 한 장 차이로도 움직입니다.",
    ),
    "class_table.note_corrupted": (
        "{measure} on the {rows} rows that all runs predicted out of fold, their pictures corrupted as the test set is, the "
        "largest difference first; gain: above 0 where the run is better than {first}. These have no intervals: where a "
        "class has few pictures, one picture more or less moves them.",
        "{measure}, 모든 실행이 out-of-fold로 예측한 {rows}행 기준이며 이미지는 test처럼 변형, 차이가 큰 것부터. 차이: 실행이 "
        "{first}보다 좋으면 0보다 큽니다. 신뢰구간이 없으므로 이미지가 적은 클래스는 한 장 차이로도 움직입니다.",
    ),
    "class_table.none": (
        "No picture was predicted out of fold by all of the runs.",
        "모든 실행이 out-of-fold로 예측한 이미지가 없습니다.",
    ),
    "runs.whole": ("Whole run", "실행 전체"),
    "runs.all_fits": ("All fits", "모든 학습"),
    "runs.steps": ("Steps of training and prediction", "학습과 예측 단계"),
    "runs.time_note": (
        "Measured over all starts of a run, each on the machine that it ran on.",
        "한 실행의 모든 시작을 합친 시간이며, 각각 실행한 장비에서 쟀습니다.",
    ),
}
