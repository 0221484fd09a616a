"""What a study is planned for: nodes that hold what trials ask for, and GPUs whose memory is known."""

import pytest

from harness.cluster import Found
from harness.driver.machines import Described, fitted, fitting
from harness.errors import UserError
from harness.study import Resources

GIB = 2**30
MEMORY = {"train": {"cpu": 1, "gpu_memory": "20GiB"}, "attack": {"cpu": 1, "gpu_memory": "10GiB"}}


def asked(**changes) -> Resources:
    return Resources.model_validate(MEMORY | changes)


@pytest.fixture
def gpus(tmp_path, monkeypatch):
    """Return what gives this machine GPUs of so many MiB, as nvidia-smi tells; until then it has none."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def have(*sizes: int) -> None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text("#!/bin/sh\n" + "".join(f"echo {size}\n" for size in sizes))
        tool.chmod(0o755)

    return have


def test_memory_of_a_gpu_is_a_share_of_those_that_are_described():
    found = fitted(asked(), None, Described(nodes=2, cpus=64, gpus=8, gpu_memory=80 * GIB), None)
    assert (found.resources.train.gpu, found.resources.attack.gpu) == (0.25, 0.125)
    assert (found.machine.slots, found.machine.nodes, found.machine.unplaceable) == (2 * 8 * 4, 2, ())


def test_the_gpus_of_this_machine_are_the_default(gpus):
    gpus(81920, 40960)
    found = fitted(asked(), None, Described(nodes=2, cpus=64, gpus=8), None)
    assert found.resources.train.gpu == 0.5, "of the smallest"
    assert found.machine.slots == 2 * 8 * 2


def test_gpus_of_which_nobody_knows_how_large_they_are_are_refused_only_where_it_matters(gpus):
    with pytest.raises(UserError, match=r"--gpu-memory: is missing; trials ask for memory of a GPU.*, as --gpu-mem"):
        fitted(asked(), None, Described(gpus=8), None)
    plain = asked(train={"cpu": 1, "gpu": 1}, attack={"cpu": 1})
    assert fitted(plain, None, Described(cpus=64, gpus=8), None).machine.slots == 8


def test_a_gpu_that_is_too_small_or_not_there_is_said_and_a_whole_one_is_reckoned_with(gpus):
    small = fitted(asked(), None, Described(cpus=64, gpus=8, gpu_memory=16 * GIB), 2.5)
    none = fitted(asked(), None, Described(cpus=64, gpus=0), 2.5)
    for found, why in ((small, "the smallest GPU has 17.2 GB"), (none, "no node has a GPU")):
        assert found.machine.slots == 0
        assert found.machine.rate == 2.5
        (line,) = found.machine.unplaceable
        assert line.startswith("resources/train/gpu_memory: 21.5 GB: " + why)
        assert found.resources.bundle()["GPU"] == 1.0


def test_what_no_node_holds_is_said_by_shares():
    many = asked(train={"cpu": 9, "gpu_memory": "20GiB"})
    (line,) = fitted(many, None, Described(cpus=8, gpus=1, gpu_memory=80 * GIB), None).machine.unplaceable
    assert line.startswith("resources: a trial asks for {'CPU': 9.0, 'GPU': 0.25}; no node has that")


@pytest.mark.parametrize(("concurrent", "slots"), [("auto", 1), (6, 6)])
def test_nodes_that_the_autoscaler_may_bring_are_reckoned_with_by_whole_gpus_and_said(concurrent, slots):
    nobody = Found([{"CPU": 4.0, "GPU": 0.0}], [], comes=True)
    found = fitting(asked(concurrent=concurrent), nobody, None)
    assert (found.machine.slots, found.machine.unplaceable, found.resources.bundle()["GPU"]) == (slots, (), 1.0)
    assert [line.split(":")[0] for line in found.machine.remarks] == [
        "resources/train/gpu_memory",
        "resources/attack/gpu_memory",
        "the machine",
    ]
    assert fitting(asked(), nobody._replace(comes=False), None).machine.slots == 0
