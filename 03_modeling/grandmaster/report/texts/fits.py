"""The sections about the plan, the fits, their out-of-fold predictions and techniques."""

from __future__ import annotations

from grandmaster.language import Texts

FIT_TEXTS: Texts = {
    # --- plan -----------------------------------------------------------------------------------
    "plan.input": ("Input", "입력"),
    "plan.batch": ("Batch", "배치"),
    "plan.epochs": ("Epochs", "epoch"),
    "plan.weights": ("Weights", "가중치"),
    "plan.minutes": ("Minutes a fold", "fold당 시간"),
    "plan.memory": ("Memory", "메모리"),
    "plan.licence": ("licence: {licence}", "라이선스: {licence}"),
    "plan.non_commercial": (
        'licence: <span class="warn">{licence}, not for commercial use</span>',
        '라이선스: <span class="warn">{licence}, 상업적 이용 불가</span>',
    ),
    "plan.planned": ("planned {value}", "계획 {value}"),
    "plan.came_down_to": (
        "{batch} when memory ran out; the same pictures a step",
        "메모리가 모자라 {batch}; 스텝당 이미지는 같음",
    ),
    "plan.came_down_to_recomputing": (
        "{batch}, recomputing activations when memory ran out; the same pictures a step",
        "메모리가 모자라 {batch}, 활성값 재계산; 스텝당 이미지는 같음",
    ),
    "plan.models_note": (
        "Batch: pictures a pass × passes a step. Time and memory: measured, the mean over the folds trained; below, "
        "what was planned.",
        "배치: 한 번에 넣는 이미지 × 스텝당 횟수. 시간과 메모리: 훈련한 fold의 실측 평균이며 아래는 계획한 값입니다.",
    ),
    "plan.no_models": ("The plan names no models.", "계획에 모델이 없습니다."),
    "plan.decisions": ("Decisions", "결정 사항"),
    "plan.no_decisions": ("The plan lists no decisions.", "계획에 결정 사항이 없습니다."),
    "plan.failed": ("Fits that failed", "실패한 학습"),
    "plan.failed_note": (
        "They are part of nothing; the run went on without them.",
        "어디에도 쓰이지 않았고, 실행은 이들 없이 계속되었습니다.",
    ),
    "plan.time_limit": ("Time limit", "시간 제한"),
    "plan.time_used": (
        "{used} of {limit} had been used when this was written.",
        "이 보고서를 쓸 때 {limit} 중 {used}을(를) 사용했습니다.",
    ),
    "plan.nothing_given_up": (" Nothing was given up.", " 포기한 것은 없습니다."),
    "plan.augmentation": ("Augmentation of training pictures", "훈련 이미지 증강"),
    "plan.trial": (
        "<b>Trial</b> ({epochs} epochs of {backbone} each, fold 0). {text}.",
        "<b>시험</b> (각각 {backbone} {epochs} epoch, fold 0). {text}.",
    ),
    "plan.none": ("Nothing has been planned yet (no plan.json).", "아직 계획이 없습니다 (plan.json 없음)."),
    # --- training -------------------------------------------------------------------------------
    "training.note": (
        "The best epoch is that of the best mean score over it and the two before it. Test pictures are predicted by it; "
        "each held-out picture by the epoch that the other half of the held-out pictures chose, so that no score rests on "
        "a choice that its own pictures made.",
        "최고 epoch은 자신과 앞의 두 epoch의 평균 점수가 가장 좋은 것입니다. test 이미지는 이 epoch으로 예측하고, 검증 "
        "이미지는 나머지 절반의 검증 이미지가 고른 epoch으로 예측합니다. 따라서 어떤 점수도 자기 이미지가 고른 것에 "
        "기대지 않습니다.",
    ),
    "training.fold": ("Fold {fold}", "fold {fold}"),
    "training.best_epoch": ("best epoch {best} of {epochs}", "epoch {epochs}개 중 최고 {best}"),
    "training.stopped_early": (", stopped early", ", 조기 종료"),
    "training.part_epochs": ("; held-out pictures by {epochs}", "; 검증 이미지는 epoch {epochs}"),
    "training.and": (" and ", ", "),
    "training.not_finished": ("not finished", "미완료"),
    "training.no_epochs": ("No epochs were recorded.", "기록된 epoch이 없습니다."),
    "training.none": ("No model has been trained yet.", "아직 훈련한 모델이 없습니다."),
    "training.more_fits": (
        "and {count} more fits, in their folders",
        "그 외 학습 {count}개는 각 폴더에 있습니다",
    ),
    "curves.about": (
        "Training of {backbone} on fold {fold}: losses, validation score and learning rate",
        "{backbone}의 fold {fold} 훈련: 손실, 검증 점수, 학습률",
    ),
    "curves.train_loss": ("train loss", "훈련 손실"),
    "curves.val_loss": ("validation loss", "검증 손실"),
    "curves.corrupted": ("corrupted as the test is", "test처럼 변형"),
    "curves.best": ("best", "최고"),
    "curves.axis": ("epoch  ·  bottom: learning rate", "epoch  ·  아래: 학습률"),
    "curves.not_recorded": ("not recorded", "기록 없음"),
    "moved.title": ("How far each layer moved", "층별 가중치 변화량"),
    "moved.rate": ("Peak rate", "최대 학습률"),
    "moved.change": ("Change", "변화"),
    "moved.largest": ("Largest of one weight", "한 가중치의 최대 변화"),
    "moved.note": (
        "Change: L2 norm of weights at the best epoch minus weights at the start, as a share of that at the start; mean "
        "over folds. A new classifier begins near zero, so its share is large.",
        "변화: 최고 epoch의 가중치에서 시작 가중치를 뺀 것의 L2 노름을 시작 가중치의 노름으로 나눈 값, fold 평균. 새 "
        "분류기는 0 근처에서 시작하므로 값이 큽니다.",
    ),
    # --- out of fold ----------------------------------------------------------------------------
    "oof.lead": (
        '<span class="num">{right}</span> of <span class="num">{images}</span> pictures are answered rightly by models '
        "that never saw them ({share}).",
        '이미지 <span class="num">{images}</span>장 중 <span class="num">{right}</span>장을, 그 이미지를 본 적 없는 모델이 '
        "맞혔습니다 ({share}).",
    ),
    "oof.confusion": ("Confusion", "혼동 행렬"),
    "oof.corner": ("truth ↓ predicted →", "정답 ↓ 예측 →"),
    "oof.cell": (
        "{truth} → {predicted}: {count} of {total}",
        "{truth} → {predicted}: {total}장 중 {count}장",
    ),
    "oof.shade": (
        "Pictures; the shade is the share of the row.",
        "이미지 수. 색의 짙기는 행에서의 비율입니다.",
    ),
    "oof.opens": (
        " A number that is underlined opens its pictures.",
        " 밑줄 친 숫자를 누르면 그 이미지가 열립니다.",
    ),
    "oof.too_many": (
        "With {count} classes a matrix cannot be read; the confusions that happen most are below.",
        "클래스가 {count}개라 행렬로는 읽을 수 없습니다. 가장 잦은 혼동은 아래에 있습니다.",
    ),
    "oof.cell_pictures": (
        '<span class="num">{count}</span> pictures',
        '이미지 <span class="num">{count}</span>장',
    ),
    "oof.cell_pictures.one": (
        '<span class="num">{count}</span> picture',
        '이미지 <span class="num">{count}</span>장',
    ),
    "oof.surest": (", the {count} surest", ", 가장 확신한 {count}장"),
    "oof.close": ("close", "닫기"),
    "oof.most_confused": ("Most confused", "가장 많이 헷갈린 것"),
    "oof.pair": ("Truth → predicted", "정답 → 예측"),
    "oof.of_class": ("Of class", "클래스 중"),
    "oof.more_pairs": ("and {count} more pairs", "그 외 {count}쌍"),
    "oof.none_confused": (
        "No picture was taken for another class.",
        "다른 클래스로 잘못 본 이미지가 없습니다.",
    ),
    "oof.each_class": ("Each class, the weakest first", "클래스별 점수, 약한 것부터"),
    "oof.precision": ("Precision", "정밀도"),
    "oof.recall": ("Recall", "재현율"),
    "oof.better_classes": ("and {count} better classes", "그 외 더 나은 클래스 {count}개"),
    "oof.none": (
        "There are no blended out-of-fold predictions yet (no ensemble/oof.npz).",
        "아직 앙상블의 out-of-fold 예측이 없습니다 (ensemble/oof.npz 없음).",
    ),
    "oof_labels.lead": (
        'Of <span class="num">{right}</span> of <span class="num">{images}</span> pictures every label is right ({share}), '
        "by models that never saw them.",
        '이미지 <span class="num">{images}</span>장 중 <span class="num">{right}</span>장의 모든 라벨을, 그 이미지를 본 적 '
        "없는 모델이 맞혔습니다 ({share}).",
    ),
    "oof_labels.each": ("Each label, the weakest first", "라벨별 점수, 약한 것부터"),
    "oof_labels.label": ("Label", "라벨"),
    "oof_labels.average_precision": ("Average precision", "평균 정밀도"),
    "oof_labels.threshold": ("Threshold", "임계값"),
    "oof_labels.better": ("and {count} better labels", "그 외 더 나은 라벨 {count}개"),
    "oof_labels.note": (
        "F1 at the thresholds of the submission.",
        "F1은 제출 파일의 임계값 기준입니다.",
    ),
    "oof_labels.note_fitted": (
        "F1 at the thresholds of the submission, which were fitted on these predictions; the score of the run is nested "
        "and usually a little worse.",
        "F1은 제출 파일의 임계값 기준이며, 이 임계값은 이 예측에 맞춘 것입니다. 실행의 점수는 중첩하여 채점하므로 보통 "
        "조금 낮습니다.",
    ),
    "oof_numbers.lead": (
        '<span class="num">{images}</span> pictures, predicted by models that never saw them.',
        '이미지 <span class="num">{images}</span>장을, 그 이미지를 본 적 없는 모델이 예측했습니다.',
    ),
    "oof_numbers.lead_grades": (
        '<span class="num">{images}</span> pictures, predicted by models that never saw them; '
        '<span class="num">{right}</span> are given the right grade ({share}).',
        '이미지 <span class="num">{images}</span>장을, 그 이미지를 본 적 없는 모델이 예측했습니다. '
        '<span class="num">{right}</span>장의 등급이 맞습니다 ({share}).',
    ),
    "oof_numbers.grades": ("Grades", "등급"),
    "oof_numbers.corner": ("truth ↓ decided →", "정답 ↓ 결정 →"),
    "oof_numbers.against": ("Predicted against true", "정답과 예측"),
    "oof_numbers.about": ("Predicted against true values of {name}", "{name}의 정답과 예측값"),
    "oof_numbers.true": ("true", "정답"),
    "oof_numbers.true_some": ("true ({shown} of {all})", "정답 ({all}개 중 {shown}개)"),
    "oof_numbers.predicted": ("predicted", "예측"),
    "oof_numbers.more_columns": ("and {count} more columns", "그 외 열 {count}개"),
    "oof_numbers.residuals": ("Residuals", "잔차"),
    "oof_numbers.target": ("Target", "목표"),
    "oof_numbers.bias": ("Bias", "편향"),
    "oof_numbers.within": ("90 % are within", "90 %가 이 안에"),
    "oof_numbers.explained": ("Variance explained", "설명된 분산"),
    "oof_numbers.note": (
        "Predicted minus true, in the target’s own unit.",
        "예측에서 정답을 뺀 값, 목표의 단위 그대로.",
    ),
    # --- mistakes -------------------------------------------------------------------------------
    "judged.truth": ("truth: {name}", "정답: {name}"),
    "judged.predicted": ("predicted: {name}", "예측: {name}"),
    "judged.sure": ("{share} sure · loss {loss}", "확신 {share} · 손실 {loss}"),
    "judged.close": ("{first} against {second} for {name}", "{first}, 다음은 {name} {second}"),
    "judged.sets": (
        "{missed} missed, {extra} too many · loss {loss}",
        "빠뜨림 {missed}, 더함 {extra} · 손실 {loss}",
    ),
    "mistakes.worst": ("Worst mistakes", "가장 크게 틀린 것"),
    "mistakes.worst_note": (
        'Wrong answers with the highest loss. <span class="is">Truth</span>, then <span class="said bad">prediction</span>. '
        "A sure answer that is wrong is often a wrong label.",
        '손실이 가장 큰 오답입니다. <span class="is">정답</span>, 그다음 <span class="said bad">예측</span>. 확신한 '
        "오답은 라벨이 잘못된 경우가 많습니다.",
    ),
    "mistakes.sets_note": (
        'Wrong label sets with the highest loss. <span class="is">Truth</span>, then <span class="said bad">prediction'
        "</span>. What is far off is often a wrong label.",
        '손실이 가장 큰 잘못된 라벨 집합입니다. <span class="is">정답</span>, 그다음 <span class="said bad">예측'
        "</span>. 크게 벗어난 것은 라벨이 잘못된 경우가 많습니다.",
    ),
    "mistakes.numbers_note": (
        'The largest residuals. <span class="is">Truth</span>, then <span class="said bad">prediction</span>. What is far '
        "off is often a wrong label.",
        '잔차가 가장 큰 것입니다. <span class="is">정답</span>, 그다음 <span class="said bad">예측</span>. 크게 벗어난 '
        "것은 라벨이 잘못된 경우가 많습니다.",
    ),
    "mistakes.none": ("No validation picture is answered wrongly.", "틀린 검증 이미지가 없습니다."),
    "mistakes.least_certain": ("Least certain", "가장 불확실한 것"),
    "mistakes.nearly_tie": ("The first two classes nearly tie.", "1순위와 2순위 클래스가 거의 같습니다."),
    "mistakes.later": (
        "Mistakes are known once there are blended out-of-fold predictions.",
        "앙상블의 out-of-fold 예측이 나오면 알 수 있습니다.",
    ),
    # --- looks ----------------------------------------------------------------------------------
    "looks.title": ("Where the models look", "모델이 보는 곳"),
    "looks.lead": (
        "Warm: what spoke for the answer, by a model that did not learn the picture. Heat beside the thing itself, on a "
        "frame, a logo, a corner, is a warning that something else is recognised.",
        "따뜻한 색일수록 답의 근거입니다. 그 이미지를 배우지 않은 모델 기준입니다. 대상이 아니라 테두리, 로고, 모서리가 "
        "따뜻하면 다른 것을 알아보고 있다는 경고입니다.",
    ),
    "looks.wrong": ("Surest of the wrong answers", "가장 확신한 오답"),
    "looks.right": ("Surest of the right answers", "가장 확신한 정답"),
    "looks.heat_of": ("heat of: {name}", "근거 대상: {name}"),
    "looks.none": (
        "No heat maps: they need captum (pip install captum), weights that were kept, and some time left.",
        "히트맵이 없습니다. captum(pip install captum)과 보관된 가중치, 남은 시간이 필요합니다.",
    ),
    # --- labels ---------------------------------------------------------------------------------
    "labels.later": (
        "Labels are doubted once there are blended out-of-fold predictions (no label_suspects.csv).",
        "의심되는 라벨은 앙상블의 out-of-fold 예측이 나오면 알 수 있습니다 (label_suspects.csv 없음).",
    ),
    "labels.lead": (
        '<span class="num">{count}</span> labels may be wrong.',
        '라벨 <span class="num">{count}</span>개가 잘못되었을 수 있습니다.',
    ),
    "labels.lead_judged": (
        '<span class="num">{count}</span> labels may be wrong; <span class="num">{judged}</span> of '
        '<span class="num">{pictures}</span> were compared with predictions of models that never saw the picture.',
        '라벨 <span class="num">{count}</span>개가 잘못되었을 수 있습니다. <span class="num">{pictures}</span>개 중 '
        '<span class="num">{judged}</span>개를, 그 이미지를 본 적 없는 모델의 예측과 비교했습니다.',
    ),
    "labels.note": (
        '<span class="is">Label</span>, then <span class="said bad">suggestion</span>; the least credible first. A hard '
        "picture looks like a wrong label to a model: look before you accept.",
        '<span class="is">라벨</span>, 그다음 <span class="said bad">제안</span>. 가장 미덥지 않은 것부터입니다. 어려운 '
        "이미지도 모델에게는 잘못된 라벨처럼 보이므로, 받아들이기 전에 살펴보세요.",
    ),
    "labels.label": ("label: {name}", "라벨: {name}"),
    "labels.suggested": ("suggested: {name}", "제안: {name}"),
    "labels.against": ("{label} against {suggested} · ", "{label} 대 {suggested} · "),
    "labels.command": (
        "This shows them as a table; with <code>--write</code> it writes them into <code>label_fixes.csv</code>, which "
        "the next run follows. <code>train.csv</code> stays as it is.",
        "이 명령은 표로 보여 줍니다. <code>--write</code>를 붙이면 <code>label_fixes.csv</code>에 적고 다음 실행이 이를 "
        "따릅니다. <code>train.csv</code>는 그대로입니다.",
    ),
    # --- what each technique was worth ----------------------------------------------------------
    "worth.title": ("What each technique was worth", "기법별 효과"),
    "worth.technique": ("Technique", "기법"),
    "worth.without": ("Without", "없을 때"),
    "worth.with": ("With", "있을 때"),
    "worth.in_submission": ("In the submission", "제출 파일에"),
    "worth.not_compared": ("not compared", "비교하지 않음"),
    "worth.corrupted": ("corrupted", "변형"),
    "worth.kept": ("kept", "채택"),
    "worth.not_used": ("not used", "사용하지 않음"),
    "worth.note": (
        "Gain: on the same out-of-fold pictures, in the metric's units, above 0 where it helps; {level}interval of a paired "
        "bootstrap over groups of pictures. “Better” is said only where that interval lies above 0 and the folds agree "
        "(corrected t test of Nadeau and Bengio). Dashed: no gain. “Corrupted”: on validation pictures corrupted as the "
        "test set is.",
        "차이: 같은 out-of-fold 이미지에서 평가 지표의 단위로 잰 값이며 도움이 되면 0보다 큽니다. 이미지 묶음 단위 짝지은 "
        "부트스트랩의 {level}신뢰구간입니다. “더 좋음”은 이 구간이 0보다 크고 fold들도 일치할 때만 말합니다 (Nadeau와 "
        "Bengio의 보정 t 검정). 점선: 차이 없음. “변형”: test처럼 변형한 검증 이미지.",
    ),
    "worth.none": (
        "No technique was compared with the run without it.",
        "기법이 있을 때와 없을 때를 비교한 것이 없습니다.",
    ),
    # --- technique ------------------------------------------------------------------------------
    "technique.title": ("Technique", "기술 정보"),
    "technique.ensemble": ("Ensemble", "앙상블"),
    "technique.members": ("{method}, {count} members.", "{method}, 구성 모델 {count}개."),
    "technique.members.one": ("{method}, {count} member.", "{method}, 구성 모델 {count}개."),
    "technique.no_blend": ("Nothing has been blended.", "앙상블이 없습니다."),
    "technique.decisions": ("Decisions", "결정 규칙"),
    "technique.rule": ("{rule}, {why}.", "{rule}, {why}."),
    "technique.rule_corrupted": (
        "{rule}, {why}, on pictures corrupted as the test is.",
        "{rule}, {why}, test처럼 변형한 이미지 기준.",
    ),
    "technique.nested": (
        " The score is nested: each fold was decided by a rule fitted on the others.",
        " 점수는 중첩하여 채점했습니다. fold마다 나머지 fold에 맞춘 규칙으로 결정했습니다.",
    ),
    "tta.title": ("Test-time augmentation", "테스트 시점 증강 (TTA)"),
    "tta.off": ("Off: each picture is looked at once.", "꺼짐: 이미지를 한 번씩만 봅니다."),
    "tta.alone": ("Picture alone", "이미지 하나만"),
    "tta.chosen": ("Views chosen among {count}", "시점 {count}개 중 고른 것"),
    "tta.mean": ("Mean of {count} views", "시점 {count}개의 평균"),
    "tta.difference": ("Difference", "차이"),
    "tta.not_scored": ("Not scored with and without.", "있을 때와 없을 때를 채점하지 않았습니다."),
    "tta.none": (
        "No test-time augmentation was recorded.",
        "테스트 시점 증강 기록이 없습니다.",
    ),
    "models.title": ("Models on their own fold", "자기 fold에서의 모델 점수"),
    "models.about": (
        "Score of each model on its own validation fold, against the blend",
        "모델별 자기 검증 fold의 점수를 앙상블과 비교한 그림",
    ),
    "models.blend_all_folds": ("blend, all folds", "앙상블, 모든 fold"),
    "models.alone": ("Each model alone, on its own fold", "모델 하나씩, 자기 fold 기준"),
    "models.alone_views": (
        "{alone}, by the mean of all {count} views",
        "{alone}, 시점 {count}개 전체의 평균",
    ),
    "models.alone_and_blend": (
        "{alone}. The score at the top is that of the blend.",
        "{alone}. 맨 위의 점수는 앙상블의 점수입니다.",
    ),
    "models.alone_and_blend_chosen": (
        "{alone}. The score at the top is that of the blend, with the views that were chosen.",
        "{alone}. 맨 위의 점수는 고른 시점으로 계산한 앙상블의 점수입니다.",
    ),
    "models.none": ("No scores of single models.", "개별 모델의 점수가 없습니다."),
    "models.fold": ("fold {fold}", "fold {fold}"),
    "models.loss": ("Gap", "차이"),
    "models.blend": ("Blend", "앙상블"),
    "models.gap_note": (
        "Gap: what is lost on validation pictures corrupted as the test is. Where it is large, expect the board nearer to "
        "the corrupted score.",
        "차이: test처럼 변형한 검증 이미지에서 잃는 점수. 차이가 크면 리더보드 점수는 변형된 점수에 더 가까울 것입니다.",
    ),
    "time.in_all": ('<b class="num">{time}</b> in all.', '총 <b class="num">{time}</b>.'),
    "time.overhead": (
        ' <b class="num">{steps}</b> of it were steps of training and prediction, <b class="num">{overhead}</b> '
        "everything else.",
        ' 그중 <b class="num">{steps}</b>는 학습과 예측 단계, <b class="num">{overhead}</b>는 그 밖의 일입니다.',
    ),
    "time.training": ("training steps", "학습 단계"),
    "time.prediction": ("prediction steps", "예측 단계"),
    "time.waiting": ("waiting for pictures", "이미지 대기"),
    "time.own": (
        "all the rest: looking at the data, planning, choosing, writing",
        "나머지: 데이터 살펴보기, 계획, 선택, 저장",
    ),
    "time.none": ("No times were recorded.", "기록된 시간이 없습니다."),
    "machine.title": ("Machine", "장비"),
    "machine.no_gpu": ("none", "없음"),
    "machine.cores": ("{cpu}, {cores} cores", "{cpu}, 코어 {cores}개"),
    "machine.core_count": ("cores", "코어"),
    "machine.memory": ("Memory", "메모리"),
    "machine.system": ("System", "운영 체제"),
    "machine.none": ("No environment.json.", "environment.json이 없습니다."),
    "provenance.title": ("Provenance", "출처"),
    "provenance.classes": ("Classes", "클래스"),
    "provenance.note": ("First 16 digits of SHA-256.", "SHA-256의 앞 16자리."),
    "provenance.no_command": ("The command was not recorded.", "명령이 기록되지 않았습니다."),
}
