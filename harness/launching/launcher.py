"""A cluster for Ray's own launcher, `ray up`: of machines that are there, or of rented ones that come and go."""

import getpass
import importlib.metadata
from typing import Any

import yaml

from harness import __version__
from harness.launching.order import GIVEN, HEALTH, Order, Sheet

STUDY = "/tmp/invfront-study.yaml"
"""Where the head finds the study file."""

START = "--disable-usage-stats --include-dashboard=false --port=6379 --autoscaling-config=~/ray_bootstrap_config.yaml"

HEALTH_SET = " ".join(f"{name}={value}" for name, value in HEALTH.items())

TYPES = {
    0: {2: "m7i.large", 4: "m7i.xlarge", 8: "m7i.2xlarge", 16: "m7i.4xlarge", 32: "m7i.8xlarge", 64: "m7i.16xlarge"},
    1: {4: "g6.xlarge", 8: "g6.2xlarge", 16: "g6.4xlarge", 32: "g6.8xlarge", 64: "g6.16xlarge"},
    4: {48: "g6.12xlarge", 96: "g6.24xlarge"},
    8: {192: "g6.48xlarge"},
}
"""AWS's names of machines, by GPUs and by CPUs."""


def ray_cluster(order: Order) -> Sheet:
    """Return a cluster's YAML; the study is started on its head, as its first lines say."""
    space = STUDY if order.text is not None else order.space
    file, name = f"{order.name}-cluster.yaml", f"invfront-{order.name}"
    config = {"cluster_name": name, "max_workers": order.nodes - 1} | (_own(order) if order.hosts else _rented(order))
    config |= {
        "file_mounts": {STUDY: order.space} if order.text is not None else {},
        "setup_commands": [
            f"pip install 'ray[default]=={importlib.metadata.version('ray')}' 'invfront=={__version__}'"
        ],
        "head_start_ray_commands": ["ray stop", f"{HEALTH_SET} ray start --head {START}"],
        "worker_start_ray_commands": ["ray stop", "ray start --address=$RAY_HEAD_IP:6379 --disable-usage-stats"],
    }
    head = (
        f"# The study {order.name}, as `invfront cluster ray` wrote it:\n#   ray up {file}\n"
        f'#   ray exec {file} "{order.command("auto", space)}"\n'
    )
    remarks = [
        f"{order.where()} under the same path",
        *order.rows(f"in the file's third line write {GIVEN} before `invfront run`"),
        f"setup_commands install invfront {__version__} by pip: name your wheel or checkout there if you have another",
    ]
    if not order.hosts:
        remarks.append(f"{_type(order)} in us-west-2, at most {order.nodes}: see to region and prices")
    return Sheet(file, head + yaml.safe_dump(config, sort_keys=False, width=120), tuple(remarks))


def _own(order: Order) -> dict[str, Any]:
    head, *workers = order.hosts
    return {
        "provider": {"type": "local", "head_ip": head, "worker_ips": workers},
        "auth": {"ssh_user": getpass.getuser()},
        "min_workers": len(workers),
    }


def _rented(order: Order) -> dict[str, Any]:
    node = {"InstanceType": _type(order)}
    size: dict[str, int] = {"CPU": order.cpus} | ({"GPU": order.gpus} if order.gpus else {})
    return {
        "provider": {"type": "aws", "region": "us-west-2"},
        "auth": {"ssh_user": "ubuntu"},
        "idle_timeout_minutes": 10,
        "available_node_types": {
            "head": {"resources": size, "node_config": node},
            "worker": {"min_workers": 0, "max_workers": order.nodes - 1, "resources": size, "node_config": node},
        },
        "head_node_type": "head",
    }


def _type(order: Order) -> str:
    """Return the smallest machine that has what a node needs, or the largest."""
    fitting = [
        (gpus, cpus, name)
        for gpus, sizes in TYPES.items()
        for cpus, name in sizes.items()
        if gpus >= order.gpus and cpus >= order.cpus
    ]
    return min(fitting, default=(0, 0, "g6.48xlarge"))[2]
