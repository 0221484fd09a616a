"""A RayJob on Kubernetes, as Kueue admits it: one file of three documents.

The job is tried once (``backoffLimit: 0``): a driver that ended resumable is started again by whoever has read why.
"""

import importlib.metadata
import re
from typing import Any

import yaml

from harness.launching.order import HEALTH, Order, Sheet

STUDIES, FILES, FILE = "/studies", "/etc/invfront", "study.yaml"
"""Where a pod sees the claim, and the study file."""

HEAD_CPUS = 2
GIBIBYTES = 4
"""Of memory, for each CPU."""

KEPT_SECONDS = 600
"""For which the pods of a job that has ended can be looked at."""

LONGEST = 40
"""Characters of a job's name; Kubernetes adds to it."""


def ray_job(order: Order) -> Sheet:
    """Return a claim for studies, the study file, and a RayJob that runs it."""
    name = _name(order.name)
    space = f"{FILES}/{FILE}" if order.text is not None else order.space
    documents: list[dict[str, Any]] = [_claim(name)]
    if order.text is not None:
        documents.append(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {FILE: order.text}}
        )
    documents.append(_job(order, name, order.command("auto", space, STUDIES)))
    head = f"# The study {order.name}, as `invfront cluster kuberay` wrote it: kubectl apply -f {name}.yaml\n"
    text = head + yaml.safe_dump_all(documents, sort_keys=False, explicit_start=True, width=120)
    remarks = [
        f"image {order.image}: it must hold invfront and ray {_ray()}, as this machine has it",
        f"the claim {name} is ReadWriteMany: name a storageClassName that has it, if your default one has not",
        f"queue {order.queue}: a LocalQueue of Kueue in the job's namespace; without Kueue the label does nothing",
    ]
    if order.data_root is not None:
        remarks.append(f"data/root {order.data_root}: the pods see {STUDIES}, and what the image holds; put it there")
    return Sheet(f"{name}.yaml", text, tuple(remarks))


def _claim(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "100Gi"}}},
    }


def _job(order: Order, name: str, command: str) -> dict[str, Any]:
    workers = {
        "groupName": "workers",
        "replicas": order.nodes,
        "minReplicas": order.nodes,
        "maxReplicas": order.nodes,
        "rayStartParams": {},
        "template": _pod(order, name, "worker", order.cpus, order.gpus),
    }
    cluster = {
        "rayVersion": _ray(),
        "authOptions": {"mode": "token"},
        "headGroupSpec": {
            "rayStartParams": {"num-cpus": "0"},
            "template": _pod(order, name, "head", HEAD_CPUS, 0),
        },
        "workerGroupSpecs": [workers],
    }
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": name, "labels": {"kueue.x-k8s.io/queue-name": order.queue}},
        "spec": {
            "entrypoint": command,
            "backoffLimit": 0,
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "rayClusterSpec": cluster,
        },
    }


def _pod(order: Order, name: str, kind: str, cpus: int, gpus: int) -> dict[str, Any]:
    """Return a pod with the claim and the study file; it gets what it asks for, and no more."""
    size = {"cpu": str(cpus), "memory": f"{GIBIBYTES * cpus}Gi"} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    mounts = [{"name": "studies", "mountPath": STUDIES}]
    volumes: list[dict[str, Any]] = [{"name": "studies", "persistentVolumeClaim": {"claimName": name}}]
    if order.text is not None:
        mounts.append({"name": "file", "mountPath": FILES})
        volumes.append({"name": "file", "configMap": {"name": name}})
    container = {
        "name": f"ray-{kind}",
        "image": order.image,
        "resources": {"requests": size, "limits": size},
        "volumeMounts": mounts,
    }
    if kind == "head":
        container["env"] = [{"name": name, "value": value} for name, value in HEALTH.items()]
    return {"spec": {"containers": [container], "volumes": volumes}}


def _name(study: str) -> str:
    """Return a study's name as Kubernetes takes it."""
    plain = re.sub(r"[^a-z0-9]+", "-", study.lower()).strip("-")
    return f"invfront-{plain}"[:LONGEST].rstrip("-")


def _ray() -> str:
    return importlib.metadata.version("ray")
