"""The cards of the page say what the tables say, and when they have nothing to say."""

import dataclasses
import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from reports.card import VIEWS, Note
from reports.cards import CARDS, cost, effort, health, held, information, matched, sandwich
from reports.cards.budgets import budgets
from reports.cards.hypervolume import over_hours
from reports.cards.importance import importance_chart, ranked
from reports.cards.optimism import compute, optimism_chart
from reports.cards.published import published_table
from reports.figures import draw
from reports.formats import Table
from reports.front import hypervolume_history
from reports.held import BASELINES, against_baselines, missed_words
from reports.page import make, page_of
from reports.study import Study
from reports.tables import read
from reports.tried import MOST, chosen, columns
from tests.synthetic_study import write_study


@pytest.fixture(scope="module")
def study(suited) -> Study:
    return suited


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Study:
    return Study(read(write_study(tmp_path_factory.mktemp("plain"), 12)))


def with_data(given: Study, /, **tables: object) -> Study:
    return Study(dataclasses.replace(given.data, **tables))


def test_every_card_stands_or_says_why_not(plain, made):
    for cards in (make(plain, CARDS), made):
        assert [one.broken for one in cards if one.broken] == []
        assert all(one.absent or one.blocks for one in cards)
    assert {one.card.name for one in made if one.absent} == {"held", "levels"}


@pytest.mark.parametrize("state", ["failed", "infeasible", "no numbers"])
def test_a_study_whose_trials_all_failed_or_are_below_the_floor_or_are_no_numbers_has_a_page(plain, state):
    trials = plain.data.trials.assign(on_front=False, feasible=state == "no numbers")
    if state == "failed":
        trials = trials.assign(state="failed", accuracy=np.nan, mse=np.nan, ssim=np.nan, mse_attack=None)
    if state == "no numbers":
        odd = [np.nan, np.inf, -np.inf]
        trials.loc[trials.index[:3], ["mse", "seconds", "model/sigma"]] = np.array([odd, odd, odd]).T
        trials.loc[trials.index[4], ["accuracy", "ssim"]] = np.nan
        trials.loc[trials.index[5], ["defense/name", "part"]] = None
    made = make(given := with_data(plain, trials=trials), CARDS)
    assert [one.broken for one in made if one.broken] == []
    assert "<h1>" in page_of(given, made)


def test_names_of_cards_are_places_of_their_own():
    names = [card.name for card in CARDS]
    assert len({*names}) == len(names)
    groups = [card.group for card in CARDS]
    assert len({*groups}) == 1 + sum(a != b for a, b in pairwise(groups))


def test_a_defense_is_matched_with_the_undefended_that_is_as_accurate(study):
    found = matched.gains_at(study)
    assert found
    least = [each.accuracy for each in found]
    assert least == sorted(least, reverse=True)
    for each in found:
        rows = each.rows["mse"]
        assert not rows["defense"].eq("none").any()
        assert (rows["gain_low"] <= rows["gain"]).all()
        means = study.candidates.set_index("trial")["accuracy"]
        assert all(means[list(stood)].max() >= each.accuracy - 0.005 for stood in rows["trials"])


def test_nothing_is_matched_without_an_undefended_candidate(study):
    defended = study.data.trials.loc[study.data.trials["defense/name"].ne("none"), "trial"]
    runs = study.data.confirmed[study.data.confirmed["trial"].isin(defended)]
    assert "no undefended" in str(matched.applicable(with_data(study, confirmed=runs)))


@pytest.fixture(scope="module")
def targeted(study) -> Study:
    """Confirmed trials as if half had been held to .5, half to .6; the last missed it, the first in one seed; the
    undefended are free.
    """
    names, confirmed = study.names, sorted(study.data.confirmed["trial"].unique())
    trials = study.data.trials
    targets = {trial: 0.5 if index % 2 else 0.6 for index, trial in enumerate(confirmed)}
    reached = {trial: target + 0.01 for trial, target in targets.items()} | {confirmed[-1]: 0.1}
    target, control = (trials["trial"].map(known).astype(float) for known in (targets, reached))
    free = trials["trial"].map(names).eq("none")
    held = {"control_accuracy": control, "strength": 0.3, "controlled": ~free, "train/target_accuracy": target}
    runs = study.data.confirmed
    near = runs["trial"].map(reached) - 0.1 * (runs["trial"].eq(confirmed[0]) & runs["seed"].eq(0))
    return with_data(study, trials=trials.assign(**held), confirmed=runs.assign(control_accuracy=near))


def test_what_was_held_to_a_target_is_compared_with_the_baselines_of_that_target_alone(targeted):
    found, targets = against_baselines(targeted), targeted.data.trials.set_index("trial")["train/target_accuracy"]
    assert len(found) > 0
    assert set(targets[found["first"]]) == {0.5, 0.6}
    assert (targets[found["first"]].to_numpy() == targets[found["second"]].to_numpy()).all()
    assert {targeted.names[trial] for trial in found["second"]} <= {*BASELINES}
    sides = [frozenset(pair) for pair in zip(found["first"], found["second"], found["objective"], strict=True)]
    assert len({*sides}) == len(sides)
    missed = max(targeted.data.confirmed["trial"])
    assert missed not in {*found["first"], *found["second"]}
    runs = targeted.data.confirmed.pivot_table(index="seed", columns="trial", values="mse")
    runs.loc[0, min(runs.columns)] = np.nan
    for row in found[found["objective"].eq("mse")].to_dict("records"):
        differences = (runs[row["first"]] - runs[row["second"]]).dropna()
        assert (row["difference"], row["seeds"]) == (pytest.approx(differences.mean()), len(differences))
    told = held.compute(targeted)
    (table,) = [block for block in told if isinstance(block, Table) and "beside" in block.headers]
    assert len(table.rows) == len(found) / 3
    assert {(row[0], int(row[1])) for row in table.rows} == {(f"{targets[one]:g}", one) for one in found["first"]}
    assert f": {len(targeted.data.confirmed) - 4} of {len(targeted.data.confirmed)} that confirm" in told[-1].text


def test_noise_whose_client_is_trained_is_no_baseline(targeted):
    trials = targeted.data.trials
    noise = trials["defense/name"].replace("cem_paper", "rotated_noise")
    for trained in (True, False):
        own = trials.assign(**{"defense/name": noise, "defense/rotated_noise/trained": trained})
        found = against_baselines(with_data(targeted, trials=own))
        assert bool({*trials.loc[noise.eq("rotated_noise"), "trial"]} & {*found["second"]}) is not trained


def test_how_near_trainings_came_to_their_target_is_told_and_who_missed_it(targeted):
    rows = held.held_trials(targeted)
    table = held.held_table(rows)
    assert len(table.rows) == len(targeted.data.confirmed["trial"].unique())
    by_trial = {int(row[1]): row for row in table.rows}
    missed = max(targeted.data.confirmed["trial"])
    assert float(by_trial.pop(missed)[5]) <= -40
    assert {row[5] for row in by_trial.values()} == {"+1.0"}
    assert {row[3] for trial, row in by_trial.items() if targeted.names[trial] == "none"} == {"uncontrolled"}
    assert missed_words(rows[rows["trial"].ne(missed)]) == []
    (line,) = missed_words(rows)
    assert f"1 trial missed the target of accuracy by more than 2.5 points ({missed} by -" in line


@pytest.mark.parametrize(("confirmed", "told"), [("bfloat16", 1), ("float32", 0), (None, 0)])
def test_a_search_and_a_confirm_in_two_precisions_are_marked(study, confirmed, told):
    info = study.data.study | {"hardware": {"precision": "float32"}, "confirm_precision": confirmed}
    notes = [block.text for block in compute(with_data(study, study=info)) if isinstance(block, Note)]
    assert len(notes) == told
    assert all("The search was computed in float32, and what confirms it in bfloat16" in note for note in notes)


def test_the_search_stands_beside_what_was_confirmed(study):
    chart = optimism_chart(study, "accuracy")
    searched = study.data.trials.set_index("trial")["accuracy"]
    for series in chart.series[1:]:
        assert list(series.x) == [searched[trial] for trial in series.trials]
        assert all(confirmed < seen for seen, confirmed in zip(series.x, series.y, strict=True))


def test_settings_are_ranked_by_importance_and_named_in_short(study):
    assert ranked(study)[0] == study.data.importances.sort_values("importance")["setting"].iloc[-1]
    chart = importance_chart(study)
    assert [*chart.y.names[:2]] == ["cem_code/lam", "cem_paper/lam"]
    assert {"scale", "defense/name"} <= {*chart.y.names}
    assert [series.name for series in chart.series] == ["accuracy", "mse", "ssim"]


def test_the_ledger_counts_what_each_defense_was_given(plain):
    found = budgets(plain).set_index("defense")
    trials = plain.data.trials
    assert found["asked"].sum() == len(trials)
    assert found["complete"].sum() == trials["state"].eq("complete").sum()
    assert found["front"].sum() == len(plain.front)
    assert found.loc["none", "tuned"] == 1  # sigma alone


def test_hypervolume_over_hours_ends_where_that_over_trials_does(study, plain):
    chart = over_hours(study)
    history = hypervolume_history(study.data.trials, study.data.study["hypervolume_reference"])
    assert chart.series[0].y[-1] == pytest.approx(history["hypervolume"].iloc[-1])
    assert list(chart.series[0].x) == sorted(chart.series[0].x)
    assert over_hours(plain) is None


def test_of_few_trials_all_are_listed_and_of_many_the_front_and_evenly_chosen_others(study):
    assert len(chosen(study)) == 16
    many = pd.concat([study.data.trials] * 400, ignore_index=True)
    worse = pd.Series(range(len(many))) >= 16
    many = many.assign(trial=range(len(many)), anchor=False, state="complete", feasible=many["mse"].notna())
    many.loc[worse, "mse"] *= 0.5
    many.loc[worse, "accuracy"] -= 0.1
    many.loc[worse, "ssim"] += 0.2
    given = with_data(study, trials=many)
    rows = chosen(given)
    assert set(given.front["trial"]) <= set(rows["trial"])
    others = rows[~rows["trial"].isin(given.front["trial"]) & rows["state"].eq("complete")]
    assert MOST <= len(others) <= MOST + 14  # some of the first sixteen are near the front


def test_what_was_tried_is_carried_once_as_columns(study):
    found = json.loads(json.dumps(columns(study), allow_nan=False))
    trials = study.data.trials
    assert found["trial"] == trials["trial"].tolist()
    assert [found["defenses"][index]["name"] for index in found["defense"]] == [study.names[n] for n in found["trial"]]
    assert [value is None for value in found["objectives"]["mse"]] == trials["mse"].isna().tolist()
    assert {setting["path"] for setting in found["settings"]} >= {"model/sigma", "defense/laplace/scale"}
    html = page_of(study, make(study, CARDS))
    assert [html.count(f'id="{name}-view"') for name in VIEWS] == [1, 1, 1]
    assert html.count('"defenses":[') == 1


def test_a_bound_is_told_where_the_law_of_the_noise_is_known_and_why_not_elsewhere(study, plain):
    found = sandwich.sandwiches(study)
    told = {each.trial: each for each in found}
    assert all((each.missing is not None) == (each.defense == "laplace") for each in found)
    bounded = [each for each in found if each.missing is None]
    assert all(0 < each.told < each.measured and 0 < each.share <= 1 for each in bounded)
    order = sorted(bounded, key=lambda each: each.nats)
    assert [each.told for each in order] == sorted((each.told for each in bounded), reverse=True)
    derived = study.data.trials.set_index("trial")["spectrum_bound"]
    for each in found:
        assert each.derived == pytest.approx(derived[each.trial], nan_ok=True)
        assert each.least == pytest.approx(np.fmax(each.told, each.derived), nan_ok=True)
        assert not each.refuted
        assert (each.underived is None) == (each.trial != 1)
    drawn = draw(sandwich.sandwich_chart(study, found))
    assert drawn.layout.annotations[-1].x == pytest.approx(np.log10(0.061))  # the axis is logarithmic
    assert drawn.layout.shapes[-1].x0 == pytest.approx(0.061)
    table = sandwich.sandwich_table(found, 0.061)
    assert {row[2] for row in table.rows if told[int(row[0])].defense == "laplace"} == {"n/a"}
    assert all((row[3] == "n/a") == (row[0] == "1") for row in table.rows)
    assert "not looked at" in sandwich.applicable(plain)


def test_a_measured_error_that_refutes_a_bound_is_marked_and_chance_is_not(study):
    (first, *_) = [each for each in sandwich.sandwiches(study) if each.missing is None]
    for share, mark in ((0.9, True), (0.97, False), (1.0, False)):
        beaten = first._replace(derived=first.measured / share)
        assert sandwich.sandwich_table([beaten], None).rows[0][4].endswith(" !") == mark


def test_measures_of_information_are_ranked_against_the_worst_attack(study, plain):
    trials = information.measured(study)
    found = {each.measure: each for each in information.correlated(trials)}
    assert found["mixture_nats"].rho == pytest.approx(-1)  # the synthetic nats are 0.6 / mse
    assert found["mixture_nats"].trials == int(trials["mixture_nats"].notna().sum()) < len(trials)
    assert {*found} == {*information.MEASURES} - {"robust_accuracy"}
    assert "no trial has a measure" in information.applicable(plain)
    table = information.correlation_table([*found.values()])
    assert [row[-1] for row in table.rows] == [str(each.trials) for each in found.values()]
    assert information.correlation_chart([*found.values()]).y.names == tuple(row[0] for row in table.rows)


def test_robust_accuracy_is_a_measure_and_the_answer_says_what_is_not_seen(study):
    eligible = study.eligible["trial"].tolist()
    noise = dict(zip(eligible, np.random.default_rng(0).permutation(len(eligible)), strict=True))
    told = study.data.trials["trial"].map(noise) / len(eligible)
    given = with_data(study, trials=study.data.trials.assign(robust_accuracy=told))
    last = information.correlated(information.measured(given))[-1]
    assert last.measure == "robust_accuracy"
    assert last.trials == len(eligible)
    said = information.answer([last, *information.correlated(information.measured(study))])
    assert ("robust accuracy" in " ".join(said)) == (last.low < 0 < last.high)
    assert said[0].startswith("Closest to the mse of the worst attack: nats by variances, rank correlation -1.00 ")


def test_clients_that_cost_alike_stand_in_one_row_beside_an_undefended_one(study, plain):
    trials = study.data.trials.reset_index(drop=True)
    (defense,) = trials.loc[trials["trial"].eq(1), "defense/name"]
    table = cost.client_table(trials.assign(**{"defense/name": trials["defense/name"].where(trials.index > 0, "none")}))
    others, own = ([row for row in table.rows if (defense in row[0]) is same] for same in (False, True))
    assert len(others) == 1
    assert others[0][1:] == ("3,000,000", "1.00", "25,000", "1.00")
    assert {row[1:3] for row in own} == {("1,500,000 to 3,000,000", "0.50 to 1.00")}
    assert cost.client_table(plain.data.trials) is None


def test_attackers_who_spend_more_leave_a_front_that_is_no_more_private(study):
    shares = effort.by_steps(study)
    mses = [rows.set_index("trial")["mse"] for rows in shares.values()]
    assert len(mses) == 3
    assert all((later <= earlier.reindex(later.index) + 1e-12).all() for earlier, later in pairwise(mses))
    own = study.eligible.set_index("trial")["mse"].reindex(mses[-1].index)
    assert np.allclose(mses[-1], own)


def test_of_two_budgets_the_greater_holds_the_lesser(study):
    attacks = study.data.attacks
    later = attacks.assign(budget="standard", mse=attacks["mse"] * 0.5)
    found = effort.by_budget(with_data(study, attacks=pd.concat([attacks, later])))
    assert list(found) == ["quick", "up to standard"]
    assert (found["up to standard"]["mse"].to_numpy() <= found["quick"]["mse"].to_numpy()).all()
    assert effort.by_budget(study) == {}


@pytest.mark.parametrize(
    ("check", "change"),
    [
        (health.seeds_missing, {"confirmed": lambda table: table.iloc[:-1]}),
        (health.attacks_open, {"trials": lambda table: table.assign(limited=True)}),
        (health.attacked_unlike, {"attacks": lambda table: table.iloc[1:]}),
        (health.beyond_bound, {"trials": lambda table: table.assign(mse=table["mse"] * 1e-4, nats=1.0)}),
        (health.attacks_disagree, {"trials": lambda table: table.assign(mse=1 / table["mse"])}),
        (health.hardware, {"trials": lambda table: table.assign(device=[f"GPU {n % 2}" for n in table["trial"]])}),
    ],
)
def test_a_health_check_finds_what_was_broken_and_says_the_next_step(study, check, change):
    whole = with_data(study, trials=study.data.trials.assign(limited=False))
    assert check(whole).found is None
    ((name, broken),) = change.items()
    found = check(with_data(whole, **{name: broken(getattr(whole.data, name))}))
    assert found.found
    assert found.step
    table = health.health_table([check(whole), found])
    assert [row[1] for row in table.rows] == ["look", "well"]
    assert table.rows[0][2:] == (found.found, found.step)


def test_images_on_both_sides_are_a_finding(study):
    assert health.duplicates(study).found is None
    told = {**study.data.study, "image_marks": ["digits has 3 scored images of 200 that are near-copies"]}
    assert "near-copies" in health.duplicates(with_data(study, study=told)).found


def test_a_published_figure_above_the_guess_is_marked(plain):
    rows = [{**plain.data.study["published"][0], "mse": mse} for mse in (0.02, 1.4)]
    table = published_table(with_data(plain, study={**plain.data.study, "published": rows}).data)
    assert [bool(row[table.headers.index("no attack")]) for row in table.rows] == [False, True]
