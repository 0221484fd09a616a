"""The page, the tables and the pictures say what the data say, whatever text the data hold."""

import json
import re

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from reports import kept_pictures
from reports.card import Card, Plot
from reports.cards import CARDS, hypervolume
from reports.cards.reconstructions import galleries
from reports.cards.trials import accuracy_error
from reports.export import escape_latex, to_csv, to_latex
from reports.formats import briefly, commands, duration, number, settings_of
from reports.front import PAIRS, front, on_front
from reports.page import make, page, page_of, render, script_text, with_pictures
from reports.study import Study
from reports.tables import read
from reports.words import cautions, findings
from tests.synthetic_study import write_study

HOSTILE = "</script><script>document.title='taken'</script><img src=http://example.invalid/x onerror=alert(1)>\"'&"
PICTURES = {
    *("front-accuracy-mse", "front-accuracy-ssim", "front-mse-ssim", "hypervolume"),
    *("defenses-accuracy-mse", "defenses-accuracy-ssim"),
}


def markup(html: str) -> str:
    """Return the page without plotly's own code."""
    return re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("many"), 24)


@pytest.fixture(scope="module")
def html(many):
    """The page of many trials, without plotly's own code."""
    return markup(page(read(many)))


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """A study's data, and where its report with PDFs lies."""
    folder = tmp_path_factory.mktemp("reported")
    data = write_study(folder, 2)
    assert render(data, folder / "first", pdf=True) == folder / "first" / "index.html"
    return data, folder / "first"


def test_a_report_has_its_page_tables_and_pictures_and_no_temporary_files(reported):
    data, out = reported
    tables = {
        f"{name}.{ending}"
        for name in ("trials", "attacks", "levels", "probes", "variants", "front")
        for ending in ("csv", "parquet")
    }
    kept = tables | {"index.html", "front.tex", "front.md", "figures", "tables"}
    assert {path.name for path in out.iterdir()} == kept
    drawn = PICTURES | {"attack-curves", "reconstructions", "effort-steps"}
    files = {f"{name}.{form}" for name in drawn for form in ("png", "pdf")}
    assert {path.name for path in (out / "figures").iterdir()} == files
    assert pd.read_parquet(out / "front.parquet")["trial"].tolist() == front(read(data).trials)["trial"].tolist()


def test_a_study_without_trials_says_in_words_what_is_missing(tmp_path):
    render(write_study(tmp_path, 0), tmp_path)
    html = markup((tmp_path / "index.html").read_text())
    assert "No trial is complete yet, so there is no front." in html
    assert html.count('class="missing"') >= 8
    assert 'class="plot"' not in html
    assert not list(tmp_path.glob("figures/*"))


def test_a_study_without_any_file_but_its_description_renders(tmp_path):
    data = write_study(tmp_path, 0)
    for path in [*data.glob("*.parquet"), *data.glob("*.npz")]:
        path.unlink()
    assert render(data, tmp_path).exists()


def test_a_study_with_one_trial_renders(tmp_path):
    html = markup(page(read(write_study(tmp_path, 1))))
    assert "Nothing dominates 1 of 1 trial" in html
    assert "The study is not finished: 0 running, 11 waiting." in html
    assert "Every setting was trained with one seed" in html


def test_running_trials_without_numbers_render(tmp_path):
    data = write_study(tmp_path, 2)
    trials = pd.read_parquet(data / "trials.parquet")
    bare = {"trial": 2, "state": "running", "defense/name": "laplace", "anchor": False, "limited": False}
    pd.concat([trials, pd.DataFrame([bare])]).to_parquet(data / "trials.parquet")
    assert "Not drawn, for want of an objective: 1 of 3." in page(read(data))


def test_a_partial_anchor_without_privacy_objectives_renders(tmp_path):
    data = write_study(tmp_path, 1)
    bare = {"state": "partial", "mse": None, "ssim": None, "mse_attack": None, "ssim_attack": None}
    pd.read_parquet(data / "trials.parquet").assign(**bare).to_parquet(data / "trials.parquet")
    html = markup(page(read(data)))
    assert "partial, undefended anchor" in html
    assert "No trial is complete yet" in html


@pytest.mark.slow
def test_pictures_that_have_nothing_to_show_any_more_are_removed(tmp_path):
    data = write_study(tmp_path, 1)
    render(data, tmp_path)
    figures = tmp_path / "figures"
    assert not list(figures.glob("*.pdf"))  # nobody asked for one
    (figures / "reconstructions.pdf").write_bytes(b"of an earlier report")
    (data / "images.npz").unlink()
    render(data, tmp_path)
    assert not list(figures.glob("reconstructions.*"))
    assert {path.stem for path in figures.glob("*.pdf")} == {path.stem for path in figures.glob("*.png")}


def test_a_study_below_its_floor_says_so(tmp_path):
    data = write_study(tmp_path, 3)
    trials = pd.read_parquet(data / "trials.parquet").assign(feasible=False)
    trials.to_parquet(data / "trials.parquet")
    assert "No trial is on the front: of the 3 complete trials none has" in findings(read(data))[0]
    assert "below the accuracy floor" in markup(page(read(data)))


def test_the_words_name_exactly_the_front(many):
    data = read(many)
    numbers = re.search(r"floor: (.*?)\. By", findings(data)[0])
    assert numbers
    assert [int(word) for word in re.findall(r"\d+", numbers[1])] == front(data.trials)["trial"].tolist()


def test_unconverged_attacks_on_the_front_are_a_caution(many):
    data = read(many)
    members = front(data.trials)
    limited = members.loc[members["limited"], "trial"].tolist()
    assert limited
    said = f"({' and '.join(map(str, limited))}) an objective was decided by what a better attack may outdo"
    assert said in cautions(data)[0]
    assert f"({len(limited)} attacks limited)" in cautions(data)[0]


def test_few_scored_images_are_a_caution_and_none_right_of_few_proves_nothing(many, tmp_path):
    assert not any("scored: one is" in told for told in cautions(read(many)))
    parts = {"validation": {"images": 7, "digest": "sha256:77aa"}}
    data = read(write_study(tmp_path, 3, parts=parts))
    assert any(told.startswith("Only 7 images were scored: one is 14% of accuracy") for told in cautions(data))
    row = data.trials.iloc[0].to_dict()
    errors = [accuracy_error(data, row | {"accuracy": share}) for share in (0.0, 3 / 7, 1.0)]
    assert errors == pytest.approx([(8 / 9 / 9 / 9) ** 0.5, (4 * 5 / 9**3) ** 0.5, (8 / 9 / 9 / 9) ** 0.5])


def test_the_published_protocol_is_marked(tmp_path):
    mark = "published protocol: for comparison only"
    assert mark in page(read(write_study(tmp_path / "cem", 0, protocol="cem")))
    assert mark not in page(read(write_study(tmp_path / "strict", 0)))


def test_published_figures_stand_apart_only_if_there_are_some(tmp_path):
    assert "not comparable with this study" in markup(page(read(write_study(tmp_path / "some", 0))))
    assert "not comparable" not in markup(page(read(write_study(tmp_path / "none", 0, published=[]))))


def test_warnings_stand_with_the_provenance_as_text(tmp_path):
    data = read(write_study(tmp_path, 2))
    assert "torch" not in markup(page(data)).split('id="provenance"')[1]
    data.study["warnings"] = ["torch 2 on far, 1 at the driver", f"torch 3 on {HOSTILE}"]
    html = page(data)
    below = markup(html).split('id="provenance"')[1]
    assert "torch 2 on far, 1 at the driver" in below
    assert "torch 3 on &lt;/script&gt;&lt;script&gt;document.title" in below
    assert "<script>document.title" not in html


def test_a_study_that_was_widened_says_when_and_by_what_beside_its_findings(tmp_path):
    data = read(write_study(tmp_path, 2))
    assert "idened" not in markup(page(data))
    data.study["widened"] = [f"widened 2026-01-02T03:04Z from trial 2 on: {HOSTILE} is new"]
    html = page(data)
    (line,) = re.findall("<li>(Widened .*)</li>", markup(html).split('class="cautions"')[1].split("</ul>")[0])
    assert line.startswith("Widened 2026-01-02T03:04Z from trial 2 on: &lt;/script&gt;")
    assert line.endswith(" is new.")


def test_hostile_text_is_shown_as_text(tmp_path):
    data = read(write_study(tmp_path, 12, hostile=HOSTILE))
    html = page(data)
    assert "<script>document.title" not in html
    assert "<img src=http" not in html
    assert html.count("</script>") == 3
    assert "train/recipe = &lt;/script&gt;&lt;script&gt;document.title" in html
    payload = json.loads(html.split('id="payload">')[1].split("</script>")[0])
    assert "train/recipe = &lt;/script&gt;" in json.dumps(payload["hovers"], ensure_ascii=False)


def test_commands_are_set_as_code_and_whatever_stands_beside_them_is_text():
    assert commands("`invfront report <a>` & b") == "<code>invfront report &lt;a&gt;</code> &amp; b"
    assert commands("a ` b") == "a ` b"


def test_json_in_a_script_element_cannot_end_it():
    text = str(script_text(json.dumps({"error": HOSTILE})))
    assert "<" not in text
    assert ">" not in text
    assert json.loads(text) == {"error": HOSTILE}


def test_the_page_asks_for_nothing_from_a_network(html):
    assert "default-src 'none'" in html
    assert not re.findall(r"(?:src|href)=[\"'](?!#|data:)", html)


def test_every_image_has_a_description_and_every_table_a_caption(html):
    assert html.count("<img ") == html.count(' alt="')
    assert html.count("<table>") == html.count("<caption>")


def test_a_card_that_fails_becomes_a_line_and_the_page_still_comes(many):
    def fail(study):
        raise ZeroDivisionError(f"{len(study.data.trials)} trials {HOSTILE}")

    broken = Card(name="mine", title="A card of mine", group="Mine", compute=fail)
    html = page(read(many), (CARDS[0], broken, *CARDS[1:]))
    section = markup(html).split('<section id="mine">')[1].split("</section>")[0]
    assert "ZeroDivisionError: 24 trials &lt;/script&gt;" in section
    assert html.count("</script>") == 3
    assert [f'<section id="{name}">' in html for name in ("answer", "provenance")] == [True, True]


def test_a_card_says_why_it_is_not_shown(html):
    assert "nothing is confirmed yet" in html.split('<section id="absent">')[1]
    assert 'id="confirmed"' not in html


def test_a_picture_that_fails_becomes_a_line_and_the_others_are_drawn(many, tmp_path):
    def fail():
        raise RuntimeError("no such font")

    study = Study(read(many))
    plot = Plot("mine", "Mine.", go.Figure(), fail)
    card = Card(name="mine", title="Mine", group="Mine", compute=lambda study: [plot], pictures=("mine",))
    made = with_pictures(make(study, (card, hypervolume.CARD)), tmp_path)
    assert made[0].broken == "mine: RuntimeError: no such font"
    assert (tmp_path / "hypervolume.png").exists()
    assert "no such font" in markup(page_of(study, made))


def test_a_setting_has_its_last_name_where_it_is_the_only_one_and_its_path_beside():
    row = {"defense/name": "x", "defense/x/lam": 0.05, "term/y/lam": 2, "model/sigma": 0.1, "defense/z/scale": None}
    told = briefly(row, list(row))
    assert told.replace("\u00a0", " ") == "x/lam = 0.05, y/lam = 2, sigma = 0.1"
    assert told.hint == settings_of(row, list(row))


def test_the_pair_plots_have_the_same_axes_and_one_legend(many):
    study = Study(read(many))
    across, up = study.pair("accuracy", "mse").ranges
    assert study.pair("accuracy", "ssim").ranges == (across, study.pair("mse", "ssim").ranges[1])
    assert study.pair("mse", "ssim").ranges[0] == up
    html = page(study.data)
    payload = json.loads(html.split('id="payload">')[1].split("</script>")[0])
    drawn = [trace for x, y in PAIRS for trace in payload["figures"][f"front-{x}-{y}"]["data"]]
    assert not any(trace["showlegend"] for trace in drawn)
    assert markup(html).count("data-group=") == len({*study.names.values()})


def test_the_same_data_give_the_same_files(reported, tmp_path):
    data, first = reported
    kept_pictures._KEPT.clear()
    render(data, tmp_path)
    again = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")]
    assert {*again} == {path.relative_to(first) for path in first.rglob("*.*") if path.suffix != ".pdf"}
    assert [path for path in again if (tmp_path / path).read_bytes() != (first / path).read_bytes()] == []


def test_formulas_in_csv_are_text_and_numbers_are_untouched():
    table = pd.DataFrame({"error": ["=1+1", "+1+A1", "-A1", "@x", "\t=1", "plain"], "mse": [-1.5, -2, 3, 4, 5, 6]})
    lines = to_csv(table).decode().splitlines()
    assert lines == ["error,mse", "'=1+1,-1.5", "'+1+A1,-2.0", "'-A1,3.0", "'@x,4.0", "'\t=1,5.0", "plain,6.0"]


def test_latex_prints_what_it_would_otherwise_obey():
    assert escape_latex(r"\input{x}_$") == r"\textbackslash{}input\{x\}\_\$"


def test_the_latex_table_has_a_row_for_each_trial_of_the_front(many):
    data = read(many)
    members = front(data.trials)
    body = to_latex(data, members).decode().split(r"\midrule")[1].split(r"\bottomrule")[0]
    rows = [line.split(" & ") for line in body.strip().splitlines()]
    assert [int(row[0]) for row in rows] == members["trial"].tolist()
    assert {len(row) for row in rows} == {7}


def test_a_gallery_shows_the_least_the_middle_and_the_greatest_error(many):
    data = read(many)
    gallery = galleries(data)[0]
    scores = data.image_scores
    errors = scores[scores["trial"].eq(gallery.trial) & scores["job"].eq(gallery.job)].set_index("image")["mse"]
    assert [shown.mse for shown in gallery.shown] == [*sorted(errors)[:: len(errors) // 2], errors.max()]
    assert all(errors[shown.image] == shown.mse for shown in gallery.shown)
    np.testing.assert_array_equal(gallery.shown[0].original, data.images["original/validation"][gallery.shown[0].image])


def test_a_gallery_for_each_of_the_front_and_the_anchors(many):
    data = read(many)
    shown = on_front(data.trials) | data.trials["anchor"]
    assert [gallery.trial for gallery in galleries(data)] == data.trials.loc[shown, "trial"].tolist()


def test_a_table_without_a_column_is_named(tmp_path):
    data = write_study(tmp_path, 1)
    pd.read_parquet(data / "attacks.parquet").drop(columns="verdict").to_parquet(data / "attacks.parquet")
    with pytest.raises(ValueError, match=r"attacks\.parquet: lacks the columns \['verdict'\]"):
        read(data)


def test_numbers_are_written_by_their_kind():
    assert [number(0.01, "mse"), number(0.6789, "accuracy"), number(np.float64("nan")), number(True)] == [
        "0.0100",
        "0.679",
        "\u2013",
        "true",
    ]
    assert [duration(seconds) for seconds in (1.25, 59.7, 200, 7500)] == [
        "1.2 s",
        "1 min 00 s",
        "3 min 20 s",
        "2 h 05 min",
    ]


def test_settings_keep_their_paths():
    row = {"defense/name": "cem_paper", "defense/cem_paper/lam": 0.03, "defense/laplace/scale": None}
    assert settings_of(row, list(row)) == "defense/cem_paper/lam = 0.03"


@pytest.mark.slow  # of a whole suite's tables they are in test_attacks.py
def test_columns_of_nullable_types_give_the_same_page(tmp_path):
    data = write_study(tmp_path, 12)
    before = page(read(data))
    for path in data.glob("*.parquet"):
        pd.read_parquet(path).convert_dtypes().to_parquet(path)
    assert page(read(data)) == before
