"""A passport says what its evidence says; whatever else a stranger sends is one line, and nothing of it is used."""

import json
import stat
import zipfile

import pytest

from harness.cli import main
from harness.errors import UserError
from harness.passports import archive, read_passport
from harness.passports.archive import read_archive
from tests.passports.given import NETWORK, changed, passport_of, with_file

POINTS = [(0.6, 0.02, 0.4), (0.62, 0.022, 0.38), (0.61, 0.024, 0.36)]


@pytest.fixture
def path(tmp_path):
    return passport_of(tmp_path / "passport.zip", POINTS)


def claim_changed(path, **changes):
    return with_claim(path, json.dumps(json.loads(read_archive(path)["claim.json"]) | changes).encode())


def with_claim(path, text):
    return changed(path, lambda entry, content: (entry, text if entry.filename == "claim.json" else content))


def without(path, name):
    return changed(path, lambda entry, content: None if entry.filename == name else (entry, content))


def test_it_is_read_as_it_was_written(path):
    found = read_passport(path)
    assert found.claim.format == 1
    assert (found.claim.part, found.claim.seeds, found.claim.interval) == ("test", (0, 1, 2), "seeds")
    assert [dict(network) for network in found.networks] == [NETWORK] * 3
    assert [one.asked.confirm for one in found.evidence] == [0, 1, 2]
    assert found.claim.digests.files.keys() == read_archive(path).keys() - {"claim.json"}


def test_the_same_passport_has_the_same_bytes(path, tmp_path):
    assert passport_of(tmp_path / "again.zip", POINTS).read_bytes() == path.read_bytes()


def test_one_training_of_the_search_claims_over_images(tmp_path):
    claim = read_passport(passport_of(tmp_path / "one.zip", POINTS[:1])).claim
    assert (claim.part, claim.seeds, claim.interval) == ("validation", (), "images")
    assert claim.mse_low < claim.mse == POINTS[0][1] < claim.mse_high


def torn(path):
    path.write_bytes(path.read_bytes()[:-30])


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def encrypted(path):
    content = path.read_bytes()
    first = content.index(b"PK\x01\x02")
    path.write_bytes(content[: first + 8] + b"\x01\x00" + content[first + 10 :])


def bomb(path):
    with_file(path, "evidence/7/asked.json", b" " * (archive.JSON + 1))


BAD = {
    "torn": (torn, "is no whole zip archive"),
    "empty": (lambda path: path.write_bytes(b""), "is no whole zip archive"),
    "flipped": (flipped, "torn|not what the claim was made of|is no file of a passport"),
    "absolute": (lambda path: with_file(path, "/etc/cron.d/x"), "'/etc/cron.d/x' is an absolute path"),
    "drive": (lambda path: with_file(path, "C:\\x.json"), "is an absolute path"),
    "above": (lambda path: with_file(path, "evidence/../../x.json"), "leads out of the archive"),
    "above, the other way": (lambda path: with_file(path, "evidence\\..\\x.json"), "leads out of the archive"),
    "link": (lambda path: with_file(path, "evidence/9/asked.json", b"/etc/passwd", stat.S_IFLNK), "is a link"),
    "device": (lambda path: with_file(path, "evidence/9/asked.json", kind=stat.S_IFCHR), "is no plain file"),
    "pickle": (lambda path: with_file(path, "networks/0/server.pt"), "'networks/0/server.pt' is no file of a passport"),
    "folder": (lambda path: with_file(path, "networks/", b"", stat.S_IFDIR), "is no plain file"),
    "twice": (lambda path: with_file(path, "networks/0/client.safetensors"), "is there twice"),
    "encrypted": (encrypted, "is encrypted"),
    "bomb": (bomb, "expands to 32 MiB"),
    "another file": (lambda path: with_file(path, "evidence/3/asked.json"), "is not what the claim was made of"),
    "a file less": (lambda path: without(path, "networks/2/probe.safetensors"), "is not what the claim was made of"),
    "no claim": (lambda path: without(path, "claim.json"), "has no claim.json"),
    "another version": (lambda path: claim_changed(path, format=2), "is of format 2, 1 is read here"),
    "no version": (lambda path: claim_changed(path, format=True), "is of format True, 1 is read here"),
    "a better claim": (lambda path: claim_changed(path, mse=0.5), "claims mse 0.5, and its evidence says 0.022"),
    "a wider claim": (lambda path: claim_changed(path, mse_low=0.0), "claims mse_low 0, and its evidence says"),
    "other settings": (lambda path: claim_changed(path, settings={}), "claims another settings than its evidence says"),
    "an unknown key": (lambda path: claim_changed(path, extra=1), "claim.json: extra"),
    "not JSON": (lambda path: with_claim(path, b"[" * 9999), "claim.json: "),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("spoil", "said"), BAD.values(), ids=BAD)
def test_what_is_no_whole_passport_is_one_line_and_nothing_is_written(path, spoil, said, capsys):
    spoil(path)
    before = {each: each.read_bytes() for each in path.parent.iterdir()}
    with pytest.raises(UserError, match=said):
        read_passport(path)
    assert main(["attack", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert str(path) in printed.err
    assert {each: each.read_bytes() for each in path.parent.iterdir()} == before


LIMITS = {"LARGEST": "a passport at most", "EXPANDED": "expands to", "MOST": "holds 19 files"}


@pytest.mark.parametrize(("limit", "said"), LIMITS.items(), ids=LIMITS)
def test_what_is_larger_than_is_read_is_refused_before_it_is_read(path, limit, said, monkeypatch):
    monkeypatch.setattr(archive, limit, 1)
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    with pytest.raises(UserError, match=said):
        read_archive(path)


def test_a_plug_in_is_refused_before_it_is_looked_for(tmp_path, capsys):
    name = "no.such.package:Defense"
    path = passport_of(tmp_path / "plugged.zip", POINTS, **{"defense/name": name})
    assert main(["attack", str(path), "--attack", "linear:quick"]) == 2
    assert f"defense/name '{name}' is a plug-in" in capsys.readouterr().err
    assert main(["attack", str(path), "--attack", "linear:quick", "--allow-plugin"]) == 2
    assert "No module named 'no'" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["plugged.zip"]


ODD = {
    "width": ({"model/width": 1e9}, "model/width"),
    "cut": ({"model/cut": -1}, "model/cut"),
    "lam": ({"defense/name": "nopeek", "defense/nopeek/lam": "x"}, "defense/nopeek/lam"),
    "size": ({"data/size": 10**9}, "data/size"),
    "key": ({"model/colour": "red"}, "model/colour"),
}


@pytest.mark.parametrize(("setting", "said"), ODD.values(), ids=ODD)
def test_settings_that_no_study_takes_are_one_line(setting, said, tmp_path, capsys):
    path = passport_of(tmp_path / "odd.zip", POINTS, **setting)
    assert main(["attack", str(path), "--attack", "linear:quick"]) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert said in printed


ARGUMENTS = {
    "trial": (["3"], "TRIAL 3: a passport is of one trial"),
    "option": (["--halves"], "--halves: is for a study"),
    "setting": (["--set", "model/width=2"], "--set model/width=2: takes data/root"),
    "server": (["--attack", "membership:quick"], "asks the server, of which a passport has none"),
    "address": (["--address", "auto"], "--address: is for a study"),
}


@pytest.mark.parametrize(("arguments", "said"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_what_only_a_study_takes_is_refused(path, arguments, said, capsys):
    assert main(["attack", str(path), "--attack", "linear:quick", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_study_without_a_trial_is_told_what_is_missing(tmp_path, capsys):
    assert main(["attack", str(tmp_path), "--attack", "linear:quick"]) == 2
    assert "TRIAL: is missing; name a number, front, or all" in capsys.readouterr().err
