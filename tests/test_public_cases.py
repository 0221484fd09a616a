"""What people have met and reported in public, in our words, each with the test that holds it."""

import importlib

import pytest

CASES = [
    # the case, the module of its test, the test
    ("the reason why a worker died is in no file", "tests.ledger.test_log", "test_the_last_words_of_a_process_that_dies_are_there"),
    ("a library that warns at every step fills the disk", "tests.ledger.test_log", "test_a_flood_is_cut_while_it_runs"),
    ("one trial cannot be looked at without a page or a server", "tests.commands.test_show", "test_a_complete_trial_tells_settings_place_scores_curves_attacks_and_files"),
    ("a trial failed, and its traceback is nowhere", "tests.commands.test_show", "test_a_failed_trial_tells_its_error_with_the_traceback"),
    ("a script that parses output breaks at a warning", "tests.commands.test_json", "test_every_command_has_it_and_tells_its_keys"),
    ("a script cannot tell what went wrong", "tests.commands.test_json", "test_an_error_is_a_document_too_and_the_exit_code_stays"),
    ("one's own analysis has to parse folders of JSON", "tests.tables.test_opened", "test_the_tables_are_those_of_the_report"),
    ("the disk ran full in the night, and every trial failed", "tests.driver.test_room", "test_a_study_from_which_trials_were_withheld_ends_resumable_even_if_there_is_room_again"),
    ("clearing old attempts broke a later attack", "tests.doctor.test_clean", "test_what_records_and_later_attacks_need_stays_after_any_number_of_attempts"),
    ("advice to run a repair that repairs nothing", "tests.doctor.test_clean", "test_advice_to_fix_is_given_only_where_it_would_do_something"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "module", "test"), CASES, ids=[case for case, *_ in CASES])
def test_a_case_is_held_by_a_test(case, module, test):
    assert callable(getattr(importlib.import_module(module), test))
