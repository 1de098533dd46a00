"""Every text of the page, English and Korean side by side; what runs write into their files stays in English."""

from __future__ import annotations

from grandmaster.language import LANGUAGES, Language, Speaker

TEXTS: dict[str, tuple[str, str]] = {
    # --- frame ----------------------------------------------------------------------------------
    "page.title": ("Grandmaster", "Grandmaster"),
    "page.lead": ("From competition files to a submission", "대회 파일에서 제출 파일까지"),
    "page.language": ("한국어", "English"),
    "page.theme": ("Light or dark", "밝게 또는 어둡게"),
    "page.again": ("Refresh", "새로 고침"),
    "page.working": ("One moment ...", "잠시만요 ..."),
    "page.nothing": ("Nothing here yet.", "아직 없습니다."),
    "page.close": ("Close", "닫기"),
    "page.more": ("Show {count} more", "{count}개 더 보기"),
    "page.any": ("any", "전체"),
    "page.unexpected": (
        "Something went wrong: {what}. The terminal of the page has the details.",
        "문제가 생겼습니다: {what}. 자세한 내용은 페이지를 시작한 터미널에 있습니다.",
    ),
    "tab.data": ("Data", "데이터"),
    "tab.models": ("Models", "모델"),
    "tab.train": ("Train", "훈련"),
    "tab.runs": ("Runs", "실행 기록"),
    "tab.predict": ("Predict", "예측"),
    "tab.submit": ("Submit", "제출"),
    # --- runs -----------------------------------------------------------------------------------
    "runs.lead": (
        "Every training, the newest first. Pick two or more to compare.",
        "모든 훈련, 최신순. 두 개 이상 고르면 비교할 수 있습니다.",
    ),
    "runs.none": (
        "No run yet. Start one on the Train page.",
        "아직 실행한 훈련이 없습니다. 훈련 페이지에서 시작하세요.",
    ),
    "runs.of": ("Competition", "대회"),
    "runs.running": ("running", "진행 중"),
    "runs.finished": ("finished", "완료"),
    "runs.stopped": ("stopped", "중단됨"),
    "runs.failed": ("failed", "실패"),
    "runs.report": ("Report", "보고서"),
    "runs.explored": ("Data page", "데이터 보고서"),
    "runs.look": ("Look", "보기"),
    "runs.score": ("cross-validated {metric}", "교차 검증 {metric}"),
    "runs.corrupted": ("like the test set", "test와 비슷하게"),
    "runs.pick": ("Pick to compare", "비교할 실행 선택"),
    "runs.compare": ("Compare {count}", "{count}개 비교"),
    "runs.compare_hint": ("Pick two or more runs.", "두 개 이상 선택하세요."),
    "runs.first": (
        "The first one picked is compared with each other one.",
        "먼저 고른 실행을 나머지와 하나씩 비교합니다.",
    ),
    "runs.many": (
        "{count} runs were compared with the first: of so many, the best looks better than it is.",
        "{count}개를 첫 실행과 비교했습니다. 여럿 중 가장 좋은 것은 실제보다 좋아 보입니다.",
    ),
    "compare.on": ("validation pictures", "검증 이미지"),
    "compare.clean": ("as they are", "원본 그대로"),
    "compare.corrupted": ("corrupted like test", "test처럼 변형"),
    "compare.before": ("before", "이전"),
    "compare.after": ("after", "이후"),
    "compare.gain": ("gain", "차이"),
    "compare.bootstrap": ("bootstrap", "부트스트랩"),
    "compare.corrected": ("corrected t", "보정 t"),
    "compare.ahead": ("folds ahead", "앞선 fold"),
    "compare.verdict": ("verdict", "판정"),
    "compare.page": (
        "All of it on one page: settings, curves, classes, times",
        "한 페이지로 보기: 설정, 곡선, 클래스, 시간",
    ),
    # --- models ---------------------------------------------------------------------------------
    "models.lead": (
        "What there is, and how each may be trained. ★ recommended, ✓ supported, ▲ discouraged, ✗ not supported.",
        "어떤 모델이 있고 어떻게 훈련할 수 있는지. ★ 권장, ✓ 지원, ▲ 권장하지 않음, ✗ 지원하지 않음.",
    ),
    "models.search": ("Search", "검색"),
    "models.task": ("Task", "과제"),
    "models.mode": ("Training mode", "훈련 방식"),
    "models.licence": ("Licence of weights", "가중치 라이선스"),
    "models.million": ("At most, million parameters", "최대 파라미터 (백만)"),
    "models.gpu": ("Trains on a GPU of, GB", "훈련할 GPU 메모리 (GB)"),
    "models.at_hand": ("Weights are here", "가중치가 있는 것만"),
    "models.found": ("{count} of {all} models", "모델 {all}개 중 {count}개"),
    "models.images": ("Pictures that you have", "가지고 있는 이미지 수"),
    "models.advice": ("Recommended for {images} pictures: {text}.", "이미지 {images}장에 권장: {text}."),
    "models.guide": ("Guide", "안내"),
    "models.train": ("Train it", "훈련하기"),
    "models.parameters": ("{million} M", "{million} M"),
    "models.documented": ("documented, not counted here", "문서에 적힌 값"),
    "models.weights_here": ("weights here", "가중치 있음"),
    "models.non_commercial": ("not for commercial use", "상업적 이용 불가"),
    "models.needs_gb": ("from {gb} GB", "{gb} GB부터"),
    "models.counting": ("Counting memory: {done} of {all} ...", "메모리 계산 중: {all}개 중 {done}개 ..."),
    "models.pretrained_on": ("pretrained on {data}", "사전 학습: {data}"),
    "models.missing.extra not installed": ("extra not installed", "추가 패키지 필요"),
    "models.missing.task not here yet": ("task not here yet", "아직 지원하지 않는 과제"),
    "mode.fine_tuning": ("fine-tuning", "미세 조정"),
    "mode.full_training": ("from scratch", "처음부터 학습"),
    "mode.inference_only": ("inference only", "추론 전용"),
    "offered.recommended": ("recommended", "권장"),
    "offered.supported": ("supported", "지원"),
    "offered.discouraged": ("discouraged", "권장하지 않음"),
    "offered.refused": ("not supported", "지원하지 않음"),
    "task.classification": ("classification", "분류"),
    "task.detection": ("detection", "검출"),
    "task.segmentation": ("segmentation", "분할"),
    "task.pose": ("pose", "자세 추정"),
    "task.super_resolution": ("super-resolution", "초해상도"),
    # --- train ----------------------------------------------------------------------------------
    "train.lead": (
        "Choose, look at the plan, start. Closing this page does not stop a training.",
        "고르고, 계획을 보고, 시작하세요. 이 페이지를 닫아도 훈련은 계속됩니다.",
    ),
    "train.data": ("Competition", "대회"),
    "train.mode": ("Mode", "모드"),
    "train.name": ("Name of the experiment", "실험 이름"),
    "train.models": ("Models (empty: planned)", "모델 (비우면 자동 선택)"),
    "train.how": ("Training mode", "훈련 방식"),
    "train.decides": ("the plan decides", "자동 결정"),
    "train.minutes": ("Time limit, minutes", "시간 제한 (분)"),
    "train.folds": ("Folds to train", "훈련할 fold 수"),
    "train.preset": ("Recipe", "레시피"),
    "train.settings": (
        "More settings, one a line: section.field=value",
        "추가 설정, 한 줄에 하나: section.field=value",
    ),
    "train.rules": (
        "The rules allow training on test pictures (pseudo-labels)",
        "규칙이 test 이미지로 훈련하는 것을 허용함 (의사 라벨)",
    ),
    "train.more": ("More", "더 보기"),
    "train.plan": ("Show plan", "계획 보기"),
    "train.start": ("Start", "시작"),
    "train.give_up": ("Give up", "그만두기"),
    "train.planning": ("Planning: {what}", "계획 중: {what}"),
    "train.started": ("{name} has started.", "{name} 훈련을 시작했습니다."),
    "train.no_data": (
        "No competition found. Put its unzipped files into a folder of data/, or make the sample.",
        "대회를 찾지 못했습니다. 압축을 푼 파일을 data/ 아래 폴더에 넣거나 예제를 만드세요.",
    ),
    "train.sample": ("Make the sample competition", "예제 대회 만들기"),
    "plan.title": ("The plan", "계획"),
    "plan.minutes": ("about {time} in all", "총 약 {time}"),
    "plan.memory": ("memory", "메모리"),
    "plan.fits": (
        "models: {models}, folds: {trained} of {total}",
        "모델 {models}개, fold {total}개 중 {trained}개",
    ),
    "plan.model": ("model", "모델"),
    "plan.weights": ("weights", "가중치"),
    "plan.random": ("random start", "무작위 시작"),
    "plan.size": ("size", "크기"),
    "plan.batch": ("batch", "배치"),
    "plan.epochs": ("epochs", "epoch"),
    "plan.per_fold": ("a fold", "fold당"),
    "plan.disk": ("disk", "디스크"),
    "plan.decisions": ("Decisions and their reasons", "결정 사항과 이유"),
    "plan.augmentation": ("What is done to training pictures", "훈련 이미지에 적용하는 증강"),
    "plan.later": ("Afterwards, at most", "이후 단계, 최대"),
    "live.starting": ("starting", "시작하는 중"),
    "live.stage": ("stage {stage}", "단계 {stage}"),
    "live.left": ("{eta} left", "{eta} 남음"),
    "live.whole": ("whole run", "전체"),
    "live.memory": ("{gb} GB of memory", "메모리 {gb} GB"),
    "live.stop": ("Stop", "중지"),
    "live.stop_sure": (
        "It ends cleanly and can be resumed; what is finished is kept.",
        "깨끗하게 멈추고 이어할 수 있습니다. 끝난 부분은 보관됩니다.",
    ),
    "live.stopping": ("{name} is ending.", "{name}을(를) 멈추는 중입니다."),
    "live.resume": ("Resume", "이어하기"),
    "live.log": ("Last lines", "마지막 줄"),
    "live.loss": ("loss, training", "훈련 손실"),
    "live.val_loss": ("loss, validation", "검증 손실"),
    "live.val_score": ("score", "점수"),
    "live.val_corrupted": ("score, like test", "점수 (test처럼)"),
    # --- data -----------------------------------------------------------------------------------
    "data.lead": (
        "What a competition's folder was read as, and what its pictures are like.",
        "대회 폴더를 어떻게 읽었는지, 이미지가 어떤지 보여줍니다.",
    ),
    "data.explore": ("Look at every picture", "모든 이미지 살펴보기"),
    "data.explore_hint": ("Minutes, trains nothing.", "몇 분 걸리며 훈련하지 않습니다."),
    "data.found": ("What was found", "찾은 것"),
    "data.pictures": ("{train} to train on, {test} to predict", "훈련 {train}장, 예측 {test}장"),
    "data.layout": ("layout", "형태"),
    "data.kind": ("target", "목표"),
    "data.metric": ("metric", "평가 지표"),
    "data.submission": ("submission", "제출 형식"),
    "data.read_as": ("read as", "해석"),
    "data.classes": ("Classes", "클래스"),
    "data.from": ("Measured in {name}", "{name}에서 측정"),
    "data.not_yet": (
        "Nobody has looked at the pictures yet: broken files, duplicates and differences of the test set are not known.",
        "아직 이미지를 살펴보지 않았습니다. 손상된 파일, 중복, test와의 차이를 알 수 없습니다.",
    ),
    "data.broken": ("Files that cannot be read: {count}", "읽을 수 없는 파일: {count}개"),
    "data.no_broken": ("Every file can be read.", "모든 파일을 읽을 수 있습니다."),
    "data.shift": ("Test against train", "test와 train 비교"),
    "data.auc": (
        "A classifier tells test pictures from training pictures with AUC {auc} ({low} to {high}; 0.5: not at all).",
        "분류기가 test와 train 이미지를 AUC {auc}로 구별합니다 ({low} ~ {high}; 0.5면 구별 못함).",
    ),
    "data.alike": ("No clear difference was found.", "뚜렷한 차이가 없습니다."),
    "data.done_to": ("done to test pictures", "test 이미지에 일어난 일"),
    "data.share": ("share", "비율"),
    "data.strength": ("strength", "세기"),
    "data.statistic": ("statistic", "통계"),
    "data.train": ("train", "train"),
    "data.test": ("test", "test"),
    "data.difference": ("difference", "차이"),
    "data.side_by_side": ("Side by side", "나란히 보기"),
    "data.like_test": ("Training pictures most like the test set", "test와 가장 비슷한 훈련 이미지"),
    "data.duplicates": ("Duplicates", "중복"),
    "data.duplicates_counts": (
        "{exact} exact and {near} near-duplicate groups in train, {across} across train and test, {within} within test.",
        "train 안에 같은 이미지 {exact}쌍, 비슷한 이미지 {near}쌍, train과 test 사이 {across}쌍, test 안에 {within}쌍.",
    ),
    "data.conflicts": ("Same picture, other labels: {count}", "같은 이미지, 다른 라벨: {count}개"),
    "data.suspects": ("Labels that may be wrong", "잘못되었을 수 있는 라벨"),
    "data.suspects_none": ("No label is suspected.", "의심되는 라벨이 없습니다."),
    "data.suspects_later": (
        "Suspected labels are known after a training: they come from its out-of-fold predictions.",
        "의심되는 라벨은 훈련 후에 알 수 있습니다 (out-of-fold 예측으로 찾습니다).",
    ),
    "data.suspects_hint": (
        "{count} suspects of {judged} judged pictures, in {name}. Tick those that you believe: train.csv stays, the next run follows label_fixes.csv.",
        "{name}: 판단한 {judged}장 중 {count}장 의심. 믿는 것만 고르세요. train.csv는 그대로이고 다음 훈련이 label_fixes.csv를 따릅니다.",
    ),
    "data.accept": ("Accept {count}", "{count}개 받아들이기"),
    "data.accepted": ("{added} of {count} added to {file}.", "{file}에 {count}개 중 {added}개 추가."),
    "data.wrong": ("label {label}", "라벨 {label}"),
    "data.right": ("perhaps {label}", "아마 {label}"),
    "data.undecided": ("nothing is suggested", "제안 없음"),
    # --- submit ---------------------------------------------------------------------------------
    "submit.lead": (
        "Check the file, note what the board said, choose the final two.",
        "파일을 검사하고, 리더보드 점수를 적고, 최종 두 개를 고르세요.",
    ),
    "submit.run": ("Run", "실행"),
    "submit.no_run": ("No run has come to its end yet.", "아직 끝난 훈련이 없습니다."),
    "submit.gate": ("Gate", "제출 검사"),
    "submit.passed": ("passed", "통과"),
    "submit.warned": ("passed with warnings", "경고와 함께 통과"),
    "submit.failed": ("failed", "실패"),
    "submit.download": ("Download", "내려받기"),
    "submit.rows": ("{rows} rows, {form}", "{rows}행, {form}"),
    "submit.none": ("This run has no submission file.", "제출 파일이 없습니다."),
    "submit.ledger": ("Ledger", "점수 기록"),
    "submit.ledger_hint": (
        "Cross-validation beside what the board said. With three scores or more their correlation is told.",
        "교차 검증 점수와 리더보드 점수. 세 개 이상이면 상관관계를 알려줍니다.",
    ),
    "submit.public": ("Public score", "Public 점수"),
    "submit.private": ("Private score", "Private 점수"),
    "submit.note": ("Note the score", "점수 적기"),
    "submit.noted": ("Noted.", "적었습니다."),
    "submit.no_score": ("Give a public or a private score.", "public 또는 private 점수를 입력하세요."),
    "submit.experiment": ("experiment", "실험"),
    "submit.cv": ("clean CV", "CV"),
    "submit.cv_corrupted": ("corrupted CV", "변형 CV"),
    "submit.final": ("The final two", "최종 두 개"),
    "submit.final_hint": (
        "The best by cross-validation, and a good one that differs most from it.",
        "교차 검증이 가장 좋은 것과, 그와 가장 다른 좋은 것.",
    ),
    "submit.choose": ("Choose", "고르기"),
    "submit.differs": ("differs", "다른 정도"),
    "submit.good": ("good", "좋음"),
    "submit.why": ("why", "이유"),
    "submit.left_out": ("Left out: {name}: {why}", "제외: {name}: {why}"),
    # --- predict --------------------------------------------------------------------------------
    "predict.lead": (
        "Drop a picture: what the models of a run say, view by view.",
        "이미지를 놓으면 실행한 모델들의 예측을 시점별로 보여줍니다.",
    ),
    "predict.drop": ("Drop a picture here, up to {mb} MB", "여기에 이미지를 놓으세요 (최대 {mb} MB)"),
    "predict.too_large": ("More than {mb} MB.", "{mb} MB보다 큽니다."),
    "predict.says": ("What the models say", "모델의 예측"),
    "predict.mean_of": (
        "mean of {count} models, {views} each",
        "모델 {count}개, {views}의 평균",
    ),
    "predict.mean_of.one": ("{count} model, {views}", "모델 {count}개, {views}"),
    "predict.views_each": ("{count} views", "시점 {count}개씩"),
    "predict.views_each.one": ("{count} view", "시점 {count}개씩"),
    "predict.all_folds": ("All folds (slower)", "모든 fold (느림)"),
    "predict.weight": ("counts", "비중"),
    "predict.by_view": ("View by view", "시점별"),
    "predict.view": ("view", "시점"),
    "predict.says_first": ("first", "1순위"),
    "view.identity": ("as it is", "원본"),
    "view.mirrored": ("mirrored", "좌우 반전"),
    "view.nearer": ("nearer", "확대"),
    "view.farther": ("farther", "축소"),
    "view.upside down": ("upside down", "상하 반전"),
    "view.turned 90": ("turned 90°", "90° 회전"),
    "view.turned 180": ("turned 180°", "180° 회전"),
    "view.turned 270": ("turned 270°", "270° 회전"),
    "predict.heat": ("Where the model looks", "모델이 보는 곳"),
    "predict.heat_of": (
        "{model}, for {label}: warm parts speak for it ({method}).",
        "{model}, {label}: 따뜻한 색일수록 그 근거입니다 ({method}).",
    ),
    "predict.no_heat": ("No heat map: {why}", "히트맵 없음: {why}"),
    "predict.blend": (
        "The submission blends its models otherwise ({method}); here it is the plain mean.",
        "제출 파일은 다른 방식으로 섞습니다 ({method}). 여기서는 단순 평균입니다.",
    ),
}


def speaker(language: Language) -> Speaker:
    """The texts of the page in a language."""
    return Speaker(TEXTS, language)


def choose_language(cookie: str | None, accepted: str) -> Language:
    """As was chosen before; else the first of the browser's languages that there is.

    Args:
        cookie: what was chosen; None: nothing.
        accepted: the header `Accept-Language`.
    """
    wanted = [cookie or "", *accepted.lower().split(",")]
    for word in wanted:
        for language in LANGUAGES:
            if word.strip().startswith(language):
                return language
    return "en"


def duration(seconds: float) -> str:
    """`42 s`, `3 min`, `2 h 07 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
