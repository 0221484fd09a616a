"""README's steps to a defense and to an attack of one's own, done as written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import attacks
from attacks import contract as attack_contract
from defenses import contract, resolve
from harness.ledger import Ledger

pytestmark = pytest.mark.ray

README = (Path(__file__).parent.parent / "README.md").read_text()
STUDY = re.search(r"`(defense: \{mypackage\.shrink:Shrink.*?\}\}\})`", README.replace("\n", " "))


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """Step 1: the classes of README, in a package outside the repository."""
    defense, attack = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    folder = tmp_path_factory.mktemp("site") / "mypackage"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "shrink.py").write_text("\n".join(line.removeprefix("   ") for line in defense.splitlines()) + "\n")
    (folder / "near.py").write_text(attack)
    sys.path.insert(0, str(folder.parent))
    yield folder.parent
    sys.path.remove(str(folder.parent))


@pytest.mark.parametrize("law", contract.LAWS.values(), ids=contract.LAWS)
def test_step_two_the_class_keeps_the_contract(package, law):
    law(contract.Case(resolve("mypackage.shrink:Shrink"), {"lam": 0.3}))


@pytest.mark.parametrize("law", attack_contract.LAWS.values(), ids=attack_contract.LAWS)
def test_an_attack_of_ones_own_keeps_its_contract(package, law):
    law(attack_contract.Case(attacks.resolve("mypackage.near:Nearest"), {}))


@pytest.mark.timeout(400)
def test_step_three_a_study_that_names_the_class_runs_it(package, tmp_path):
    assert STUDY is not None
    space = tmp_path / "plugged.yaml"
    space.write_text(
        f"name: plugged\n{STUDY[1]}\nmodel: {{width: 0.125, sigma: 0.1}}\n"
        "train: {recipe: fast, epochs: 1, batch_size: 64, images: 128}\n"
        "search: {trials: 1}\nattacks: {decoder: quick}\n"
    )
    command = [sys.executable, "-m", "harness.cli", "run", str(space), "--out", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(package)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=380, env=environment)
    assert done.returncode == 0, done.stderr
    (trial,) = Ledger(tmp_path / "plugged").trials()
    assert trial.asked.settings["defense/name"] == "mypackage.shrink:Shrink"
    assert 0.01 <= trial.asked.settings["defense/mypackage.shrink:Shrink/lam"] <= 1
