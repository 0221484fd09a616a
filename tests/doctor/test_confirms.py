"""Doctor looks at the trainings that confirm trials as it does at trials."""

import pytest

from harness.doctor import examine, mend
from harness.ledger import Confirms
from tests.confirms import begun, searched, training


@pytest.fixture
def ledger(tmp_path):
    found = searched(tmp_path, [(0.9, 0.02, 0.5), (0.8, 0.04, 0.3)])
    begun(found, seeds=1)
    training(found, 0, 0, (0.88, 0.021, 0.5))
    return found


def found_in(ledger) -> dict[str, str]:
    own = [each for each in examine(ledger.root) if "confirm" in each.path.relative_to(ledger.root).parts]
    return {str(each.path.relative_to(ledger.root)): each.action for each in own if each.action != "yours"}


def test_a_whole_confirm_has_nothing_wrong(ledger):
    assert found_in(ledger) == {}


@pytest.mark.parametrize(
    ("file", "action"),
    [("00000/0/record.json", "again"), ("00000/0/asked.json", "restore"), ("round-1.json", "again")],
)
def test_a_torn_file_is_found_and_mended_and_nothing_is_thrown_away(ledger, file, action):
    path = ledger.root / "confirm" / file
    path.write_bytes(path.read_bytes()[:40])
    assert found_in(ledger) == {f"confirm/{file}": action}
    (finding,) = [each for each in examine(ledger.root) if each.path == path]
    mend(ledger.root, finding, None)
    assert list(path.parent.glob(f"{path.name}.corrupt-*"))
    assert found_in(ledger).keys() <= {f"confirm/{file}.corrupt-1"}
    assert Confirms(ledger).rounds() is not None


def test_a_training_without_any_whole_copy_of_what_it_is_is_asked_again(ledger):
    folder = ledger.root / "confirm" / "00000" / "0"
    for name in ("asked.json", "record.json"):
        (folder / name).write_text("{")
    (finding,) = [each for each in examine(ledger.root) if each.path == folder / "asked.json"]
    assert "`invfront confirm` asks it again" in finding.remedy
    mend(ledger.root, finding, None)
    assert not folder.exists()
    assert (ledger.root / "lost" / "0-1" / "record.json").exists()
