"""What a job asks for, as a study file says it."""

import pytest
from pydantic import ValidationError

from harness.cli import main
from harness.study import Share, load_study
from harness.study.sections import MOST, Resources


@pytest.mark.parametrize(("said", "size"), [("8GiB", 2**33), ("1.5KiB", 1536), (1024, 1024), ("2 TiB", 2**41)])
def test_a_size_is_in_bytes(said, size):
    assert Share.model_validate({"memory": said}).memory == size


@pytest.mark.parametrize(
    ("share", "why"),
    [
        ({"memory": "8GB"}, "takes a size such as 512MiB, 8GiB"),
        ({"memory": True}, "takes a size"),
        ({"memory": 0}, "takes a size"),
        ({"accelerator": "H100"}, "accelerator H100 and gpu 0: a job without a GPU needs no kind of it"),
        ({"gpu": 0.5, "gpu_memory": "6GiB"}, "gpu 0.5 and gpu_memory 6442450944: say one of the two"),
        ({"gpu_memory": "6GB"}, "takes a size such as 512MiB, 8GiB"),
        ({"custom": {"GPU": 1}}, "custom/GPU: is Ray's own"),
        ({"custom": {"licence": 0}}, "greater than 0"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(share, why):
    with pytest.raises(ValidationError, match=why):
        Share.model_validate(share)


def test_auto_is_as_many_trials_as_the_nodes_hold():
    assert Resources.model_validate({"concurrent": "auto"}).concurrent == MOST


def test_a_study_that_asks_for_none_of_it_is_written_as_before():
    shares = ["resources={train: {cpu: 1, gpu: 1, memory: 1GiB, accelerator: L4}}"]
    assert "train: {cpu: 1.0, gpu: 1.0, memory: 1073741824, accelerator: L4}" in load_study("quickstart", shares).dump()
    assert "train: {cpu: 1.0, gpu: 0.0}" in load_study("quickstart").dump()


def test_memory_of_a_gpu_is_a_share_of_it_that_holds_it_and_little_more():
    share = Share.model_validate({"cpu": 0, "gpu_memory": "6GiB", "accelerator": "L4"})
    assert share.request()["GPU"] == 1.0, "as long as nobody knows how large they are"
    for total in (6 * 2**30, 7 * 2**30, 80 * 2**30, 80 * 2**30 - 12345):
        found = share.sized(total)
        assert found.gpu_memory is None
        assert 0 <= found.gpu * total - 6 * 2**30 <= total / 10_000
        assert found.request()["GPU"] == found.gpu


@pytest.mark.parametrize(
    ("train", "attack", "idle"),
    [
        ({}, {"gpu_memory": "3GiB"}, "train"),
        ({"gpu": 0.5}, {}, "attack"),
        ({"gpu": 1}, {"gpu": 0.5}, None),
        ({}, {}, None),
    ],
)
def test_a_gpu_that_only_one_kind_of_job_uses_idles_for_the_other(train, attack, idle):
    said = Resources.model_validate({"train": train, "attack": attack}).idling()
    assert said is None if idle is None else said.startswith(f"resources/{idle}/gpu: 0; a trial holds the GPU of its ")


def test_check_says_what_idles(capsys):
    assert main(["check", "quickstart", "--set", "resources/attack/gpu=1"]) == 0
    assert (
        "  idle: resources/train/gpu: 0; a trial holds the GPU of its attacks from its first" in capsys.readouterr().out
    )
