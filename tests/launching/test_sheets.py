"""The files that start a study on a cluster are ones that the cluster takes, and say what the study needs."""

import json
import subprocess

import pytest
import yaml
from kubernetes.client import models
from ray.autoscaler._private.util import prepare_config, validate_config

from harness.cli import main
from harness.errors import UserError
from harness.launching import FORMS, order_of
from harness.launching.order import HEALTH, OPENING
from harness.study.check import load_checked

SPACE = """
name: my-study
data: {name: digits}
defense: {none: {}}
attacks: {linear: quick}
search: {trials: 8}
resources: {concurrent: 8, train: {cpu: 4, gpu: 1}, attack: {cpu: 2, gpu: 0.5}}
"""


@pytest.fixture
def space(tmp_path):
    file = tmp_path / "my study.yaml"
    file.write_text(SPACE)
    return file


def sheet(form: str, space, **more):
    study = load_checked(str(space))
    return FORMS[form](order_of(study, str(space), ["--set", "search/seed=1"], **more))


def refuse_unlike(value: object, kind: str) -> None:
    """Refuse what Kubernetes' own model of a kind does not take: a key that it does not know, or one that it misses."""
    model = getattr(models, kind, None)
    if kind.startswith("list["):
        assert isinstance(value, list), kind
        for each in value:
            refuse_unlike(each, kind[5:-1])
    elif model is not None:
        names = {key: name for name, key in model.attribute_map.items()}
        for key, part in value.items():
            refuse_unlike(part, model.openapi_types[names[key]])
        model(**{names[key]: part for key, part in value.items()})


def test_a_node_is_as_large_as_its_share_of_the_trials(space):
    order = order_of(load_checked(str(space)), str(space), nodes=4)
    assert (order.cpus, order.gpus) == (8, 2)
    assert order_of(load_checked(str(space)), str(space), nodes=3).gpus == 3
    assert order_of(load_checked(str(space)), str(space), nodes=4, cpus=64, gpus=0)[6:8] == (64, 0)


def test_an_sbatch_file_is_bash_and_asks_for_what_the_study_needs(space):
    text = sheet("slurm", space, nodes=4).text
    checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")
    asked = [line for line in text.splitlines() if line.startswith("#SBATCH")]
    for line in ("--nodes=4", "--cpus-per-task=8", "--gpus-per-node=2", "--signal=B:USR1@120", "--requeue"):
        assert f"#SBATCH {line}" in asked
    assert f"invfront run '{space}' --set search/seed=1 --out runs --address \"$ip:$port\" &" in text
    assert not any("gpus-per-node" in line for line in sheet("slurm", space, gpus=0).text.splitlines())
    assert text.index("#SBATCH --output") < text.index("\nset ")  # Slurm reads no #SBATCH behind the first command


def test_a_ray_job_is_one_file_of_three_documents_that_fit_each_other(space):
    claim, file, job = yaml.safe_load_all(sheet("kuberay", space, nodes=4, image="mine:1", queue="gpus").text)
    assert [each["kind"] for each in (claim, file, job)] == ["PersistentVolumeClaim", "ConfigMap", "RayJob"]
    assert file["data"] == {"study.yaml": SPACE}
    assert job["metadata"]["labels"] == {"kueue.x-k8s.io/queue-name": "gpus"}
    spec = job["spec"]
    assert (spec["backoffLimit"], spec["shutdownAfterJobFinishes"]) == (0, True)
    assert spec["entrypoint"] == (
        "invfront run /etc/invfront/study.yaml --set search/seed=1 --out /studies --address auto"
    )
    cluster = spec["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    (workers,) = cluster["workerGroupSpecs"]
    assert {workers[key] for key in ("replicas", "minReplicas", "maxReplicas")} == {4}
    for group in (workers, cluster["headGroupSpec"]):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert container["image"] == "mine:1"
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/studies", "/etc/invfront"}
        claims = [each["persistentVolumeClaim"]["claimName"] for each in pod["volumes"] if "configMap" not in each]
        assert claims == [claim["metadata"]["name"]]
    size = workers["template"]["spec"]["containers"][0]["resources"]
    assert size["limits"] == size["requests"] == {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "2"}


def test_what_a_ray_job_brings_along_is_what_kubernetes_own_models_take(space):
    claim, file, job = yaml.safe_load_all(sheet("kuberay", space, nodes=4, queue="gpus").text)
    refuse_unlike(claim, "V1PersistentVolumeClaim")
    refuse_unlike(file, "V1ConfigMap")
    refuse_unlike(job["metadata"], "V1ObjectMeta")
    cluster = job["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        refuse_unlike(group["template"], "V1PodTemplateSpec")
    (container,) = cluster["headGroupSpec"]["template"]["spec"]["containers"]
    with pytest.raises(KeyError, match="nam"):
        refuse_unlike(container | {"nam": "x"}, "V1Container")
    with pytest.raises(ValueError, match="name"):
        refuse_unlike({"image": "x"}, "V1Container")


def secrets(container: dict) -> set[str]:
    """Return the variables that a container has from a secret which need not be there."""
    found = [each["valueFrom"]["secretKeyRef"] for each in container["env"] if "value" not in each]
    assert all(each == {"name": "invfront", "key": each["key"], "optional": True} for each in found)
    return {each["key"] for each in found}


@pytest.mark.parametrize("out", ["runs", "s3://bucket/studies"])
def test_what_opens_databases_and_stores_comes_from_a_secret_to_the_pods_that_need_it(out, space):
    *_, job = yaml.safe_load_all(sheet("kuberay", space, out=out).text)
    cluster = job["spec"]["rayClusterSpec"]
    groups = cluster["headGroupSpec"], *cluster["workerGroupSpecs"]
    for group in groups:
        refuse_unlike(group["template"], "V1PodTemplateSpec")
    head, workers = [secrets(container) for group in groups for container in group["template"]["spec"]["containers"]]
    assert head == {"INVFRONT_STORAGE", "MLFLOW_TRACKING_URI", *OPENING}
    assert workers == (set() if out == "runs" else set(OPENING))


def test_a_ray_job_whose_studies_go_to_a_store_has_no_claim(space):
    sheet_of = sheet("kuberay", space, out="s3://bucket/studies")
    file, job = yaml.safe_load_all(sheet_of.text)
    assert [each["kind"] for each in (file, job)] == ["ConfigMap", "RayJob"]
    assert "--out s3://bucket/studies --address auto" in job["spec"]["entrypoint"]
    assert not any(word in sheet_of.text for word in ("mountPath: /studies", "claim", "Claim"))
    with pytest.raises(UserError, match="takes a bucket and a folder alone"):
        sheet("kuberay", space, out="s3://key:secret@bucket/studies")


@pytest.mark.parametrize("form", FORMS)
def test_a_study_that_names_no_storage_is_told_how_to_give_postgresql(form, space):
    told = "INVFRONT_STORAGE=postgresql+psycopg://user:password@host/db"
    (remark,) = [line for line in sheet(form, space).remarks if told in line]
    assert remark.startswith("several nodes that share a file system want PostgreSQL")
    (remark,) = [line for line in sheet(form, space, out="s3://bucket/studies").remarks if told in line]
    assert "is refused without PostgreSQL" in remark
    space.write_text(f"{SPACE}storage: postgresql+psycopg://host/db\n")
    assert not any(told in line for line in sheet(form, space).remarks)


def test_a_password_goes_into_no_file_of_kubernetes(space):
    space.write_text(f"{SPACE}storage: postgresql+psycopg://me:s3cret@host/db\n")
    with pytest.raises(UserError, match=r"give INVFRONT_STORAGE .* in the secret invfront") as refusal:
        sheet("kuberay", space)
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize("hosts", [(), ("node1", "node2", "node3")])
def test_rays_launcher_takes_the_cluster(hosts, space):
    text = sheet("ray", space, nodes=4, hosts=hosts).text
    config = yaml.safe_load(text)
    validate_config(prepare_config(dict(config)))
    assert config["max_workers"] == (len(hosts) or 4) - 1
    assert 'ray exec my-study-cluster.yaml "invfront run /tmp/invfront-study.yaml' in text
    assert config["file_mounts"] == {"/tmp/invfront-study.yaml": str(space)}


def test_in_every_form_the_head_gives_a_silent_node_up_soon(space):
    (told,) = [line for line in sheet("slurm", space).text.splitlines() if line.startswith("export RAY_health")]
    assert set(told.split()[1:]) == {f"{name}={value}" for name, value in HEALTH.items()}
    *_, job = yaml.safe_load_all(sheet("kuberay", space).text)
    cluster = job["spec"]["rayClusterSpec"]
    (head,) = cluster["headGroupSpec"]["template"]["spec"]["containers"]
    assert {each["name"]: each["value"] for each in head["env"] if "value" in each} == HEALTH
    command = yaml.safe_load(sheet("ray", space).text)["head_start_ray_commands"][-1]
    assert set(command.partition(" ray start ")[0].split()) == set(told.split()[1:])


def test_the_file_goes_to_standard_output_or_a_folder_and_remarks_to_standard_error(space, tmp_path, capsys):
    assert main(["cluster", "slurm", str(space)]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("#!/bin/bash\n")
    assert printed.err.startswith("invfront: 1 node(s) of 32 CPUs and 8 GPUs")
    assert main(["cluster", "slurm", str(space), "--to", str(tmp_path / "new"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (tmp_path / "new" / "my-study.sbatch").read_text() == told["text"] == printed.out
    assert told["written"] == str(tmp_path / "new" / "my-study.sbatch")


def test_what_does_not_fit_is_one_line(space, tmp_path, capsys):
    assert main(["cluster", "slurm", str(space), "--hosts", "a,b"]) == 2
    assert capsys.readouterr().err == "invfront: --hosts a,b: is for ray; slurm finds its machines itself\n"
    assert main(["cluster", "ray", str(space), "--hosts", "a,,b"]) == 2
    assert "--hosts a,,b: takes names between commas" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["cluster", "slurm", str(space), "--to", str(tmp_path / "file" / "below")]) == 2
    assert "name a folder that can be written to" in capsys.readouterr().err


def test_every_step_of_an_sbatch_file_gets_the_processors_that_its_ray_is_told_of(space):
    text = sheet("slurm", space, nodes=4).text
    (step,) = [line for line in text.splitlines() if line.startswith("on()")]
    assert "--cpus-per-task=8 " in step
    assert "--num-cpus=8 " in text


def test_a_job_that_asks_for_no_processor_is_on_a_node_that_has_one(space):
    space.write_text(SPACE.replace("{cpu: 4, gpu: 1}", "{cpu: 0, gpu: 1}").replace("cpu: 2, gpu", "cpu: 0, gpu"))
    assert order_of(load_checked(str(space)), str(space)).cpus == 1


def test_what_a_file_cannot_ask_for_is_said(space, capsys):
    space.write_text(SPACE.replace("cpu: 4, gpu: 1", "cpu: 4, gpu: 1, memory: 16GiB, custom: {licence: 1}"))
    assert main(["cluster", "slurm", str(space)]) == 0
    assert "resources ask for licence, memory beside CPUs and GPUs: add that to the file" in capsys.readouterr().err
