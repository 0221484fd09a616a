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
    ("a run deleted in MLflow leaves its children without a parent", "tests.tracking.test_faults", "test_a_deleted_parent_is_made_anew_and_its_children_hang_from_the_new_one"),
    ("an experiment deleted in MLflow stops every later resume", "tests.tracking.test_faults", "test_a_deleted_experiment_is_restored_with_its_runs"),
    ("MLFLOW_EXPERIMENT_NAME is ignored", "tests.tracking.test_faults", "test_the_environments_experiment_is_used_and_a_study_stays_where_it_was"),
    ("one picture that cannot be stored loses all numbers", "tests.tracking.test_faults", "test_an_artifact_store_that_cannot_be_written_costs_the_pictures_alone_and_a_resume_brings_them"),
    ("studies were moved, and their artifacts come up at the old place", "tests.tracking.test_faults", "test_studies_that_were_moved_keep_their_pictures_beside_them"),
    ("two studies started at once die on a half-made MLflow database", "tests.tracking.test_faults", "test_a_database_that_another_driver_is_making_is_waited_for"),
    ("MLflow refuses a metric called top@5, and the study ends", "tests.tracking.test_faults", "test_a_metric_of_a_plug_in_is_logged_under_an_adapted_name_and_a_tag_tells_its_own"),
    ("a tracking server that is down keeps a study from starting", "tests.tracking.test_runs", "test_a_server_that_does_not_answer_is_one_warning_without_its_password_and_a_word_to_doctor"),
    ("the server drops the connection between two long trials, and the study ends", "tests.search.test_postgresql", "test_connections_that_are_dropped_between_trials_cost_nothing"),
    ("a dropped connection gives the lock away without a word", "tests.search.test_postgresql", "test_a_lease_whose_connection_was_dropped_is_taken_again_and_is_lost_if_another_has_it"),
    ("the database was away for a minute, and a study of days ended", "tests.search.test_storage", "test_an_ask_that_fails_at_any_write_is_made_again_and_no_number_is_lost_or_double"),
    ("Optuna's dashboard shows objectives by number", "tests.search.test_storage", "test_objectives_have_names_for_whoever_looks_with_optunas_own_tools"),
    ("a look at a wrong storage URL makes tables there", "tests.search.test_storage", "test_doctor_writes_nothing_into_a_storage_that_holds_no_study"),
    ("a question mark in a folder's name cuts the database's path", "tests.search.test_storage", "test_a_database_lies_where_its_path_says"),
    ("Slurm's signal before the time limit ends a study by half as if it were done", "tests.test_safety", "test_a_local_study_listens_on_loopback_only_and_however_often_it_is_told_to_end_it_ends_well"),
    ("Ctrl-C twice leaves workers running", "tests.commands.test_ending", "test_a_second_signal_does_not_cut_the_ending_short"),
    ("a terminal that is closed takes the study with it", "tests.commands.test_ending", "test_every_signal_ends_the_work_and_is_named"),
    ("a Ray head that hangs is waited for without end", "tests.cluster.test_connection", "test_a_head_that_does_not_answer_is_waited_for_so_long_and_no_longer"),
    ("TMPDIR is ignored, and /tmp is too small", "tests.cluster.test_connection", "test_tmpdir_is_honoured"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "module", "test"), CASES, ids=[case for case, *_ in CASES])
def test_a_case_is_held_by_a_test(case, module, test):
    assert callable(getattr(importlib.import_module(module), test))
