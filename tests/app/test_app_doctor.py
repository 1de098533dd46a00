"""The system check: each line against injected facts, and the whole of it on this machine."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal

import pytest
import torch
from app_fakes import FakePipeline

import grandmaster_train
from grandmaster.config import Config
from grandmaster.machine_config import HardwareConfig
from grandmaster.models import weights
from grandmaster.pipeline import doctor, machine


def test_python() -> None:
    assert doctor.check_python((3, 10, 9)).status == "fail"
    assert "3.11" in doctor.check_python((3, 10, 9)).fix
    assert doctor.check_python((3, 11, 0)).status == "good"


def test_packages(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# a comment\n-r other.txt\ntorch>=2.10,<2.13  # why\nrich>=13\nmissing>=1\n")
    versions = {"torch": "2.12.1+cpu", "rich": "12.0"}
    check = doctor.check_packages(requirements, versions.get)
    assert check.status == "fail"
    assert check.found == "rich 12.0 is not >=13; missing is missing"
    assert "pip install -r requirements.txt" in check.fix
    right = {**versions, "rich": "13.7", "missing": "1.0"}
    assert doctor.check_packages(requirements, right.get).status == "good"
    assert doctor.check_packages(tmp_path / "none.txt", right.get).status == "warn"


@pytest.mark.parametrize(("cores", "status"), [(1, "warn"), (2, "good"), (64, "good")])
def test_cores(cores: int, status: str) -> None:
    assert doctor.check_cores(cores).status == status


@pytest.mark.parametrize(("gb", "status"), [(1.0, "fail"), (4.0, "warn"), (32.0, "good")])
def test_memory(gb: float, status: str) -> None:
    assert doctor.check_memory(gb).status == status


@pytest.mark.parametrize(
    ("free", "workers", "status"),
    [(0.0625, None, "fail"), (0.0625, 0, "good"), (0.5, 4, "warn"), (8.0, 4, "good"), (None, None, "good")],
)
def test_shared_memory(free: float | None, workers: int | None, status: str) -> None:
    check = doctor.check_shared_memory(free, workers=workers)
    assert check.status == status
    assert ("--shm-size" in check.fix) == (status != "good")


@pytest.mark.parametrize(("free", "status"), [(0.5, "fail"), (10.0, "warn"), (100.0, "good"), (None, "warn")])
def test_disk(free: float | None, status: str) -> None:
    assert doctor.check_disk(free, Path("/x/runs")).status == status


@pytest.mark.parametrize(
    ("free", "kept"), [(20.0, "predictions only"), (40.0, "in half precision"), (60.0, "all weights")]
)
def test_what_a_full_run_could_keep_is_said(free: float, kept: str) -> None:
    found = doctor.check_disk(free, Path("/x/runs")).found
    assert found.startswith(f"{free:.1f} GB free for runs/")
    assert found.endswith(kept)


def test_hub() -> None:
    assert doctor.check_hub(True, has_weights=False).status == "good"
    assert doctor.check_hub(False, has_weights=True).status == "good"
    offline = doctor.check_hub(False, has_weights=False)
    assert offline.status == "warn"
    assert "--weights_dir" in offline.fix
    assert "models.py --guide" in offline.fix


def test_writable_leaves_no_trace(tmp_path: Path) -> None:
    check = doctor.check_writable(tmp_path / "a" / "b")
    assert check.status == "good"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "kept").mkdir()
    assert doctor.check_writable(tmp_path / "kept").status == "good"
    assert (tmp_path / "kept").is_dir()


@pytest.mark.fault(43, "a results folder that cannot be written, in the check")
def test_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check = doctor.check_writable(tmp_path / "file" / "runs")
    assert check.status == "fail"
    assert "--output" in check.fix


def test_gpu() -> None:
    free = doctor.check_gpu("A GPU", (8, 9), free_gb=15.0, total_gb=16.0)
    assert (free.status, free.found) == ("good", "A GPU, 15.0 of 16.0 GB free, capability 8.9")
    taken = doctor.check_gpu("A GPU", (8, 9), free_gb=4.0, total_gb=16.0)
    assert taken.status == "warn"
    assert "12.0 GB" in taken.fix


def test_no_gpu() -> None:
    assert doctor.check_no_gpu("cpu", cuda_build=True, driver=True).status == "good"
    assert doctor.check_no_gpu("auto", cuda_build=True, driver=False).status == "warn"
    assert "CUDA build" in doctor.check_no_gpu("auto", cuda_build=False, driver=True).fix
    assert "driver" in doctor.check_no_gpu("auto", cuda_build=True, driver=True).fix
    assert doctor.check_no_gpu("cuda", cuda_build=True, driver=False).status == "fail"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_train_step_runs(precision: Literal["fp32", "bf16"]) -> None:
    torch.set_num_threads(1)
    assert machine.train_step("cpu", precision) > 0


@pytest.mark.fault(40, "a device that computes nothing")
def test_train_step_notices_a_device_that_computes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self, closure=None: None)
    with pytest.raises(ValueError, match="moved no weight"):
        machine.train_step("cpu", "fp32")


def test_train_step_notices_a_loss_that_is_not_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        torch.nn.functional, "cross_entropy", lambda logits, labels: logits.sum() * float("nan")
    )
    with pytest.raises(ValueError, match="loss in fp32 is nan"):
        machine.train_step("cpu", "fp32")


@pytest.mark.fault(40, "a device that raises")
def test_an_unusable_device_is_a_failed_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_kernel(device: str, precision: str) -> float:
        raise RuntimeError("CUDA error: no kernel image is available\nfor execution")

    monkeypatch.setattr(doctor, "train_step", no_kernel)
    last = list(doctor.check_torch(Config(hardware=HardwareConfig(device="cpu"))))[-1]
    assert (last.name, last.status) == ("training step", "fail")
    assert last.found == "RuntimeError: CUDA error: no kernel image is available"


@pytest.mark.fault(41, "a torchvision that does not load")
def test_a_torchvision_of_another_torch_is_a_failed_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision

    def no_operator(*args: object) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(torchvision.ops, "nms", no_operator)
    checks = list(doctor.check_torch(Config()))
    assert [(check.name, check.status) for check in checks] == [("torch", "fail")]
    assert "belong together" in checks[0].fix


def test_local_weights(tmp_path: Path) -> None:
    assert doctor.check_weights(None).status == "warn"
    assert doctor.check_weights(str(tmp_path)).status == "warn"
    (tmp_path / "resnet50.safetensors").write_bytes(b"1")
    check = doctor.check_weights(str(tmp_path))
    assert (check.status, "resnet50" in check.found) == ("good", True)
    (tmp_path / "resnet18.pth").write_bytes(b"1")
    assert "resnet18" in doctor.check_weights(str(tmp_path)).found
    (tmp_path / "cut.safetensors").touch()
    check = doctor.check_weights(str(tmp_path))
    assert (check.status, check.found) == ("warn", "empty: cut.safetensors")


def test_pictures(pipeline: FakePipeline, home: Path) -> None:
    good = str(home / "data/toy/train/a.jpg")
    assert doctor.check_pictures([good, good]).status == "good"
    some = doctor.check_pictures([good, "/gone/b.jpg"])
    assert (some.status, some.found) == (
        "warn",
        "1 of 2 tried cannot be read, the first is b.jpg: no such file",
    )
    assert doctor.check_pictures(["/gone/b.jpg"]).status == "fail"


def test_no_data_is_a_warning_and_data_that_cannot_be_read_a_failure(
    pipeline: FakePipeline, home: Path
) -> None:
    (check,) = doctor.check_competitions([], Config())
    assert check.status == "warn"
    assert "make demo" in check.fix
    (home / "data/toy/train.csv").unlink()
    (check,) = doctor.check_competitions([home / "data/toy"], Config())
    assert (check.status, check.fix) == ("fail", "Unzip it")
    assert "no train.csv" in check.found


def test_label_fixes_that_cannot_be_followed_fail(pipeline: FakePipeline, home: Path) -> None:
    (home / "data/toy/label_fixes.csv").write_text("id,label\nnobody.jpg,1\n")
    (check,) = doctor.check_competitions([home / "data/toy"], Config())
    assert check.status == "fail"
    assert "line 2" in check.found
    assert "label_fixes.csv" in check.found


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "hub_reachable", lambda: False)


@pytest.mark.usefixtures("offline")
def test_debug_mode_shows_every_line(
    pipeline: FakePipeline, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    code = grandmaster_train.main(["--mode", "debug", "--set", "hardware.device=cpu"])
    shown = capsys.readouterr().out
    for name in (
        "Python",
        "packages",
        "CPU",
        "memory",
        "shared memory",
        "disk",
        "results folder",
        "torch",
        "GPU",
    ):
        assert f"  {name}: " in shown
    for name in ("training step", "data", "pictures", "local weights", "model hub"):
        assert f"  {name}: " in shown
    assert "toy: 1 picture to train on" in shown
    assert code == (3 if "✗ fail" in shown else 0)
    assert time.monotonic() - began < 30
    assert pipeline.runs == []
    assert sorted(path.name for path in home.iterdir()) == ["data"]


@pytest.mark.usefixtures("offline")
def test_debug_mode_ends_with_3_on_a_failure(
    pipeline: FakePipeline, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "data/toy/train.csv").unlink()
    for given in ([], ["--data_path", "data/toy"]):
        assert grandmaster_train.main(["--mode", "debug", *given]) == 3
        assert "✗ fail  data: toy: no train.csv" in capsys.readouterr().out


@pytest.mark.usefixtures("offline")
def test_debug_mode_on_a_fresh_clone_only_warns_that_there_are_no_data(
    pipeline: FakePipeline, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "data/toy").rename(home / "gone")
    code = grandmaster_train.main(["--mode", "debug", "--set", "hardware.device=cpu"])
    shown = capsys.readouterr().out
    assert "▲ warn  data: no competition found" in shown
    assert "→ Give --data_path" in shown
    assert code == (3 if "✗ fail" in shown else 0)


def test_debug_mode_with_a_wrong_path_is_bad_input(pipeline: FakePipeline, home: Path) -> None:
    assert grandmaster_train.main(["--mode", "debug", "--data_path", "gone"]) == 2


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs CPU affinity")
def test_cores_and_memory_respect_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))
    limits = {"cpu.max": "150000 100000", "memory.max": str(3 * machine.GB)}
    monkeypatch.setattr(machine, "_cgroup", limits.__getitem__)
    assert machine.usable_cores() == 2
    assert machine.memory_bytes() <= 3 * machine.GB
    monkeypatch.setattr(machine, "_cgroup", {"cpu.max": "max 100000", "memory.max": "max"}.__getitem__)
    assert machine.usable_cores() == 16
    assert machine.memory_bytes() > 0
