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
    ("clearing old attempts broke a later attack", "tests.doctor.test_clean", "test_what_records_and_later_attacks_need_stays_after_any_number_of_attempts"),
    ("advice to run a repair that repairs nothing", "tests.doctor.test_clean", "test_advice_to_fix_is_given_only_where_it_would_do_something"),
    ("a number that begins with 0 is read as octal", "tests.study.test_reading", "test_what_readers_of_yaml_take_for_different_things_is_refused_with_both"),
    ("1_0, 12:30:45 and yes are read as 10, 45045 and true", "tests.study.test_reading", "test_what_readers_of_yaml_take_for_different_things_is_refused_with_both"),
    ("an old study is read by the rules that it was written by", "tests.study.test_reading", "test_a_directorys_own_file_of_0_1_is_read_by_the_rules_of_0_1"),
    ("a merge key is refused", "tests.study.test_reading", "test_merge_keys_bring_in_what_is_not_written_beside_them"),
    ("a document that contains itself, or 3,000 brackets, ends in a traceback", "tests.study.test_reading", "test_what_is_no_yaml_of_a_study_is_one_line"),
    ("a variable in a path is taken for a folder's name", "tests.study.test_folders", "test_variables_and_the_home_are_written_out"),
    ("images beside the study file are not found from another folder", "tests.study.test_folders", "test_a_folder_is_found_beside_the_study_file_unless_it_is_below_the_working_directory"),
    ("an empty version: ends in a traceback", "tests.study.test_study", "test_an_empty_version_is_refused_with_the_way_out"),
    ("a time limit of 1e300 seconds overflows", "tests.study.test_study", "test_a_bad_value_is_refused_with_its_path_and_the_way_out"),
    ("a grid from .1 to .5 by .1 with an anchor at .3 asks .30000000000000004 and never .5", "tests.search.test_asking", "test_a_grid_of_tenths_with_an_anchor_on_it_is_asked_to_its_end"),
    ("rows and trials that spell a number in two ways are taken for different trials", "tests.search.test_asking", "test_rows_and_trials_that_spell_a_number_in_two_ways_agree"),
    ("a study file that writes 1 as 1.0 is taken for another study", "tests.study.test_distributions", "test_how_a_number_is_written_makes_no_other_study"),
    ("mistakes in a study file are told one at a time", "tests.study.test_faults", "test_everything_is_said_at_once_and_each_thing_once"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "module", "test"), CASES, ids=[case for case, *_ in CASES])
def test_a_case_is_held_by_a_test(case, module, test):
    assert callable(getattr(importlib.import_module(module), test))
