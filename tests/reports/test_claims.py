"""A leaderboard says which claims stand and which fell to what, and compares only what can be compared."""

import json
import re

import pytest

from harness.cli import main
from harness.passports import add_attack, read_passport
from harness.passports.leaderboard import board
from harness.records import AttackJob
from reports.claims import CLAIMS, claims_table, leading, page, words
from tests.passports.given import attacked, passport_of, with_file

LATER = AttackJob(attack="linear", budget="quick", seed=0, part="test")
POINTS = {
    "none": (0.7, 0.010, 0.7),
    "nopeek": (0.65, 0.020, 0.5),
    "laplace": (0.60, 0.015, 0.6),
    "topk": (0.5, 0.04, 0.2),
}
HOSTILE = "<script>alert(1).zip"


def three(accuracy, mse, ssim):
    return [(accuracy + step / 1000, mse + step / 5000, ssim - step / 1000) for step in (-1, 0, 1)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four claims, of which one fell and one was attacked by more than it speaks of; one of the search; two others."""
    folder = tmp_path_factory.mktemp("board")
    for name, point in POINTS.items():
        passport_of(folder / f"{name}.zip", three(*point), **{"defense/name": name})
    add_attack(read_passport(folder / "topk.zip"), [attacked(0.001, 0.9, LATER)] * 3)
    add_attack(read_passport(folder / "nopeek.zip"), [attacked(0.001, 0.9, LATER, knowledge="gradients")] * 3)
    passport_of(folder / "searched.zip", [POINTS["none"]])
    with_file(passport_of(folder / HOSTILE, three(*POINTS["none"])), "/etc/passwd")
    (folder / "torn.zip").write_bytes(b"PK")
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return board(folder)


def test_every_passport_is_a_row_or_is_told_why_it_is_not(found):
    assert [*found.claims.columns[: len(CLAIMS)]] == [*CLAIMS]
    assert sorted(found.claims["file"]) == sorted([*(f"{name}.zip" for name in POINTS), "searched.zip"])
    assert {name: why.partition(": ")[2][:20] for name, why in found.refused} == {
        HOSTILE: "'/etc/passwd' is an ",
        "torn.zip": "is no whole zip arch",
    }


def test_what_fell_says_to_what_and_by_which_scores(found):
    rows = found.claims.set_index("file")
    assert rows["stands"].to_dict() == dict.fromkeys(rows.index, True) | {"topk.zip": False}
    assert rows.loc["topk.zip", "fell_to"] == "linear-quick-0-test, mse 0.001 and ssim 0.900"
    assert rows.loc["nopeek.zip", "beside"] == "linear-quick-0-test may do more than the claim's attackers"
    assert words(found.claims, found.refused)[0] == "Of 5 claims 4 stand and 1 fell."


def test_only_what_stands_and_nothing_dominates_leads(found):
    rows = found.claims[found.claims["part"] == "test"]
    leads = dict(zip(rows["file"], leading(rows), strict=True))
    assert leads == {"none.zip": True, "nopeek.zip": True, "laplace.zip": False, "topk.zip": False}
    assert [row[1] for row in claims_table(rows).rows] == ["none.zip", "nopeek.zip", "laplace.zip", "topk.zip"]


def test_claims_on_other_images_stand_in_tables_of_their_own(found):
    html = page(found.claims, found.refused)
    test, validation = f"digits, test images {'b' * 12}: 4 claims", f"digits, validation images {'a' * 12}: 1 claim"
    assert re.findall(r"<h2>(.*?)</h2>", html) == [test, validation, "Not read"]
    assert html.count("<table>") == 2
    assert ">nan<" not in html


def test_the_page_has_no_markup_of_strangers_and_needs_no_network(found):
    html = page(found.claims, found.refused)
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html
    assert not re.findall(r"(?:src|href)\s*=|url\(|@import", html)


def test_the_command_writes_page_and_tables_whole(folder, tmp_path, capsys):
    assert main(["claims", str(folder), "--out", str(tmp_path), "--json"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"claims.html", "claims.csv", "claims.parquet", "claims"}
    forms = {f"claims-{place}.{form}" for place in (1, 2) for form in ("csv", "parquet", "tex", "md", "png", "pdf")}
    assert {path.name for path in (tmp_path / "claims").iterdir()} == forms
    assert r"\toprule" in (tmp_path / "claims" / "claims-1.tex").read_text()
    said = capsys.readouterr()
    assert "Of 5 claims 4 stand and 1 fell." in said.err
    claims = json.loads(said.out, parse_constant=pytest.fail)["claims"]
    assert [row["file"] for row in claims if row["fell_to"] is not None] == ["topk.zip"]


def test_a_folder_without_a_readable_passport_is_one_line(tmp_path, capsys):
    assert main(["claims", str(tmp_path)]) == 2
    (tmp_path / "torn.zip").write_bytes(b"PK")
    assert main(["claims", str(tmp_path)]) == 2
    assert main(["claims", str(tmp_path / "none")]) == 2
    empty, torn, missing = capsys.readouterr().err.splitlines()
    assert "holds no passport" in empty
    assert "none of its 1 passports can be read" in torn
    assert "no such folder" in missing
    assert [path.name for path in tmp_path.iterdir()] == ["torn.zip"]
