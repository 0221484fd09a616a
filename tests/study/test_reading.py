"""YAML is read as a person reads it: what readers of YAML take for different things is refused, and so are knots."""

import pytest

import search_spaces

UNCLEAR = [
    ("010", "010 is 10 to some readers of YAML and 8 to others; write 10, or '010' for text"),
    ("08", "08 is 8 to some readers of YAML and text to others; write 8"),
    ("1_0", "1_0 is 10 to some readers of YAML and text to others; write 10"),
    ("1_000.5", "write 1000.5"),
    ("12:30:45", "12:30:45 is 45045 to some readers of YAML and text to others; write 45045"),
    ("-1:30", "write -90"),
    ("yes", "yes is true to some readers of YAML and text to others; write true, or 'yes' for text"),
    ("Off", "write false"),
    ("0b101", "write 5"),
    ("0o17", "write 15"),
    ("{a: 1,000}", "line 1, column 7: 000 is 0"),
    ("{on: 1}", "line 1, column 2: on is true"),
]


@pytest.mark.parametrize(("text", "message"), UNCLEAR, ids=[text for text, _ in UNCLEAR])
def test_what_readers_of_yaml_take_for_different_things_is_refused_with_both(text, message):
    with pytest.raises(ValueError, match=r"^line 1, column \d+: ") as refused:
        search_spaces.parse(text)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("10", 10), ("-7", -7), ("0", 0), ("0x1F", 31), ("1e-3", 1e-3), ("1E+3", 1000.0), (".5", 0.5), ("-.5", -0.5),
     ("+1.", 1.0), ("true", True), ("FALSE", False), ("~", None), ("", None), ("null", None), ("y", "y"), ("=", "="),
     ("2026-01-01", "2026-01-01"), ("'010'", "010"), ("!!str 010", "010"), ("5d8b3f52-6c1f", "5d8b3f52-6c1f")],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text, value):
    found = search_spaces.parse(text)
    assert (found, type(found)) == (value, type(value))


def test_merge_keys_bring_in_what_is_not_written_beside_them():
    text = "{one: &ranges {lam: 1, mu: 2}, other: {<<: *ranges, lam: 3}}"
    assert search_spaces.parse(text)["other"] == {"lam": 3, "mu": 2}


WRONG = {
    "a: &a [*a]": "contains itself by an alias",
    "&a {b: {c: *a}}": "contains itself by an alias",
    "[" * 3000: "nested deeper than 50 levels",
    "[" * 60 + "]" * 60: "nested deeper than 50 levels",
    "9" * 5000: "99999999999999999999... has 5000 digits; a whole number lies below",
    "9223372036854775808": "a whole number lies below",
    "!!timestamp soon": "the tag !!timestamp is not for study files",
    "!!python/object/apply:os.system [ls]": "the tag !!python/object/apply:os.system is not for study files",
    "!!int ''": "'' is no whole number",
    "!!float ''": "'' is no number",
    "!!bool maybe": "'maybe' is neither true nor false",
    "{[1]: 2}": "found unhashable key",
    "{<<: 3}": "expected a mapping or list of mappings",
    "--- a\n--- b": "found another document",
    "\x00": "unacceptable character",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:20])
def test_what_is_no_yaml_of_a_study_is_one_line(text):
    with pytest.raises(ValueError, match=r"^not YAML: ") as refused:
        search_spaces.parse(text)
    assert WRONG[text] in str(refused.value)
    assert "\n" not in str(refused.value)


def test_aliases_that_would_fill_the_memory_are_refused():
    levels = [f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 9)]
    with pytest.raises(ValueError, match=r"more than 100,000 values once every alias is written out"):
        search_spaces.parse("\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x, x]", *levels]))


AWKWARD = [
    "010",
    "08",
    "yes",
    "-.5",
    "+.5",
    "1e3",
    "0o7",
    "",
    "2026-01-01",
    "12:30:45",
    "1_0",
    "~",
    "<<",
    "0x1F",
    "null",
]


@pytest.mark.parametrize("text", AWKWARD)
def test_text_that_looks_like_something_else_survives_a_dump(text):
    assert search_spaces.parse(search_spaces.dump({"text": text})) == {"text": text}


@pytest.mark.parametrize(
    ("version", "sigma"), [("", 8), ("version: '0.1'\n", 8), ("version: '0.2'\n", None)], ids=["none", "0.1", "0.2"]
)
def test_a_directorys_own_file_of_0_1_is_read_by_the_rules_of_0_1(version, sigma, tmp_path):
    own = tmp_path / "study.yaml"
    own.write_text(f"name: old\nledger: 5d8b3f52-6c1f-4b61-9a55-0a3f0c1d2e4b\n{version}train: {{epochs: 010}}")
    if sigma is None:
        with pytest.raises(ValueError, match="010 is 10 to some readers"):
            search_spaces.load(own)
    else:
        assert search_spaces.load(own)[0]["train"]["epochs"] == sigma


def test_a_folder_given_as_study_file_is_called_a_folder(tmp_path):
    with pytest.raises(ValueError, match="is a folder, not a study file; name a file"):
        search_spaces.load(tmp_path)
    (tmp_path / "study.yaml").write_text("name: mine")
    with pytest.raises(ValueError, match="it holds a study: `invfront resume` goes on with it"):
        search_spaces.load(tmp_path)


def test_an_empty_file_is_called_empty(tmp_path):
    (tmp_path / "none.yaml").write_text("# nothing yet\n")
    with pytest.raises(ValueError, match="a study is a mapping such as `name: mine`, not an empty file"):
        search_spaces.load(tmp_path / "none.yaml")
