"""The words and thresholds of records are those of `attacks`, which `judging` reads records without."""

from typing import get_args

import attacks
from attacks import base
from attacks import verdict as rules
from harness.judging.verdicts import NO_BETTER, ORDER
from harness.records import ASKED_THE_SERVER, Circumstances, Knowledge, Verdict, one_line
from tests.values import circumstances


def test_verdicts_and_knowledge_are_those_of_the_attacks():
    assert set(get_args(Verdict)) == set(get_args(base.Verdict))
    assert set(get_args(Knowledge)) == set(get_args(base.Knowledge)) == set(ORDER)
    assert NO_BETTER == rules.NO_BETTER


def test_the_frozen_table_of_version_0_1_names_attacks_that_still_ask_the_server():
    known = {name for name in ASKED_THE_SERVER["0.1"] if name in attacks.ATTACKS}
    assert known == {name for name in known if attacks.ATTACKS[name].needs_server}
    assert known


def test_what_a_machine_calls_itself_is_shown_without_what_a_terminal_would_obey():
    odd = circumstances().model_dump() | {"node": "\x1b[31mred\x07\x00\x1b]0;title\x07\u202e" + "n" * 5000}
    assert Circumstances.model_validate(odd).node == ("red" + "n" * 5000)[:253]


def test_an_error_on_one_line_holds_no_control_characters():
    assert one_line("\x1b[1;31mlam\x1b[0m\tis\r\nbelow\x00 0") == "lam is below 0"
