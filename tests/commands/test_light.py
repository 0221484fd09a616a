"""What a login node is spared, and a trial's own process: torch, whatever the doors between them load."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

OLD = Path(__file__).parents[1] / "old_studies" / "0.1" / "cem"
SCRIPT = """
import json, sys
from harness.cli import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


@pytest.mark.parametrize(
    ("arguments", "spared"),
    [
        (["status"], {"torch", "torchvision", "ray", "mlflow", "optuna", "sqlalchemy", "pandas"}),
        (["status", "--json"], {"torch", "torchvision", "ray", "mlflow", "optuna", "sqlalchemy", "pandas"}),
        (["ctl", "pause"], {"torch", "torchvision", "ray", "mlflow", "optuna", "sqlalchemy", "pandas"}),
        (["show", "0"], {"torch", "torchvision", "ray", "mlflow", "optuna", "sqlalchemy", "pandas"}),
        (["doctor"], {"torch", "torchvision", "ray", "mlflow"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_that_reads_a_directory_loads_little(arguments, spared, tmp_path):
    study = tmp_path / "cem"
    subprocess.run(["cp", "-r", str(OLD), str(study)], check=True)
    command = [sys.executable, "-c", SCRIPT, arguments[0], str(study), *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    code, loaded = json.loads(done.stdout.splitlines()[-1])
    assert code == 0
    assert not spared & set(loaded)


def test_a_trials_own_process_which_waits_for_its_jobs_holds_no_torch():
    script = "import json, sys, harness.cluster.scheduling; print(json.dumps([name for name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert not {"torch", "torchvision", "torchmetrics", "sklearn", "mlflow"} & set(json.loads(done.stdout))
