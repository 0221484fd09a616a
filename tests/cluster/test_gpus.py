"""What share of a GPU is reserved for a job that says how much of its memory."""

import pytest

from harness.cluster import gpus
from harness.cluster.running import InProcess
from harness.errors import UserError
from harness.study.sections import Resources

GIB = 2**30
ASKED = Resources.model_validate({"train": {"gpu_memory": "6GiB"}, "attack": {"gpu_memory": "3GiB"}})


def test_a_share_is_of_the_smallest_gpu_of_all_nodes():
    found = gpus.sized(ASKED, {"a": [80 * GIB, 80 * GIB], "b": [24 * GIB], "c": []})
    assert (found.train.gpu, found.attack.gpu) == (0.25, 0.125)
    assert found.bundle() == {"CPU": 1.0, "GPU": 0.25}


def test_what_is_not_said_by_memory_stays_as_it_is():
    plain = Resources.model_validate({"train": {"gpu": 0.5}})
    assert gpus.sized(plain, {}) == plain


def test_what_no_gpu_or_not_every_gpu_holds_is_refused_with_the_numbers():
    with pytest.raises(UserError, match=r"6.44 GB: the smallest GPU has 4.29 GB \(big 85.9 GB, small 4.29 GB\)"):
        gpus.sized(ASKED, {"big": [80 * GIB], "small": [4 * GIB]})
    with pytest.raises(UserError, match=r"train/gpu_memory: 6.44 GB: no node has a GPU whose memory nvidia-smi tells"):
        gpus.sized(ASKED, {"a": []})


def test_a_machine_tells_its_gpus_as_nvidia_smi_does(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="no node has a GPU"):
        InProcess().sized(ASKED)
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\n[ $1 = --query-gpu=memory.total ] && printf '81559\\n40960\\n'\n")
    tool.chmod(0o755)
    assert gpus.here() == [81559 * 2**20, 40960 * 2**20]
    assert InProcess().sized(ASKED).train.gpu == 0.15
