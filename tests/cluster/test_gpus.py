"""What share of a GPU is reserved for a job that says how much of its memory."""

import pytest

from harness.cluster import gpus
from harness.cluster.gpus import Gpus, Node
from harness.cluster.running import InProcess
from harness.cluster.survey import chosen
from harness.errors import UserError
from harness.study.sections import Resources

GIB = 2**30
ASKED = Resources.model_validate({"train": {"gpu_memory": "6GiB"}, "attack": {"gpu_memory": "3GiB"}})


def node(name: str, *gib: int, kind: str = "T4") -> Gpus:
    return Gpus(name, [size * GIB for size in gib], frozenset([kind]))


def of_kind(kind: str | None = "H100") -> Resources:
    share = {"gpu_memory": "20GiB", "accelerator": kind}
    return Resources.model_validate({"train": share, "attack": share})


def test_a_share_is_of_the_smallest_gpu_of_all_nodes():
    found = gpus.sized(ASKED, [node("a", 80, 80), node("b", 24), node("c")])
    assert (found.train.gpu, found.attack.gpu) == (0.25, 0.125)
    assert found.bundle() == {"CPU": 1.0, "GPU": 0.25}


def test_where_a_kind_of_accelerator_is_asked_for_gpus_of_other_kinds_do_not_count():
    nodes = [node("big", 80, kind="H100"), node("bigger", 160, kind="H100"), node("small", 16)]
    assert gpus.sized(of_kind(), nodes).bundle() == {"CPU": 1.0, "GPU": 0.25, "accelerator_type:H100": 0.001}
    with pytest.raises(UserError, match=r"17.2 GB \(big .*, small .*or say which accelerator in resources/train$"):
        gpus.sized(of_kind(None), nodes)
    with pytest.raises(UserError, match="no node has the accelerator H100 whose memory nvidia-smi tells"):
        gpus.sized(of_kind(), nodes[2:])


@pytest.mark.parametrize("there", [[], [node("small", 16)]])
def test_a_whole_gpu_is_reserved_of_a_kind_that_no_node_has_and_the_autoscaler_may_bring(there):
    asked, said = list[dict[str, float]](), list[str]()
    found = gpus.sized(of_kind(), there, lambda request: not asked.append(request), said.append)
    whole = {"CPU": 1.0, "GPU": 1.0, "accelerator_type:H100": 0.001}
    assert (found.bundle(), found.train.gpu_memory, asked) == (whole, None, [whole])
    assert [line.split(" yet, ")[0] for line in said] == [
        f"resources/{kind}/gpu_memory: 21.5 GB: no node has the accelerator H100" for kind in ("train", "attack")
    ]


def test_no_node_is_waited_for_where_one_that_is_there_has_what_is_asked_for():
    small = [node("small", 16, kind="H100")]
    with pytest.raises(UserError, match=r"the smallest GPU has 17\.2 GB"):
        gpus.sized(of_kind(), small, lambda request: pytest.fail("asked the autoscaler"))


def test_the_kinds_that_a_node_has_are_those_that_ray_names():
    assert gpus.kinds_of({"CPU": 4.0, "GPU": 1.0, "accelerator_type:H100": 1.0, "node:10.0.0.1": 1.0}) == {"H100"}


def test_what_is_not_said_by_memory_stays_as_it_is():
    plain = Resources.model_validate({"train": {"gpu": 0.5}})
    assert gpus.sized(plain, []) == plain


def test_what_no_gpu_or_not_every_gpu_holds_is_refused_with_the_numbers():
    with pytest.raises(UserError, match=r"6.44 GB: the smallest GPU has 4.29 GB \(big 85.9 GB, small 4.29 GB\)"):
        gpus.sized(ASKED, [node("big", 80), node("small", 4)])
    with pytest.raises(UserError, match=r"train/gpu_memory: 6.44 GB: no node has a GPU whose memory nvidia-smi tells"):
        gpus.sized(ASKED, [node("a")])


def test_a_machine_tells_its_gpus_as_nvidia_smi_does(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="no node has a GPU"):
        InProcess().sized(ASKED, print)
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\n[ $1 = --query-gpu=memory.total ] && printf '81559\\n40960\\n'\n")
    tool.chmod(0o755)
    assert gpus.here() == [81559 * 2**20, 40960 * 2**20]
    assert InProcess().sized(ASKED, print).train.gpu == 0.15


def test_of_many_nodes_that_hold_a_trial_some_are_asked_of_each_kind():
    def there(name: str, kind: str, cpus: float = 8.0) -> Node:
        return Node(name, name, {"CPU": cpus, "GPU": 1.0, f"accelerator_type:{kind}": 1.0})

    asked = Resources.model_validate({"train": {"cpu": 2, "gpu": 1}})
    many = [*(there(f"h{number}", "H100") for number in range(9)), there("t", "T4"), there("small", "A10G", cpus=1.0)]
    assert [node.id for node in chosen(many, asked)] == ["h0", "t", "h1", "h2"]
    assert chosen(many[-1:], asked) == []
