"""A study lies wherever its user wants it, or is refused in one line before anything is made."""

import os
from pathlib import Path

import pytest

from harness.driver.places import refuse_place
from harness.errors import UserError

ODD = ["a b", "what?", "50%", "50%25", "#1", "größe", "日本", "a&b=c;d", "'", '"', "$HOME", "-x", "~"]
"""Names that are as good as any other."""


@pytest.mark.parametrize("name", ODD)
def test_a_folder_may_have_any_name_that_can_be_written_down(name, tmp_path):
    refuse_place("--out ", tmp_path / name)
    refuse_place("--out ", tmp_path / name / "below")
    (tmp_path / name).mkdir()
    refuse_place("--out ", tmp_path / name)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("s3://bucket/runs", "is no folder; `invfront run --out s3://bucket/runs` opens a store"),
        ("bad\udcff", "has bytes that are no letters of UTF-8"),
        ("two\nlines", r"two\\nlines': has control characters"),
        ("file", "file is a file; name a folder"),
        ("file/below/it", "file is a file; name a folder"),
        ("dangling", "dangling is a link to nothing; make gone, or name another"),
        ("dangling/below", "dangling is a link to nothing"),
    ],
)
def test_a_place_that_can_hold_no_study_is_refused_in_one_line(name, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    Path("dangling").symlink_to("gone")
    with pytest.raises(UserError, match=says) as refused:
        refuse_place("--out ", Path(name))
    assert str(refused.value).isprintable() or "bad" in name


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # whoever runs the tests may write everywhere
    with pytest.raises(UserError, match=f"{tmp_path} cannot be written; make it writable, or name another"):
        refuse_place("--out ", tmp_path / "runs")
