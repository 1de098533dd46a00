"""How much memory training takes, and what is chosen so that it fits."""

from __future__ import annotations

import msgspec
import pytest
import torch

from grandmaster.config import Config
from grandmaster.errors import UserError
from grandmaster.machine_config import HardwareConfig
from grandmaster.models.activations import Activations, count_activations
from grandmaster.models.builder import build_model, count_cost
from grandmaster.models.registry import LARGE_SEVEN
from grandmaster.models.weights import Weights
from grandmaster.pipeline.hardware import Hardware, planning_hardware
from grandmaster.pipeline.memory import MemoryPlan, fit_memory, relative_speed
from grandmaster.pipeline.memory_probe import extrapolate, measure, probe_peaks
from grandmaster.pipeline.run import plan_only, run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.settings import with_settings
from pipeline.small_competition import request, write_competition
from pipeline.test_planner import CPU, GPU_16

GIB = 2**30
# GiB at 384 px with 8 pictures a pass, as published or by arithmetic, without and with checkpointing: weights,
# gradients, two moments (16 bytes a parameter) and what is kept for the backward pass.
TABLE = {
    "convnext_large": ((7.5, 7.5), 3.7),
    "swin_large": ((9.9, 9.9), 3.4),
    "beit_large": ((9.6, 13.8), 5.0),
    "efficientnetv2_xl": ((10.2, 10.2), 3.4),
    "maxvit_large": ((15.4, 19.1), 3.6),
    "resnext101_32x32d": ((15.8, 15.8), 7.5),
    "vit_large": ((8.9, 8.9), 5.0),
}
# Those that take longest to count are left to `make test-slow`.
QUICK = [("convnext_large", True), ("beit_large", True), ("resnext101_32x32d", True), ("vit_large", False)]
SLOW = [(name, again) for name in TABLE for again in (False, True) if (name, again) not in QUICK]


@pytest.mark.parametrize(
    ("name", "checkpointing"), [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)]
)
def test_counted_memory_is_that_of_the_table(name, checkpointing):
    timm_name = LARGE_SEVEN[name].timm_name
    counted = count_activations(timm_name, 384, micro_batch=8, grad_checkpointing=checkpointing, mixed=True)
    total = count_cost(timm_name, 384, 1000).parameters * 16 / GIB + counted.kept_gib
    (low, high), recomputing = TABLE[name]
    if checkpointing:
        low = high = recomputing
    assert 0.97 * low <= total <= 1.03 * high
    assert counted.peak_gib > counted.kept_gib


def test_counted_is_what_autograd_really_keeps():
    """Float32 on the CPU, where every tensor that is kept can be looked at."""
    weights = Weights(source="none", mean=(0.5,) * 3, std=(0.5,) * 3)
    model = build_model("test_resnet", weights, classes=1000, input_size=64)
    own = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage
        return tensor

    pictures = torch.zeros(4, 3, 64, 64)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(pictures)
    seen = (sum(storage.nbytes() for storage in kept.values()) - pictures.untyped_storage().nbytes()) / GIB

    def count(name: str, *, again: bool) -> Activations:
        return count_activations(name, 64, micro_batch=4, grad_checkpointing=again, mixed=False)

    assert count("test_resnet", again=False).kept_gib == pytest.approx(seen, rel=0.02)
    # Computed again block by block, of which there are twelve: little is kept, and the peak is that of one block.
    whole, again = (count("vit_tiny_patch16_224", again=way) for way in (False, True))
    assert again.kept_gib < 0.1 * whole.kept_gib
    assert 2 * again.kept_gib < again.peak_gib < 0.5 * whole.peak_gib


def chosen(
    hardware: Hardware, *settings: str, name: str = "resnext101_32x32d", learns: bool = False
) -> MemoryPlan:
    timm_name = LARGE_SEVEN[name].timm_name
    config = with_settings(Config(), settings)
    effective = config.training.effective_batch or 64
    return fit_memory(
        timm_name, count_cost(timm_name, 384, 3), hardware, config,
        input_size=384, effective=effective, batch_norm_learns=learns,
    )  # fmt: skip


def gpu(gigabytes: float) -> Hardware:
    return msgspec.structs.replace(GPU_16, vram_gb=gigabytes)


def test_the_fastest_way_that_fits_is_taken():
    """Half the pictures a pass cost less than computing activations again; a quarter, too; one alone does not."""
    assert relative_speed(2, False) > relative_speed(8, True) > relative_speed(1, False)
    roomy, tight = chosen(gpu(24)), chosen(gpu(16))
    assert (roomy.micro_batch, roomy.accumulation, roomy.grad_checkpointing) == (8, 8, False)
    assert (tight.micro_batch, tight.accumulation, tight.grad_checkpointing) == (4, 16, False)
    assert tight.memory_gb < 15.0 < roomy.memory_gb
    assert "fastest way that fits 15.0 GB; not 8 a pass without" in tight.reasons["micro_batch"]
    # BatchNorm that learns its statistics wants many pictures.
    steady = chosen(gpu(16), learns=True)
    assert (steady.micro_batch, steady.grad_checkpointing) == (8, True)
    assert "most pictures a pass, for BatchNorm" in steady.reasons["micro_batch"]


@pytest.mark.parametrize("effective", [64, 60, 7])
def test_the_effective_batch_is_kept_exactly(effective):
    made = chosen(gpu(24), f"training.effective_batch={effective}", name="vit_large")
    assert made.micro_batch * made.accumulation == effective
    assert made.micro_batch <= 8


def test_what_is_set_is_obeyed_and_a_batch_that_cannot_be_kept_is_told():
    made = chosen(gpu(24), "training.micro_batch=5", "training.grad_checkpointing=true", name="vit_large")
    assert (made.micro_batch, made.accumulation, made.grad_checkpointing) == (5, 13, True)
    assert "as set, where 64 were wanted" in made.reasons["micro_batch"]


def test_when_nothing_fits_the_least_is_planned_and_says_so():
    made = chosen(gpu(4), "training.effective_batch=1", name="vit_large")
    assert made.memory_gb > 4
    assert "least memory of all ways, and still more than 3.8 GB" in made.reasons["micro_batch"]


def test_a_gpu_to_plan_for_stands_in_only_where_there_is_none():
    asked = HardwareConfig(vram_gb=16)
    wanted = planning_hardware(CPU, asked)
    assert (wanted.device, wanted.vram_gb, wanted.precision, wanted.absent) == ("cuda", 16, "bf16", True)
    assert planning_hardware(CPU, HardwareConfig()) is CPU
    assert planning_hardware(CPU, HardwareConfig(vram_gb=16, device="cpu")) is CPU
    assert planning_hardware(GPU_16, asked) is GPU_16


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_card_that_is_not_here_can_be_planned_for_but_not_trained_on(tmp_path):
    data = write_competition(tmp_path / "squares")
    card = (
        "hardware.device=auto",
        "hardware.vram_gb=16",
        "model.image_size=none",
        "model.backbones=vit_large",
    )
    made = plan_only(request(data, tmp_path / "run", *card), SilentProgress())
    assert made.decisions.device.value == "cuda"
    assert "16 GB to plan for" in made.decisions.device.reason
    assert made.models[0].memory_gb < 15.0
    assert any("times are those of an RTX 3090" in note for note in made.notes)
    assert not (tmp_path / "run").exists()
    with pytest.raises(UserError, match=r"no GPU to train on.*16 GB \(in --vram\).*--dry_run"):
        run_pipeline(request(data, tmp_path / "run", *card), SilentProgress())


def test_a_probe_takes_real_steps_and_draws_the_line_through_two():
    assert measure("test_resnet", 32, (1, 2), True, "fp32", "cpu") == (
        0.0,
        0.0,
    )  # it runs; no GPU, no peak
    assert extrapolate((2, 4), (5.0, 7.0), 8) == 11.0
    assert extrapolate((2, 4), (7.0, 6.9), 8) == 6.9
    if not torch.cuda.is_available():
        assert probe_peaks("test_resnet", 32, 8, False, "fp32") is None
