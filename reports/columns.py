"""The data contract of ``STUDY/report/data/``: which tables the harness writes there, and their columns.

A table has its columns in any order; ``trials.parquet`` has besides them one column for every setting, named by its
path (``defense/name``, ``model/sigma``, ``defense/cem_paper/lam``; null where the trial's branch has no such setting).
Columns marked optional may be left out. A number that was not measured is NaN or null.
"""

TRIALS = {
    "trial": "int, the trial's number",
    "state": "str: complete, failed, partial, pruned or running",
    "accuracy": "float in [0, 1]",
    "mse": "float, worst case over all the trial's attacks: the least mean, or difference estimate",
    "ssim": "float in [-1, 1], likewise: the greatest",
    "mse_attack": "str or null: the job, or the guess without z, that decided mse",
    "ssim_attack": "str or null: likewise for ssim",
    "part": "str: the part that accuracy and scores were measured on",
    "feasible": "bool or null: whether accuracy reaches the study's floor",
    "on_front": "bool, as `reports.front.on_front` says",
    "anchor": "bool: asked for by the study file rather than drawn",
    "limited": "bool: an attack that decided an objective has not got as far as it can: open, inert, diverged, or of "
    "0.1 limited; or, where a guess decided, no attack has",
    "seconds": "float: what the trial took, attacks included",
    "error": "str or null",
}
"""``trials.parquet``, one row per trial. Optional: ``train_seconds``, and the columns of ``DECIDED``."""

DECIDED = {
    "mse_verdict": "str or null: verdict of the attack that decided mse; guess for a guess without z, or guess alone "
    "(`ALONE`)",
    "ssim_verdict": "str or null: likewise for ssim",
    "mse_within": "float: what a better attacker could reach: mse less the upper end of the remainder of the attack "
    "that decided it; NaN where that is not open, or not known",
    "mse_shared": "float: mse over the attacks that all trials of the front have, which is what `on_front` compares; "
    "of a trial that lacks some of them over the others; NaN of one that lacks part of the suite it was asked with",
    "ssim_shared": "float: likewise for ssim",
    "mse_base": "str or null: the attack on all images to whose mean the paired difference of mse_attack, which has "
    "fewer, was added; null if that one counts by itself",
    "ssim_base": "str or null: likewise for ssim",
    "mse_se": "float: standard error of mse over images; it says nothing of the spread over seeds",
    "ssim_se": "float: likewise for ssim",
    "mse_oracle": "float: mean of each image's least error over attacks and guesses",
    "ssim_oracle": "float: mean of each image's greatest similarity, likewise",
    "oracle_images": "int or null: first images of the part, which all of these scored",
    "oracle_of": "str or null: how many attacks and guesses without z it chooses among",
    "mse_same_images": "float: of the deciding attack on these images alone",
    "ssim_same_images": "float: likewise for ssim",
    "mse_stacked": "float: mean over images of the reconstruction that, of all attacks', explains the release best by "
    "the defense's exact law; of the first release, which all attacks see",
    "ssim_stacked": "float: likewise for ssim",
    "mse_stacked_single": "float: of the attack that alone does best there",
    "ssim_stacked_single": "float: likewise for ssim",
    "mse_stacked_oracle": "float: of the best attack for each image, which takes the image itself",
    "ssim_stacked_oracle": "float: likewise for ssim",
    "mse_stacked_se": "float: standard error over images of mse_stacked - mse_stacked_single",
    "stacked_images": "int or null: first images of the part, which all of these scored",
    "stacked_of": "str or null: how many attacks it chooses among",
    "controlled": "bool or null: whether a strength was steered to the target of accuracy; null without a target",
    "control_accuracy": "float: accuracy on the control part at the end of the training; NaN without one",
    "strength": "float: the strength that it was steered to; NaN if none was",
    "hours": "float: hours in which something of the study ran, up to the end of this trial, pauses left out; NaN "
    "where no time is recorded",
    "device": "str or null: what it was trained on",
    "nats": "float: least upper bound on what a release tells of its image beyond the class, I(x; z | y), nats; NaN "
    "where there is none",
    "nats_missing": "str or null: why there is none",
    "class_gaussian_nats": "float: upper bound on I(x; z | y) by the variance of each feature within classes, nats",
    "covariance_nats": "float: likewise by covariances within classes",
    "mixture_nats": "float: likewise by a mixture for each class",
    "codebook_nats": "float: I(x; z | y) of images that are each one of at most 32 of its class, nats; no more than "
    "the logarithm of their number",
    "fisher_per_pixel": "float: trace of the Fisher information of a release about its image, divided by the pixels; "
    "pixels in [0, 1]",
    "spectrum_bound": "float: mse that no attack can be below in the mean by the derivative of releases, if images are "
    "Gaussian within their class, with the covariance of training images; NaN where there is none",
    "spectrum_bound_se": "float: its standard error over images",
    "spectrum_missing": "str or null: why there is none",
    "robust_accuracy": "float in [0, 1]: share of images that are named rightly after each was moved, within 2/255 of "
    "itself and by one who knows the network, so that it is not; NaN where no gradient reaches the images",
    "client_multiplications": "float: multiply-adds of the client for one image, without channels that are pruned",
    "client_parameters": "float: numbers that the client stores, likewise",
}
"""Optional columns of ``trials.parquet``. The oracle is no attacker: it would have to know the image; whoever stacks is
one, who holds the client and the defense."""

ATTACKS = {
    "trial": "int",
    "job": "str, as `harness.records.AttackJob.name` says: decoder-quick-0, decoder-quick-0-infer",
    "attack": "str",
    "budget": "str",
    "seed": "int, index of the attacker's seed",
    "part": "str: what is scored",
    "verdict": "str: tight, open, floor, inert, diverged or failed, of 0.1 converged or limited; beside the trial's "
    "other attacks",
    "mse": "float, mean over images and their releases",
    "psnr": "float, dB, likewise",
    "ssim": "float, likewise",
    "images": "int, number of images scored",
    "seconds": "float",
    "error": "str or null",
}
"""``attacks.parquet``, one row per reconstruction job and scored part. Optional: the columns of ``DETAILS``; any other
column of numbers is a further metric (`further_metrics`)."""

_END = "end of the interval of 90 %, over images and over the seeds that the attack was run with, of "

DETAILS = {
    "mse_se": "float: standard error of the mean over images and their releases, clustered by image; it says nothing "
    "of the spread over seeds",
    "ssim_se": "float: likewise for ssim",
    "why": "str or null: what lowered the attack's own verdict, or keeps it out of the worst case",
    "knowledge": "str: none, queries or gradients",
    "version": "int, of the attack's algorithm and budgets",
    "tune": "int: settings that the attack was tuned over; 0 for none",
    "releases": "int: independent releases of each image, reconstructed one by one, over which scores are means",
    **{
        f"{name}{end}": f"float, {_END if end else ''}{meaning}; NaN if not measured"
        for name, meaning in {
            "gain_steps": "what the last doubling of steps gained, as a share of the error on attacker-validation",
            "gain_images": "likewise the second half of the attacker's images",
            "gain_width": "likewise the second half of the network's width",
            "remainder": "what a better attacker could take off that error, (e - e_inf) / e",
        }.items()
        for end in ("", "_low", "_high")
    },
    "worse_than_truth": "float: share of images whose objective at the reconstruction is above that at the image",
    "flags": "str or null: what went wrong, in a few words each, with commas between",
    "attacker": "str: what the attacker holds: same, few, shifted, noise or members",
    "attacker_images": "int or null: number of images that it was fitted on; null in records of before this was kept",
    "level": "str or null: n1000, members: what it holds in place of what the study's own attacker does; such a row is "
    "beside the study, and no objective is over it",
}
"""Optional columns of ``attacks.parquet``."""

LEVELS = {
    "trial": "int",
    "attacker": "str: what the attacker holds, as in attacks.parquet",
    "attacker_images": "int or null: how many images",
    "level": "str or null: n1000, members; null of the study's own attacker",
    "mse": "float, worst case over the attacks that the trial has at all levels, guesses left out",
    "ssim": "float, likewise",
    "mse_attack": "str: the attack that is worst by mse, by the name of its job at the study's own level",
    "ssim_attack": "str: likewise by ssim",
    "mse_se": "float: standard error over images",
    "ssim_se": "float: likewise for ssim",
    "over": "str: these attacks, with commas between",
}
"""``levels.parquet``: what a trial leaks by what the attacker holds; a row per trial and level of several."""

PROBES = {
    "trial": "int",
    "job": "str",
    "attack": "str",
    "budget": "str",
    "seed": "int",
    "part": "str",
    "verdict": "str",
    "name": "str or null: the score's; null for a probe that failed",
    "value": "float or null: too little was there to measure it by, the record says what",
    "images": "int, number of images scored",
    "seconds": "float, of the whole job",
    "error": "str or null",
}
"""``probes.parquet``, one row per score of a probe: leakages that are never an objective."""

VARIANTS = {
    "trial": "int",
    "job": "str",
    "variant": "str: m=4 from four releases of each image, for_mse, for_ssim",
    "mse": "float, mean over the job's images",
    "psnr": "float, dB",
    "ssim": "float",
}
"""``variants.parquet``: what an attack made of the same images besides the reconstruction that counts."""

OPEN = "open"
"""Verdict of an attack that a better one may outdo by 5 % or more."""

BELIEVED = ("tight", "converged", "floor", "guess")
"""Verdicts of what has got as far as it can; a trial that another verdict decided is marked."""

ALONE = "guess alone"
"""Verdict of a guess without z that decided where no attack got as far as it can."""

FLOORS = {
    "trial": "int",
    "guess": "str: mean_image, class_mean, mean_colour or nearest",
    "part": "str",
    "mse": "float",
    "psnr": "float, dB",
    "ssim": "float",
}
"""``floors.parquet``: what can be had without z (mean_image, class_mean), and two yardsticks."""

CURVES = {
    "trial": "int",
    "job": "str: train, or an attack's job",
    "step": "int, optimiser steps taken",
    "name": "str: train, validation, accuracy, loss or penalty",
    "value": "float",
}
"""``curves.parquet``, long."""

IMAGE_SCORES = {
    "trial": "int",
    "job": "str",
    "image": "int, index into the arrays of images.npz",
    "mse": "float",
    "psnr": "float, dB",
    "ssim": "float",
}
"""``image_scores.parquet``: the scores of the fixed images of ``images.npz``, one row each.

``images.npz`` holds uint8 arrays ``(24, 3, height, width)``: ``original/<part>``, and ``<trial, 5 digits>/<job>``."""

CONFIRMED = {
    "trial": "int",
    "seed": "int, counted from 0: equal for all candidates",
    "part": "str: test",
    "accuracy": "float in [0, 1]",
    "mse": "float, worst case over the attacks that all confirmed trainings have had; NaN of one that failed",
    "ssim": "float in [-1, 1], likewise",
    "mse_attack": "str or null: the job, or the guess without z, that decided mse",
    "ssim_attack": "str or null: likewise for ssim",
    "control_accuracy": "float in [0, 1]: on the control part in the end; NaN without a target of accuracy",
}
"""``confirmed.parquet``, one row per candidate and seed: a training with a seed of its own, scored on the test part."""

IMPORTANCES = {
    "objective": "str: accuracy, mse or ssim",
    "setting": "str, its path",
    "importance": "float in [0, 1], share of the objective's",
    "trials": "int: complete trials that it was told from",
}
"""``importances.parquet``: which settings decide an objective, by conditional PED-ANOVA; absent or without rows where
too few trials are complete."""

CANDIDATES = {
    "trial": "int",
    "defense/name": "str",
    "seeds": "int: trainings that have all objectives",
    **{
        f"{name}{end}": meaning
        for name in ("accuracy", "mse", "ssim")
        for end, meaning in (
            ("", "float, mean over the seeds"),
            ("_low", "float, low end of its interval of 95 %; NaN below two seeds"),
            ("_high", "float, likewise the high end"),
        )
    },
    "p_on_front": "float in [0, 1]: probability that nothing among the candidates dominates it; NaN below two seeds",
}
"""``candidates.parquet`` beside the page, one row per candidate; besides, its settings by path, as in ``trials``."""
