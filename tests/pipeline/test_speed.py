"""How steps are carried out: what is faster is chosen, remembered, and not measured twice."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
import torch
from small_competition import request, write_competition

from grandmaster.models.registry import find_backbone
from grandmaster.models.weights import Weights
from grandmaster.pipeline import speed
from grandmaster.pipeline.hardware import Hardware
from grandmaster.pipeline.run import plan_only, run_pipeline
from grandmaster.pipeline.speed import Probe, ProbeCache, choose_step, images_per_second
from grandmaster.progress import SilentProgress
from grandmaster.storage import read_json
from grandmaster.training.timed_step import StepCase

CPU = Hardware(
    device="cpu",
    device_reason="",
    precision="fp32",
    precision_reason="",
    gpu_name="",
    vram_gb=0.0,
    capability=None,
    cores=2,
    memory_gb=24.0,
    shm_gb=None,
)
GPU = msgspec.structs.replace(
    CPU, device="cuda", precision="bf16", gpu_name="a GPU", vram_gb=16.0, capability=(8, 9)
)
CASE = StepCase(
    timm_name="test_resnet",
    weights=Weights(source="none", mean=(0.5,) * 3, std=(0.5,) * 3),
    size=32,
    classes=3,
    micro_batch=4,
    accumulation=2,
    grad_checkpointing=False,
    device="cpu",
    precision="fp32",
)
GPU_CASE = msgspec.structs.replace(CASE, device="cuda", precision="bf16")


class Timer:
    """Says what it is told, and counts how often it is asked."""

    def __init__(self, formats: tuple[Any, Any], optimiser: tuple[float, float]) -> None:
        first, other = (each if isinstance(each, tuple) else (each,) * 3 for each in formats)
        self.probe = Probe(formats=first, other_formats=other, optimiser=optimiser)
        self.asked = 0

    def __call__(self, *case: Any) -> Probe:
        self.asked += 1
        return self.probe


def test_a_fit_far_quicker_than_planned_has_its_model_measured_anew(tmp_path, monkeypatch):
    data = write_competition(tmp_path / "squares")
    real = speed._time_formats

    def busy(*case: Any) -> Probe:
        probe = real(*case)
        slow = tuple(50 * seconds for seconds in probe.formats)
        return msgspec.structs.replace(probe, formats=slow, other_formats=slow)

    monkeypatch.setattr(speed, "_time_formats", busy)
    known = tmp_path / ".cache" / ProbeCache.FILE_NAME
    run_pipeline(request(data, tmp_path / "run", "folds.train=1", until="plan"), SilentProgress())
    assert "test_resnet" in known.read_text()
    run_pipeline(request(data, tmp_path / "run", "folds.train=1", until="train"), SilentProgress())
    assert "test_resnet" not in known.read_text()


def choose(timer: Timer, cache: ProbeCache | None = None, **how: Any):
    how = {"small": True, "steps": 1, **how}
    return choose_step(CASE, CPU, cache=cache or ProbeCache(), time_formats=timer, **how)


@pytest.mark.parametrize(
    ("formats", "chosen", "rate"),
    [
        ((1.0, 0.5), "contiguous", 16.0),
        ((0.5, 1.0), "channels_last", 16.0),
        ((1.0, 0.9), "channels_last", 8.0),  # noise: the default stays
        ((1.0, (0.5, 0.5, 0.9)), "channels_last", 8.0),  # not in every round
    ],
)
def test_the_faster_memory_format_is_chosen_by_a_margin(formats, chosen, rate):
    found = choose(Timer(formats=formats, optimiser=(0.1, 0.2)))
    assert (found.settings.memory_format, found.settings.fused) == (chosen, True)
    assert found.images_per_second == pytest.approx(rate)
    assert all(
        word in found.reasons["memory_format"] for word in ("channels_last", "contiguous", " s a step")
    )


def test_a_fused_step_that_is_slower_is_left():
    found = choose(Timer(formats=(1.0, 1.3), optimiser=(0.5, 0.1)))
    assert found.settings.fused is False
    assert found.images_per_second == pytest.approx(8 / 0.6)
    # slower, but not by what counts in a whole step
    assert choose(Timer(formats=(1.0, 1.3), optimiser=(0.2, 0.1))).settings.fused is True


def test_a_gpu_starts_from_the_other_default():
    for formats, chosen in (((1.0, 0.9), "channels_last"), ((1.0, 0.98), "contiguous")):
        found = choose_step(
            GPU_CASE,
            GPU,
            small=False,
            steps=1,
            cache=ProbeCache(),
            time_formats=Timer(formats=formats, optimiser=(0.1, 0.2)),
        )
        assert found.settings.memory_format == chosen


def test_what_was_measured_is_not_measured_again(tmp_path):
    timer = Timer(formats=(1.0, 0.5), optimiser=(0.1, 0.2))
    first = choose(timer, ProbeCache(tmp_path))
    assert choose(timer, ProbeCache(tmp_path)) == first
    assert timer.asked == 1
    other_size = msgspec.structs.replace(CASE, size=64)
    choose_step(other_size, CPU, small=True, steps=1, cache=ProbeCache(tmp_path), time_formats=timer)
    assert timer.asked == 2
    (key, _) = json.loads((tmp_path / ProbeCache.FILE_NAME).read_text())
    assert all(word in key for word in (torch.__version__, "test_resnet", "32 px", "4 x 2", "fp32"))


@pytest.mark.parametrize("damage", [b"", b"{not json", b"[1]", b'{"k": {"formats": "fast"}}', b"\xff\xfe"])
@pytest.mark.fault(31, "measured speeds damaged in five ways")
def test_a_damaged_cache_is_measured_anew_and_whole_again(tmp_path, damage):
    (tmp_path / ProbeCache.FILE_NAME).write_bytes(damage)
    timer = Timer(formats=(1.0, 0.5), optimiser=(0.1, 0.2))
    choose(timer, ProbeCache(tmp_path))
    choose(timer, ProbeCache(tmp_path))
    assert timer.asked == 1


def test_a_dry_run_reads_the_cache_and_writes_none(tmp_path):
    timer = Timer(formats=(1.0, 0.5), optimiser=(0.1, 0.2))
    choose(timer, ProbeCache(tmp_path / "cache", read_only=True))
    assert not (tmp_path / "cache").exists()
    choose(timer, ProbeCache(tmp_path / "cache"))
    choose(timer, ProbeCache(tmp_path / "cache", read_only=True))
    assert timer.asked == 2


def test_two_runs_keep_each_others_probes(tmp_path):
    one, two = ProbeCache(tmp_path), ProbeCache(tmp_path)
    probe = Timer(formats=(1.0, 2.0), optimiser=(0.1, 0.2)).probe
    one.put("a", probe)
    two.put("b", probe)
    again = ProbeCache(tmp_path)
    assert again.get("a") == again.get("b") == probe


def test_a_model_is_forgotten_at_all_its_sizes_and_no_other(tmp_path):
    cache = ProbeCache(tmp_path)
    probe = Timer(formats=(1.0, 2.0), optimiser=(0.1, 0.2)).probe
    for key in ("cpu; torch 2; resnet10t, 3 outputs; 96 px", "cpu; torch 2; resnet10t, 3 outputs; 128 px"):
        cache.put(key, probe)
    other = "cpu; torch 2; mobilenetv2_100, 3 outputs; 96 px"
    cache.put(other, probe)
    cache.forget("resnet10t")
    for known in (cache, ProbeCache(tmp_path)):
        assert known.get("cpu; torch 2; resnet10t, 3 outputs; 96 px") is None
        assert known.get(other) == probe


def test_large_backbones_on_a_cpu_and_absent_cards_go_by_rule():
    def never(*case: Any) -> Probe:
        raise AssertionError("measured")

    found = choose_step(CASE, CPU, small=False, steps=9, cache=ProbeCache(), time_formats=never)
    assert found.settings.memory_format == "channels_last"
    assert found.images_per_second is None
    assert all("not measured" in reason for reason in found.reasons.values())
    grouped = msgspec.structs.replace(CASE, timm_name="resnext50_32x4d")
    found = choose_step(grouped, CPU, small=False, steps=9, cache=ProbeCache(), time_formats=never)
    assert found.settings.memory_format == "contiguous"
    assert "grouped convolutions" in found.reasons["memory_format"]
    if not torch.cuda.is_available():
        found = choose_step(GPU_CASE, GPU, small=False, steps=9, cache=ProbeCache())
        assert (found.settings.memory_format, found.settings.compile) == ("contiguous", False)
        assert "not here" in found.reasons["memory_format"]


def test_memory_that_runs_out_in_the_probe_costs_the_measurement_only():
    def fails(*case: Any) -> Probe:
        raise RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        )

    cache = ProbeCache()
    found = choose_step(CASE, CPU, small=True, steps=9, cache=cache, time_formats=fails)
    assert found.images_per_second is None
    assert "memory ran out" in found.reasons["memory_format"]

    def broken(*case: Any) -> Probe:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        choose_step(CASE, CPU, small=True, steps=9, cache=cache, time_formats=broken)


@pytest.mark.parametrize(
    ("steps", "compiled", "on", "says"),
    [
        (10, (1.0, 0.5, 60.0), False, "too short"),
        (10_000, (1.0, 0.5, 60.0), True, "0.5 s a step against 1 s, 60 s to compile"),
        (1_000, (1.0, 0.75, 130.0), False, "does not pay"),
        (10_000, (1.0, 0.99, 1.0), False, "does not pay"),
    ],
)
def test_compiling_has_to_pay_for_itself(monkeypatch, steps, compiled, on, says):
    monkeypatch.setattr(speed.importlib.util, "find_spec", lambda name: object())
    found = choose_step(
        GPU_CASE,
        GPU,
        small=False,
        steps=steps,
        cache=ProbeCache(),
        time_formats=Timer(formats=(1.0, 1.0), optimiser=(0.1, 0.2)),
        time_compiled=lambda case, settings: compiled,
    )
    assert found.settings.compile is on
    assert says in found.reasons["compile"]


def test_compiling_that_fails_is_off_and_told(monkeypatch, tmp_path):
    monkeypatch.setattr(speed.importlib.util, "find_spec", lambda name: object())
    tried = []

    def fails(case: Any, settings: Any) -> tuple[float, float, float]:
        tried.append(case)
        raise RuntimeError("no kernel image\nand more")

    for _ in range(2):  # the second time from the file
        found = choose_step(
            GPU_CASE,
            GPU,
            small=False,
            steps=10_000,
            cache=ProbeCache(tmp_path),
            time_formats=Timer(formats=(1.0, 1.0), optimiser=(0.1, 0.2)),
            time_compiled=fails,
        )
        assert found.settings.compile is False
        assert found.reasons["compile"] == "off: it failed: no kernel image"
    assert len(tried) == 1


def test_never_compiled_on_windows_or_without_triton(monkeypatch):
    timer = Timer(formats=(1.0, 1.0), optimiser=(0.1, 0.2))
    how: dict[str, Any] = {"small": False, "steps": 10**6, "time_formats": timer}
    monkeypatch.setattr(speed.importlib.util, "find_spec", lambda name: None)
    assert "Triton" in choose_step(GPU_CASE, GPU, cache=ProbeCache(), **how).reasons["compile"]
    monkeypatch.setattr(speed.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(speed.sys, "platform", "win32")
    assert "Triton" in choose_step(GPU_CASE, GPU, cache=ProbeCache(), **how).reasons["compile"]


def test_speed_is_that_of_real_steps(tmp_path):
    backbone = find_backbone("test_resnet")
    cache = ProbeCache(tmp_path)
    rate = images_per_second(
        backbone, CASE.weights, CPU, size=32, classes=3, batch=4, small=True, cache=cache
    )
    (probe,) = msgspec.json.decode(
        (tmp_path / ProbeCache.FILE_NAME).read_bytes(), type=dict[str, Probe]
    ).values()
    assert len(probe.formats) == len(probe.other_formats) == speed.ROUNDS
    assert min(*probe.formats, *probe.other_formats, *probe.optimiser) > 0
    assert rate > 0
    again = images_per_second(
        backbone, CASE.weights, CPU, size=32, classes=3, batch=4, small=True, cache=ProbeCache(tmp_path)
    )
    assert again == rate


def test_runs_of_one_results_folder_share_their_probes(tmp_path, monkeypatch):
    data = write_competition(tmp_path / "squares")
    open_size = ("training.epochs=1", "hardware.precision=fp32")
    shown = plan_only(request(data, tmp_path / "runs" / "a", *open_size), SilentProgress())
    assert (tmp_path / "runs" / ".cache" / ProbeCache.FILE_NAME).exists()

    def measured(*case: Any) -> Probe:
        raise AssertionError("measured again")

    monkeypatch.setattr(speed, "_time_formats", measured)
    run_pipeline(request(data, tmp_path / "runs" / "a", *open_size, until="plan"), SilentProgress())
    first = read_json(tmp_path / "runs" / "a" / "plan.json")["models"][0]
    assert first["memory_format"] == shown.models[0].memory_format
    again = plan_only(request(data, tmp_path / "runs" / "b", *open_size), SilentProgress()).models[0]
    assert again.memory_format == first["memory_format"]
    assert {name: again.reasons[name] for name in ("memory_format", "fused", "compile")} == {
        name: first["reasons"][name] for name in ("memory_format", "fused", "compile")
    }
