"""Tables and figures in the forms that papers take: the same cells in each, and no tool chokes on them."""

import io
import re

import pandas as pd
import pytest

from reports.card import Card, Plot, every
from reports.cards.sandwich import sandwich_chart, sandwiches
from reports.export import escape_markdown, frame, table_latex, table_markdown, to_latex, to_markdown
from reports.formats import MISSING, Table
from reports.forms import FORMS, tables_of, write_forms
from reports.front import front
from reports.kept_pictures import picture
from reports.pictures import FORMS as PICTURES
from reports.pictures import draw, saved
from reports.study import Study

TABLE = Table("What | is\nhere.", ("name", "mse", "what"), [("a_b|c", "±0.1", "run `x|y` <b>"), ("=1+1", "↓", MISSING)],
              frozenset({"mse"}), roomy=frozenset({"what"}))  # fmt: skip


@pytest.fixture(scope="module")
def study(suited) -> Study:
    return suited


@pytest.fixture(scope="module")
def tables(made) -> dict[str, Table]:
    return {name: table for one in made for name, table in tables_of(one.card, one.blocks).items()}


def test_every_figure_of_a_card_is_among_its_pictures(made):
    for one in made:
        names = {block.name for block in every(one.blocks) if isinstance(block, Plot)}
        assert names <= {*one.card.pictures}, one.card.name


def test_every_table_of_the_page_has_every_form_and_the_same_cells_in_each(tables):
    assert {"sandwich", "health", "information"} <= {*tables}
    for name, table in tables.items():
        read_back = pd.read_parquet(io.BytesIO(FORMS["parquet"](table)))
        assert [tuple(row) for row in read_back.itertuples(index=False)] == [tuple(map(str, row)) for row in table.rows]
        lines = FORMS["md"](table).decode().splitlines()
        assert len(lines[2 : 2 + len(table.rows)]) == len(table.rows), name
        assert {len(re.split(r"(?<!\\)\|", line)) for line in lines[: 2 + len(table.rows)]} == {len(table.headers) + 2}
        body = FORMS["tex"](table).decode()
        assert body.isascii(), (name, {letter for letter in body if ord(letter) > 127})
        rows = body.split("\\toprule\n")[1].split("\\bottomrule")[0].replace("\\midrule\n", "").splitlines()
        assert len(rows) == len(table.rows) + bool(table.headers[0])
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(table.headers) - 1}
        assert len(FORMS["csv"](table)) > 0


def test_what_a_form_would_obey_is_text_in_it():
    text = table_markdown(TABLE).decode()
    assert text.splitlines()[2] == r"| a\_b\|c | ±0.1 | run \`x\|y\` \<b\> |"
    assert text.splitlines()[1] == "|:---|---:|:---|"
    assert text.splitlines()[-1] == r"What \| is here."
    assert escape_markdown("`invfront confirm` *again*") == r"`invfront confirm` \*again\*"
    body = table_latex(TABLE).decode()
    assert r"a\_b\textbar{}c & $\pm$0.1 & " in body
    assert body.startswith("% \\caption{What \\textbar{} is here.}\n\\begin{tabular}{lrp{5cm}}\n\\toprule\n")
    assert FORMS["csv"](TABLE).decode().splitlines()[2].startswith("'=1+1,")


def test_columns_without_a_name_of_their_own_are_told_apart():
    assert [*frame(Table("", ("", " ", "a", "a\n"), [("1", "2", "3", "4")]))] == ["column 1", "column 2", "a 3", "a 4"]


def test_the_front_in_markdown_has_the_rows_of_the_one_in_latex(study):
    members = front(study.data.trials)
    told = to_markdown(study.data, members).decode().splitlines()[2:-2]
    assert [int(line.split("|")[1]) for line in told] == members["trial"].tolist()
    assert sum("↓" in line for line in told) == to_latex(study.data, members).decode().count("$^\\downarrow$") - 1


def test_what_an_earlier_report_left_goes_and_what_is_the_same_stays(tmp_path):
    write_forms({"old": TABLE, "kept": TABLE}, tmp_path)
    (tmp_path / "mine.txt").write_text("a user's own")
    before = (tmp_path / "kept.tex").stat().st_mtime_ns
    write_forms({"kept": TABLE}, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", *(f"kept.{form}" for form in FORMS)}
    assert (tmp_path / "kept.tex").stat().st_mtime_ns == before


def test_a_figure_is_the_width_of_a_paper_and_its_letters_stay_letters(study):
    chart = sandwich_chart(study, sandwiches(study))
    found = saved(draw(chart))
    assert {*found} == {*PICTURES} == {"png", "pdf"}
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ", found["pdf"])
    assert float(box[1]) == pytest.approx(6.4 * 72)
    assert b"/Type3" not in found["pdf"]
    assert b"CreationDate" not in found["pdf"]
    assert saved(draw(chart)) == found


def test_a_picture_is_drawn_again_only_if_it_would_be_another(study):
    chart = sandwich_chart(study, sandwiches(study))
    given = [chart]  # what a function of one's own draws may depend on anything
    own = Plot("own", "", chart, lambda: draw(given[0]))
    first, again = (
        picture(Plot("sandwich", "", each), ["png"]) for each in (chart, chart._replace(series=chart.series))
    )
    assert again is first
    assert picture(own, ["png"]) == first
    given[0] = chart._replace(height=2 * chart.height)
    assert picture(own, ["png"]) == picture(Plot("sandwich", "", given[0]), ["png"]) != first


def test_a_card_without_a_table_has_none():
    assert tables_of(Card(name="x", title="X", group="X", compute=lambda study: []), []) == {}
