"""What a job may use of its node, and what it says of a GPU that it cannot use."""

import os

import pytest
import torch

from attacks.precision import bfloat16_is_faster
from harness.stages import FAST, Stage, drain
from harness.stages.device import REHEARSAL, DeviceError, pick_device, reserved
from harness.stages.ground import _repeatable, settle
from harness.stages.running import run

HERE = Stage(__name__, "told")


def told():
    yield from ()
    return pick_device().type


def on(accelerator: bool | None) -> str:
    return drain(run(HERE, (), accelerator), lambda said: None)


def test_a_job_that_reserved_no_gpu_runs_on_the_cpu_and_does_not_ask_for_one(monkeypatch):
    def asked() -> bool:
        raise AssertionError("CUDA was asked")

    monkeypatch.setattr(torch.cuda, "is_available", asked)
    assert on(False) == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine's GPU works")
def test_a_job_that_reserved_a_gpu_which_does_not_work_fails_and_says_so(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(DeviceError, match=r"a GPU is reserved \(CUDA_VISIBLE_DEVICES=3\) and torch .* cannot use it"):
        on(True)
    monkeypatch.setenv(REHEARSAL, "1")
    assert on(True) == "cpu"


def test_where_nothing_is_reserved_whatever_is_there_is_used():
    assert on(None) == pick_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_what_a_job_reserved_is_forgotten_when_it_ends():
    with pytest.raises(ValueError, match="ends"), reserved(False):
        raise ValueError("the job ends")
    assert on(None) == pick_device().type


def test_a_job_on_a_cpu_leaves_torch_as_it_is():
    with reserved(False):
        settle(1, 0)
    assert not torch.are_deterministic_algorithms_enabled()


def test_on_a_gpu_numbers_repeat_and_float32_is_no_tf32(monkeypatch):
    """What these ask of CUDA is known to torch on any machine."""
    wanted = {
        (torch.backends.cudnn, "deterministic"): True,
        (torch.backends.cudnn, "benchmark"): False,
        (torch.backends.cudnn, "allow_tf32"): False,
        (torch.backends.cuda.matmul, "allow_tf32"): False,
    }
    before = {(place, flag): getattr(place, flag) for place, flag in wanted}
    for (place, flag), value in wanted.items():
        setattr(place, flag, not value)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    try:
        _repeatable()
        assert {(place, flag): getattr(place, flag) for place, flag in wanted} == wanted
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    finally:
        torch.use_deterministic_algorithms(False)
        for (place, flag), value in before.items():
            setattr(place, flag, value)


def test_a_job_tells_whether_bfloat16_is_faster_where_it_runs():
    assert drain(run(FAST, (), False), lambda said: None) is bfloat16_is_faster(torch.device("cpu"))
