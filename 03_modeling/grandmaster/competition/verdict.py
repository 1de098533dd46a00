"""The verdict of a comparison as a sentence, and what has to be said beside it, English and Korean."""

from __future__ import annotations

import msgspec

from grandmaster.language import Speaker, Texts

VERDICT_TEXTS: Texts = {
    "verdict.better": ("better", "더 좋음"),
    "verdict.worse": ("worse", "더 나쁨"),
    "verdict.no difference shown": ("no difference shown", "차이가 확인되지 않음"),
    "sentence.better": ("{second} is better than {first}", "{second}이(가) {first}보다 좋습니다"),
    "sentence.worse": ("{second} is worse than {first}", "{second}이(가) {first}보다 나쁩니다"),
    "sentence.no difference shown": (
        "No difference shown between {first} and {second}",
        "{first}와(과) {second}의 차이가 확인되지 않습니다",
    ),
    "sentence.gain": (
        "{verdict}: {metric} {before} -> {after}, gain {gain} ({level} interval {low} to {high})",
        "{verdict}: {metric} {before} → {after}, 차이 {gain} ({level} 신뢰구간 {low} ~ {high})",
    ),
    "sentence.ahead": (
        "; the gain is above 0 in {above} of {count} ({of})",
        "; {count}번 중 {above}번 차이가 0보다 큽니다 ({of})",
    ),
    "sentence.folds": ("{count} folds", "fold {count}개"),
    "sentence.folds.one": ("{count} fold", "fold {count}개"),
    "sentence.seeds": ("{count} seeds", "시드 {count}개"),
    "sentence.seeds.one": ("{count} seed", "시드 {count}개"),
    "sentence.corrected": (
        ", corrected t interval {low} to {high}",
        ", 보정 t 신뢰구간 {low} ~ {high}",
    ),
    "sentence.corrupted": (
        ", on validation pictures corrupted as the test set is",
        ", test처럼 변형한 검증 이미지 기준",
    ),
    "beside.folds": (
        "compared on folds {folds} only, which all have trained",
        "모두 학습한 fold {folds}에서만 비교했습니다",
    ),
    "beside.other_corruption": (
        "their validation pictures were corrupted otherwise: compared on clean ones only",
        "검증 이미지를 서로 다르게 변형했으므로 원본에서만 비교했습니다",
    ),
    "beside.other_draws": (
        "the corrupted pictures of the two are other draws of the same corruption",
        "두 실행의 변형 이미지는 같은 변형을 따로 뽑은 것입니다",
    ),
    "beside.other_augmentation": (
        "a trial chose another augmentation for each of the two",
        "시험 학습이 둘에 서로 다른 증강을 골랐습니다",
    ),
    "beside.set_rates": (
        "both have the rates that were set; from random weights higher ones are usual",
        "둘 다 설정한 학습률을 씁니다. 처음부터 학습할 때는 더 높은 값이 보통입니다",
    ),
    "beside.memory": (
        "memory is that of the whole process at the end of a fit, with what came before in it",
        "메모리는 학습이 끝날 때 프로세스 전체의 값이며 그 전에 쓴 것도 들어 있습니다",
    ),
}

ENGLISH = Speaker(VERDICT_TEXTS, "en")


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be said beside a comparison.

    Attributes:
        text: in English, as files have it.
        key, values: of the text, for another language.
    """

    text: str
    key: str
    values: dict[str, str] = {}

    @classmethod
    def of(cls, key: str, **values: str) -> Note:
        """With the values for the places of a key's text."""
        return cls(text=ENGLISH(key, **values), key=key, values=values)

    def said(self, say: Speaker) -> str:
        """In the language of `say`; in English where it lacks the text."""
        return say(self.key, **self.values) if self.key in say.texts else self.text
