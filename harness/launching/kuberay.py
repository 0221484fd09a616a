"""A RayJob on Kubernetes, as Kueue admits it: one file of three documents.

The job is tried once (``backoffLimit: 0``): a driver that ended resumable is started again by whoever has read why.
"""

import importlib.metadata
import re
from typing import Any

import yaml

from harness.errors import UserError
from harness.launching.order import GIVEN, HEALTH, OPENING, ROWS, Order, Sheet

STUDIES, FILES, FILE = "/studies", "/etc/invfront", "study.yaml"
"""Where a pod sees the claim, and the study file."""

SECRET = "invfront"
"""Kubernetes' secret of what opens databases and stores; it need not be there, nor hold all of it."""

HEAD_CPUS = 2
GIBIBYTES = 4
"""Of memory, for each CPU."""

KEPT_SECONDS = 600
"""For which the pods of a job that has ended can be looked at."""

LONGEST = 40
"""Characters of a job's name; Kubernetes adds to it."""


def ray_job(order: Order) -> Sheet:
    """Return a claim for studies, unless they go to a store, the study file, and a RayJob that runs it.

    Raises:
        UserError: the study says a password, which would lie in the file.
    """
    if order.has_secret:
        raise UserError(
            f"{order.space}: storage or tracking names a user, which belongs in no file of Kubernetes': leave it out, "
            f"and give {ROWS} and MLFLOW_TRACKING_URI in the secret {SECRET}"
        )
    name, store = _name(order.name), order.store
    space = f"{FILES}/{FILE}" if order.text is not None else order.space
    documents: list[dict[str, Any]] = [] if store else [_claim(name)]
    if order.text is not None:
        documents.append(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {FILE: order.text}}
        )
    documents.append(_job(order, name, order.command("auto", space, store or STUDIES)))
    head = f"# The study {order.name}, as `invfront cluster kuberay` wrote it: kubectl apply -f {name}.yaml\n"
    text = head + yaml.safe_dump_all(documents, sort_keys=False, explicit_start=True, width=120)
    remarks = [
        f"image {order.image}: it must hold invfront and ray {_ray()}, as this machine has it",
        f"queue {order.queue}: a LocalQueue of Kueue in the job's namespace; without Kueue the label does nothing",
        order.where()
        if store
        else f"studies go to {STUDIES}, the claim {name}, which is ReadWriteMany: name a storageClassName that has it, "
        "if your default one has not",
        f"what opens databases and stores: kubectl create secret generic {SECRET} --from-env-file=FILE, of lines such "
        f"as {ROWS}=...; pods without it start, too",
        *order.rows(f"a line {GIVEN} of that secret"),
    ]
    if order.data_root is not None:
        seen = "what the image holds" if store else f"{STUDIES}, and what the image holds"
        remarks.append(f"data/root {order.data_root}: the pods see {seen}; put it there")
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
    """Return a pod with the claim, if there is one, and the study file; it gets what it asks for, and no more."""
    size = {"cpu": str(cpus), "memory": f"{GIBIBYTES * cpus}Gi"} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    mounts: list[dict[str, Any]] = []
    volumes: list[dict[str, Any]] = []
    if order.store is None:
        mounts.append({"name": "studies", "mountPath": STUDIES})
        volumes.append({"name": "studies", "persistentVolumeClaim": {"claimName": name}})
    if order.text is not None:
        mounts.append({"name": "file", "mountPath": FILES})
        volumes.append({"name": "file", "configMap": {"name": name}})
    container = {
        "name": f"ray-{kind}",
        "image": order.image,
        "env": _environment(order, kind),
        "resources": {"requests": size, "limits": size},
        "volumeMounts": mounts,
    }
    return {"spec": {"containers": [container], "volumes": volumes}}


def _environment(order: Order, kind: str) -> list[dict[str, Any]]:
    """Return a pod's variables: the driver runs on the head, and what opens a store is for all."""
    plain = HEALTH if kind == "head" else {}
    secret = (ROWS, "MLFLOW_TRACKING_URI", *OPENING) if kind == "head" else OPENING if order.store else ()
    given: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in plain.items()]
    for name in secret:
        given.append({"name": name, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": name, "optional": True}}})
    return given


def _name(study: str) -> str:
    """Return a study's name as Kubernetes takes it."""
    plain = re.sub(r"[^a-z0-9]+", "-", study.lower()).strip("-")
    return f"invfront-{plain}"[:LONGEST].rstrip("-")


def _ray() -> str:
    return importlib.metadata.version("ray")
