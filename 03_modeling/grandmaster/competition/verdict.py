"""The verdict of a comparison as a sentence, English and Korean."""

from __future__ import annotations

from grandmaster.language import Texts

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
}
