"""A passport of a real trial is attacked elsewhere: its own attack finds the same, a better one fells the claim."""

import json
import re
import shutil

import pytest
import torch

from harness.cli import main
from harness.errors import UserError
from harness.passports import Evidence, file_of, read_attacks, read_passport, write_passport
from harness.passports.probe import activations, compare, told
from harness.passports.reattack import Order, attack_passport
from harness.records import AttackJob, Place
from harness.stages.device import pick_device
from harness.stages.loading import images_of, trained
from tests.confirms import searched
from tests.small_ledger import JOB, small_ledger

RIDGE = AttackJob(attack="tests.later_attacks:Ridge", budget="quick", seed=0, part="")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The study of a trial, and its passport."""
    folder = tmp_path_factory.mktemp("passports")
    _, ledger = small_ledger(folder)
    assert main(["export", str(ledger.root), "1", "--out", str(folder)]) == 0
    return ledger, folder / "small-00001.zip"


@pytest.fixture
def path(made, tmp_path):
    """A copy of the passport, in a folder of its own."""
    return shutil.copy(made[1], tmp_path / "passport.zip")


def attacked(path, *jobs, allow_plugins=False):
    return attack_passport(Order(path, jobs, (), allow_plugins), lambda progress: None, lambda line: None)


def test_a_passport_holds_what_the_trial_was_and_came_to_and_no_server(made):
    ledger, path = made
    files, found = ledger.read(1), read_passport(path)
    assert found.claim.settings == files.asked.settings
    assert found.evidence == (Evidence(files.asked, files.record, files.attacks),)
    worst = files.record.measured.objectives
    assert (found.claim.mse, found.claim.ssim) == (worst.mse, worst.ssim)
    assert found.networks[0].keys() == {"client", "defense", "probe"}
    for part in ("client", "defense"):
        assert found.networks[0][part] == (files.path / "attempt-1" / f"{part}.safetensors").read_bytes()


def test_its_own_attack_again_finds_the_same_and_the_claim_stands(path):
    with pytest.raises(UserError, match=r"attack 'tests\.small_ledger:SmallDecoder' is a plug-in"):
        attacked(path)
    assert not file_of(path).exists()
    found = attacked(path, allow_plugins=True)
    (held,) = found.now
    claim = found.passport.claim
    assert (held.job, held.mse, held.ssim, held.fells) == (JOB.name, claim.mse, claim.ssim, ())
    assert found.stands


def test_a_better_attack_fells_the_claim_and_stays_beside_the_passport(path, capsys):
    assert not attacked(path, RIDGE).stands
    assert main(["attack", str(path), "--allow-plugin", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [*document] == ["claim", "stands", "attacks", "earlier", "notes"]
    assert (document["stands"], [each["fells"] for each in document["attacks"]]) == (False, [[]])
    assert [each["fells"] for each in document["earlier"]] == [["mse", "ssim"]]
    assert [each.name for each in sorted(path.parent.iterdir())] == ["passport.zip", "passport.zip.attacks.json"]


def test_every_network_of_a_confirmed_trial_is_attacked(path):
    found = read_passport(path)
    one = found.evidence[0]
    seeds = [one.asked.model_copy(update={"confirm": seed}) for seed in (0, 1)]
    evidence = [one._replace(asked=asked, record=one.record.model_copy(update={"asked": asked})) for asked in seeds]
    write_passport(path, evidence, [*found.networks, *found.networks])
    again = attacked(path, RIDGE)
    (kept,) = read_attacks(again.passport).attacks
    assert [record.measured.scores for record in kept] == [kept[0].measured.scores] * 2
    assert (again.passport.claim.interval, again.stands) == ("seeds", False)


def rewritten(path, networks=None, images=None):
    """Write a passport again with other files of its network, or other digests of its images; all of it agrees."""
    found = read_passport(path)
    evidence = found.evidence[0]
    if images:
        measured = evidence.record.measured.model_copy(update={"digests": evidence.record.measured.digests | images})
        evidence = evidence._replace(record=evidence.record.model_copy(update={"measured": measured}))
    write_passport(path, [evidence], [{**found.networks[0], **(networks or {})}])
    return path


def test_a_network_that_is_not_the_passports_is_not_attacked(made, path):
    model, shape = network(made[0], 0)
    with pytest.raises(UserError, match=r"activations of its probe, client: \d+% of the values are others here"):
        attacked(rewritten(path, {"probe": told(model, shape)}), RIDGE)
    with pytest.raises(UserError, match=r"networks/0: .*; nothing was attacked"):
        attacked(rewritten(path, {"probe": b"no tensors"}), RIDGE)
    with pytest.raises(UserError, match=r"networks/0: .*; nothing was attacked"):
        attacked(rewritten(path, {"defense": b"no tensors"}), RIDGE)
    assert not file_of(path).exists()


def test_other_images_are_refused_with_both_digests(path):
    with pytest.raises(UserError, match="the attacker images are eeeeeeeeeeee there, af145ba5e219 here"):
        attacked(rewritten(path, images={"attacker": "e" * 64}), RIDGE)


def network(ledger, number):
    files = ledger.read(number)
    data = images_of(files.asked.settings, Place(), pick_device())
    return trained(files.asked, data, files.path / "attempt-1"), data.image_shape


def test_a_probe_forgives_the_last_bits_and_no_change_of_a_channel(made):
    model, shape = network(made[0], 1)
    written = told(model, shape)
    weights = [parameter for parameter in model.client.parameters() if parameter.dim() == 4]
    with torch.no_grad():
        weights[0].mul_(1 + 1e-5)
        compare(model, shape, written)
        weights[-1][0].mul_(1.05)
    with pytest.raises(ValueError, match="of the values are others here"):
        compare(model, shape, written)
    assert activations(model, shape).keys() == {"client", "release"}


@pytest.mark.parametrize(
    ("trial", "said"), [("9", "TRIAL 9: .* has trials 0 to 4"), ("3", "TRIAL 3: is failed"), ("x", "TRIAL x")]
)
def test_what_cannot_be_exported_is_one_line(made, trial, said, tmp_path, capsys):
    assert main(["export", str(made[0].root), trial, "--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(said, line)
    assert not [*tmp_path.iterdir()]


def test_a_trial_whose_network_is_gone_is_told_before_anything_is_written(tmp_path, capsys):
    ledger = searched(tmp_path, [(0.6, 0.02, 0.4)])
    assert main(["export", str(ledger.root), "0"]) == 2
    assert "TRIAL 0: " in (printed := capsys.readouterr().err)
    assert "has no trained network" in printed
    assert not (ledger.root / "passports").exists()
