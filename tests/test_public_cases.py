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
    ("._photo.png and __MACOSX become images and a class", "tests.data.test_layouts", "test_what_systems_leave_behind_is_no_class_and_no_image"),
    (".ipynb_checkpoints doubles a class", "tests.data.test_layouts", "test_what_systems_leave_behind_is_no_class_and_no_image"),
    ("images of some formats vanish with their class", "tests.data.test_layouts", "test_every_common_format_is_looked_at"),
    ("images are dropped without a word", "tests.data.test_layouts", "test_files_of_other_kinds_and_images_without_a_class_are_counted"),
    ("a link below a class is not followed, a ring of links never ends", "tests.data.test_layouts", "test_a_link_is_followed_and_a_ring_of_links_is_refused"),
    ("Train and Test, training and validation become classes, valid is ignored", "tests.data.test_layouts", "test_parts_are_known_by_the_names_that_people_give_them"),
    ("a data set's archive unpacks into a folder of its own", "tests.data.test_layouts", "test_keras_archive_is_a_folder_of_classes_in_a_folder"),
    ("Tiny ImageNet with val unsorted", "tests.data.test_layouts", "test_tiny_imagenet_unpacked_with_val_unsorted"),
    ("Tiny ImageNet with val sorted by a script", "tests.data.test_layouts", "test_tiny_imagenet_with_val_sorted_by_the_public_downloaders"),
    ("FaceScrub has two classes, actors and actresses", "tests.data.test_layouts", "test_facescrubs_people_are_its_classes"),
    ("a wrong guess of the layout is taken", "tests.data.test_layouts", "test_an_unknown_layout_is_refused_with_a_sketch_of_the_known_ones"),
    ("parquet under plain_text/train/0000.parquet is not found", "tests.data.test_layouts", "test_parquet_is_found_where_the_hub_puts_it"),
    ("parquet with a column image is refused", "tests.data.test_layouts", "test_columns_and_classes_are_those_that_the_schema_tells"),
    ("a grey PNG of 16 bits turns white", "tests.data.test_pixels", "test_grey_of_16_bits_is_scaled_to_8"),
    ("palette, CMYK and grey images change their colours", "tests.data.test_pixels", "test_colours_are_the_same_however_they_are_stored"),
    ("an image of 1 bit is nearly black", "tests.data.test_pixels", "test_one_bit_is_black_and_white"),
    ("what was transparent shows what hides below", "tests.data.test_pixels", "test_what_is_transparent_is_white_not_what_hides_below"),
    ("an animation is any of its frames", "tests.data.test_pixels", "test_an_animation_is_its_first_frame"),
    ("a photograph lies on its side", "tests.data.test_pixels", "test_a_photograph_is_turned_upright"),
    ("a float image is clipped to black and white", "tests.data.test_pixels", "test_pixels_without_a_known_white_are_refused"),
    ("the same picture lies on both sides of a split", "tests.data.test_ready", "test_copies_across_a_split_are_gone_before_it_is_made"),
    ("a held-out picture is trained on under another name", "tests.data.test_stored", "test_of_equal_pictures_one_is_kept_the_held_out_one_if_there_is_one"),
    ("a scored picture saved again is among those fitted on", "tests.data.test_ready", "test_near_copies_are_pictures_saved_again_scaled_or_brightened"),
    ("a data set lacks half of what its publisher gives", "tests.data.test_ready", "test_what_a_data_set_promises_is_compared_with_what_is_there"),
    ("a class has fewer images than there are parts", "tests.data.test_ready", "test_a_class_with_fewer_images_than_parts_is_refused_by_name"),
    ("one truncated PNG burns a budget", "tests.driver.test_common_cause", "test_a_bad_file_is_named_before_anything_starts_and_nothing_is_made"),
    ("a fault of the data is each trial's own failure for ever", "tests.driver.test_common_cause", "test_a_common_cause_stops_the_study_which_goes_on_once_it_is_mended"),
    ("every job decodes the data set again", "tests.data.test_stored", "test_images_come_from_the_cache_the_second_time_and_are_the_same"),
    ("a cache on a full disk kills the process", "tests.data.test_stored", "test_a_full_disk_is_one_line_and_the_images_are_decoded_all_the_same"),
    ("a cache that others may write to is trusted", "tests.data.test_stored", "test_the_cache_is_its_owners_alone"),
    ("six jobs decode the same images at once", "tests.data.test_stored", "test_of_many_at_once_one_decodes"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "module", "test"), CASES, ids=[case for case, *_ in CASES])
def test_a_case_is_held_by_a_test(case, module, test):
    assert callable(getattr(importlib.import_module(module), test))
