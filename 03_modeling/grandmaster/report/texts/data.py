"""The section about the data, and the page of an exploration."""

from __future__ import annotations

from grandmaster.images.corruption import KINDS
from grandmaster.language import Texts

# Korean titles and units of `KINDS`; English ones are theirs.
_KINDS = {
    "mixup": ("두 이미지 혼합", "다른 이미지의 비중"),
    "cutmix": ("다른 이미지의 일부 붙여 넣기", "면적 비율"),
    "flip": ("좌우·상하 반전 또는 전치", ""),
    "crop": ("잘라내기", "각 변에서 남은 비율"),
    "rotation": ("회전", "가장 가까운 직각에서 벗어난 각도"),
    "frame": ("회전 후 틀", "1 유지, 2 확대"),
    "exposure": ("더 밝거나 어두움", "stop"),
    "noise": ("노이즈", "회색 단계"),
    "colour": ("노이즈의 색", "비율"),
    "blur": ("흐림", "px, 표준편차"),
}

DATA_TEXTS: Texts = {
    "data.lead": (
        "{name}, layout {layout}. Metric: {metric} ({reason}).",
        "{name}, 형태 {layout}. 평가 지표: {metric} ({reason}).",
    ),
    "data.understood": ("How the folder was understood", "폴더를 어떻게 해석했는지"),
    "data.side_by_side": ("Train and test side by side", "train과 test 나란히 보기"),
    "data.how_test_differs": ("How test differs from train", "test가 train과 다른 점"),
    "data.files_to_look_at": ("Files to look at", "살펴볼 파일"),
    "data.not_inspected": (
        "The pictures have not been inspected yet (no fingerprint.json).",
        "아직 이미지를 살펴보지 않았습니다 (fingerprint.json 없음).",
    ),
    "data.folds": (
        "Folds: {count}, of {range} pictures; {groups} groups of pictures that stay together.",
        "fold {count}개, 각각 이미지 {range}장. 함께 두는 이미지 묶음 {groups}개.",
    ),
    "data.no_folds": (
        "The folds have not been made yet (no folds.csv).",
        "아직 fold를 나누지 않았습니다 (folds.csv 없음).",
    ),
    "data.no_train": ("No training picture could be read.", "읽을 수 있는 훈련 이미지가 없습니다."),
    "data.no_test": ("No test picture could be read.", "읽을 수 있는 test 이미지가 없습니다."),
    "data.strongest": ("Strongest:", "가장 큰 차이:"),
    "data.no_shift": (
        "No statistic is shifted by half a standard deviation or more.",
        "표준편차의 절반 이상 달라진 통계가 없습니다.",
    ),
    "data.strength.large": ("large", "큼"),
    "data.strength.medium": ("medium", "중간"),
    "data.strength.small": ("small", "작음"),
    "data.statistic": ("Statistic", "통계"),
    "data.shift": ("Shift", "차이"),
    "data.spread": ("Spread", "분포"),
    "data.statistics_note": (
        "Mean ± standard deviation. Shift: difference of the means in pooled standard deviations (Cohen’s d); 0.5 is "
        "medium, 0.8 large. Spread: 5 to 95 %, box 25 to 75 %, mark at the median, both sides on one scale.",
        "평균 ± 표준편차. 차이: 두 평균의 차이를 합동 표준편차로 나눈 값 (Cohen’s d). 0.5는 중간, 0.8은 큼. "
        "분포: 선은 5 ~ 95 %, 상자는 25 ~ 75 %, 눈금은 중앙값이며 양쪽이 같은 눈금을 씁니다.",
    ),
    "data.analysis_size": (
        " Sharpness and noise are measured at {size} px.",
        " 선명도와 노이즈는 {size} px에서 쟀습니다.",
    ),
    "data.no_statistics": (
        "The fingerprint holds no picture statistics.",
        "fingerprint에 이미지 통계가 없습니다.",
    ),
    "data.classes_of": ("{count} {word} of {range} pictures.", "{word} {count}개, 각각 이미지 {range}장."),
    "data.classes_of_several": (
        "{count} {word} of {range} pictures; a picture may have several.",
        "{word} {count}개, 각각 이미지 {range}장. 한 이미지에 여러 개가 있을 수 있습니다.",
    ),
    "data.no_classes": ("The fingerprint holds no classes.", "fingerprint에 클래스가 없습니다."),
    "data.unreadable": ("Unreadable pictures", "읽을 수 없는 이미지"),
    "data.unreadable_note": (
        "Files that could not be decoded, and why.",
        "디코딩할 수 없는 파일과 그 이유.",
    ),
    "data.all_readable": ("Every picture could be read.", "모든 이미지를 읽을 수 있습니다."),
    "data.exact": ("Exact duplicates in train, groups", "train 안의 같은 이미지 묶음"),
    "data.exact_note": (
        "The same picture more than once. A group never spans two folds.",
        "같은 이미지가 두 번 이상 있습니다. 한 묶음은 두 fold에 걸치지 않습니다.",
    ),
    "data.near": ("Near-duplicates in train, groups", "train 안의 거의 같은 이미지 묶음"),
    "data.near_note": (
        "Almost the same picture. A group never spans two folds.",
        "거의 같은 이미지입니다. 한 묶음은 두 fold에 걸치지 않습니다.",
    ),
    "data.in_train": ("Duplicates in train, groups", "train 안의 중복 묶음"),
    "data.in_train_note": (
        "The same picture, or almost. A group never spans two folds.",
        "같거나 거의 같은 이미지입니다. 한 묶음은 두 fold에 걸치지 않습니다.",
    ),
    "data.across": ("Pictures of test that are also in train, pairs", "train에도 있는 test 이미지 쌍"),
    "data.across_note": ("Training picture and test picture.", "훈련 이미지와 test 이미지."),
    "data.within_test": ("Duplicates in test, groups", "test 안의 중복 묶음"),
    "data.within_test_note": ("The same picture, or almost.", "같거나 거의 같은 이미지입니다."),
    "data.conflicts": ("Duplicates with different labels, groups", "라벨이 서로 다른 중복 묶음"),
    "data.conflicts_note": (
        "The same picture, or almost, with different labels: usually one of them is wrong.",
        "같거나 거의 같은 이미지의 라벨이 다릅니다. 보통 하나는 잘못된 라벨입니다.",
    ),
    "data.odd": ("Odd pictures", "특이한 이미지"),
    "data.odd_what": ("What", "무엇"),
    "data.odd_first": ("The first", "처음 몇 개"),
    "data.odd_note": (
        "They can be read and are used; what is rare may be a mistake.",
        "읽을 수 있어 사용합니다. 드문 것은 오류일 수 있습니다.",
    ),
    # --- shift ----------------------------------------------------------------------------------
    "shift.title": ("Can a classifier tell train from test?", "분류기가 train과 test를 구별할 수 있는가?"),
    "shift.auc": (
        "Adversarial validation: AUC {auc}. 0.5: not at all; 1: always.",
        "적대적 검증: AUC {auc}. 0.5면 전혀 구별하지 못하고 1이면 항상 구별합니다.",
    ),
    "shift.auc_embedding": (
        "Adversarial validation: AUC {auc}, by embeddings of {backbone} {embedding}. 0.5: not at all; 1: always.",
        "적대적 검증: AUC {auc}, {backbone} 임베딩으로는 {embedding}. 0.5면 전혀 구별하지 못하고 1이면 항상 구별합니다.",
    ),
    "shift.auc_fitted": (
        " Once training pictures are corrupted as test pictures were found to be: {auc}.",
        " 훈련 이미지를 test에서 찾은 대로 변형하면: {auc}.",
    ),
    "shift.features_note": (
        "What tells them apart, and how much of the telling it does.",
        "무엇으로 구별하며 각각 얼마나 기여하는지.",
    ),
    "shift.done_to_test": ("What was done to the test pictures", "test 이미지에 일어난 변형"),
    "shift.corruption": ("Corruption", "변형"),
    "shift.test_pictures": ("Test pictures", "test 이미지"),
    "shift.readable": ("Readable", "판독력"),
    "shift.strength": ("Strength", "세기"),
    "shift.kinds_note": (
        "Read from the unlabelled test pictures by classifiers that learnt on simulated ones ({count} pictures). Range: "
        "two ways of estimating and their 95 % intervals. Readable: AUC of present against absent on simulated pictures "
        "that were not learnt from; near 0.5 nothing can be said.",
        "시뮬레이션한 이미지({count}장)로 배운 분류기가 라벨 없는 test 이미지에서 읽은 값입니다. 범위: 두 추정 방법과 그 "
        "95 % 신뢰구간. 판독력: 배우지 않은 시뮬레이션 이미지에서 있음과 없음을 구별하는 AUC. 0.5에 가까우면 아무것도 "
        "말할 수 없습니다.",
    ),
    "shift.stored": (
        "Files, by their headers: train {train}, test {test}.",
        "파일 헤더 기준: train {train}, test {test}.",
    ),
    "shift.no_jpegs": ("no JPEGs", "JPEG 없음"),
    "shift.jpegs": ("JPEG of quality {quality}", "JPEG 품질 {quality}"),
    "shift.some_jpegs": ("{share} JPEG of quality {quality}", "{share} JPEG 품질 {quality}"),
    "shift.most_test_like": (
        "Training pictures that look most like test pictures:",
        "test 이미지와 가장 비슷한 훈련 이미지:",
    ),
    **{f"corruption.{name}": (KINDS[name].title, title) for name, (title, _) in _KINDS.items()},
    **{f"corruption_unit.{name}": (KINDS[name].unit, unit) for name, (_, unit) in _KINDS.items() if unit},
    # --- statistics -----------------------------------------------------------------------------
    "statistic.brightness": ("Brightness", "밝기"),
    "statistic.contrast": ("Contrast", "대비"),
    "statistic.sharpness": ("Sharpness", "선명도"),
    "statistic.noise": ("Noise", "노이즈"),
    "statistic.overexposed": ("Overexposed", "과다 노출"),
    "statistic.corner_fill": ("Filled corners", "채워진 모서리"),
    "statistic.axis_alignment": ("Axis alignment", "축 정렬"),
    "statistic.width": ("Width", "너비"),
    "statistic.height": ("Height", "높이"),
    "statistic.aspect": ("Aspect", "가로세로비"),
    "statistic.bytes": ("File size", "파일 크기"),
    "unit.brightness": ("mean grey, 0–255", "평균 회색값, 0–255"),
    "unit.contrast": ("standard deviation of grey", "회색값의 표준편차"),
    "unit.sharpness": ("variance of the Laplacian", "라플라시안의 분산"),
    "unit.noise": ("sigma, grey levels", "시그마, 회색 단계"),
    "unit.overexposed": ("share of pixels at 250 or above", "250 이상인 픽셀의 비율"),
    "unit.corner_fill": (
        "share of corners in one flat extreme colour",
        "검거나 흰 한 가지 색으로 채워진 모서리의 비율",
    ),
    "unit.axis_alignment": (
        "gradient energy along the picture's axes",
        "이미지 축 방향의 기울기 에너지",
    ),
    "unit.aspect": ("width / height", "너비 / 높이"),
    # --- how test differs, in words -------------------------------------------------------------
    "differs.sentence": (
        "Test pictures are {how}: {name} {train} in train, {test} in test ({strength}, {shift} standard deviations).",
        "test 이미지는 {how}: {name} train {train}, test {test} ({strength}, 표준편차의 {shift}배).",
    ),
    "differs.higher": ("higher in {name}", "{name} 값이 더 큽니다"),
    "differs.lower": ("lower in {name}", "{name} 값이 더 작습니다"),
    "differs.brightness.higher": ("brighter", "더 밝습니다"),
    "differs.brightness.lower": ("darker", "더 어둡습니다"),
    "differs.contrast.higher": ("higher in contrast", "대비가 더 높습니다"),
    "differs.contrast.lower": ("lower in contrast", "대비가 더 낮습니다"),
    "differs.sharpness.higher": ("sharper", "더 선명합니다"),
    "differs.sharpness.lower": ("blurrier", "더 흐립니다"),
    "differs.noise.higher": ("noisier", "노이즈가 더 많습니다"),
    "differs.noise.lower": ("less noisy", "노이즈가 더 적습니다"),
    "differs.overexposed.higher": ("more overexposed", "과다 노출이 더 많습니다"),
    "differs.overexposed.lower": ("less overexposed", "과다 노출이 더 적습니다"),
    "differs.corner_fill.higher": (
        "more often filled with one colour in the corners, as turned pictures are",
        "회전한 이미지처럼 모서리가 한 색으로 채워진 경우가 더 많습니다",
    ),
    "differs.corner_fill.lower": (
        "less often filled with one colour in the corners",
        "모서리가 한 색으로 채워진 경우가 더 적습니다",
    ),
    "differs.axis_alignment.higher": (
        "better aligned with the picture's axes",
        "이미지 축에 더 잘 맞습니다",
    ),
    "differs.axis_alignment.lower": (
        "less aligned with the picture's axes, as turned pictures are",
        "회전한 이미지처럼 이미지 축에서 더 벗어나 있습니다",
    ),
    "differs.width.higher": ("wider", "너비가 더 큽니다"),
    "differs.width.lower": ("narrower", "너비가 더 작습니다"),
    "differs.height.higher": ("taller", "높이가 더 큽니다"),
    "differs.height.lower": ("less tall", "높이가 더 작습니다"),
    "differs.aspect.higher": ("wider for their height", "높이에 비해 더 넓습니다"),
    "differs.aspect.lower": ("narrower for their height", "높이에 비해 더 좁습니다"),
    "differs.bytes.higher": ("larger files", "파일이 더 큽니다"),
    "differs.bytes.lower": ("smaller files", "파일이 더 작습니다"),
    # --- augmentation ---------------------------------------------------------------------------
    "augmentation.share": ("{share} of pictures", "이미지의 {share}"),
    "augmentation.classes": ("{count} classes", "클래스 {count}개"),
    "augmentation.class_names": ("Classes", "클래스"),
    "augmentation.sheet": (
        "training pictures, augmented ones and test pictures",
        "훈련 이미지, 증강한 이미지, test 이미지",
    ),
    "augmentation.sheet_note": (
        "Top: training pictures as they are; middle: the same as training sees them; bottom: test pictures.",
        "위: 훈련 이미지 원본, 가운데: 같은 이미지를 훈련이 보는 모습, 아래: test 이미지.",
    ),
    # --- exploration ----------------------------------------------------------------------------
    "explore.title": ("{name} · data", "{name} · 데이터"),
    "explore.kicker": ("exploration", "데이터 탐색"),
    "explore.overview": ("Overview", "개요"),
    "explore.examples": ("Examples", "예시"),
    "explore.train_and_test": ("Train and test", "train과 test"),
    "explore.classes": ("Classes", "클래스"),
    "explore.duplicates": ("Duplicates", "중복"),
    "explore.files": ("Files", "파일"),
    "explore.next": ("Next", "다음"),
    "explore.layout": ("layout <b>{layout}</b>", "형태 <b>{layout}</b>"),
    "explore.target": ("target <b>{kind}</b>", "목표 <b>{kind}</b>"),
    "explore.submission": ("submission <b>{form}</b>", "제출 형식 <b>{form}</b>"),
    "explore.train_pictures": ("Training pictures", "훈련 이미지"),
    "explore.grouped": ("grouped by {column}, ", "{column}(으)로 묶음, "),
    "explore.duplicate_groups": (
        '<span class="num">{count}</span> groups of duplicates',
        '중복 묶음 <span class="num">{count}</span>개',
    ),
    "explore.test_pictures": ("Test pictures", "test 이미지"),
    "explore.rows": (
        '<span class="num">{count}</span> rows to submit',
        '제출할 행 <span class="num">{count}</span>개',
    ),
    "explore.pictures_each": ("{low} to {high} pictures each", "각각 이미지 {low} ~ {high}장"),
    "explore.a_number": ("a number is to be estimated", "수치를 추정합니다"),
    "explore.worth_a_look": ("Worth a look", "살펴볼 것"),
    "explore.worth_a_look_note": (
        '<span class="num">{unreadable}</span> unreadable, <span class="num">{conflicts}</span> groups of duplicates that '
        "contradict each other",
        '읽을 수 없음 <span class="num">{unreadable}</span>개, 라벨이 서로 다른 중복 묶음 '
        '<span class="num">{conflicts}</span>개',
    ),
    "explore.size_and_shape": ("Size and shape", "크기와 모양"),
    "explore.width_and_height": ("Width and height", "너비와 높이"),
    "explore.ranges_note": (
        "Line: 5 to 95 % of the pictures; bar: 25 to 75 %; mark: the median.",
        "선: 이미지의 5 ~ 95 %, 막대: 25 ~ 75 %, 눈금: 중앙값.",
    ),
    "explore.sizes_about": ("Width and height of the pictures", "이미지의 너비와 높이"),
    "explore.aspects_about": ("Aspect of the pictures", "이미지의 가로세로비"),
    "explore.fitted_augmentation": (
        "Augmentation fitted to the test pictures",
        "test 이미지에 맞춘 증강",
    ),
    "explore.balance": ("Balance", "균형"),
    "explore.balance_about": (
        "Pictures of each class, the largest class first",
        "클래스별 이미지 수, 큰 클래스부터",
    ),
    "explore.balance_axis": (
        "classes, the largest first  ·  dashed: mean {mean}",
        "클래스, 큰 것부터  ·  점선: 평균 {mean}",
    ),
    "explore.no_classes": (
        "The target is a number: there are no classes.",
        "목표가 수치이므로 클래스가 없습니다.",
    ),
    "explore.class_statistics": (
        "What the pictures of each class are like",
        "클래스별 이미지의 특징",
    ),
    "explore.class_statistics_note": (
        "Means over the training pictures of the class.",
        "클래스의 훈련 이미지 평균입니다.",
    ),
    "explore.more_classes": (" And {count} more classes.", " 그 외 클래스 {count}개."),
}
