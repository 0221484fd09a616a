"""Addresses that are shown or written down open nothing."""

import pytest

from harness.credentials import hidden, without_credentials


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("postgresql://u:p/a@b@host/db?host=x&password=y", "postgresql://host/db?host=x"),
        ("postgresql+psycopg://u:p?a=b@host:5432/db", "postgresql+psycopg://host:5432/db"),
        ("postgresql://host/db?password=a@b&sslmode=require", "postgresql://host/db?sslmode=require"),
        ("postgresql:///db?host=/run/pg&port=1&user=u&sslkey=k&passfile=f", "postgresql:///db?host=/run/pg&port=1"),
        ("http://token@host/?access_token=secret", "http://host/"),
        ("sqlite:////folder/a@b/study.db", "sqlite:////folder/a@b/study.db"),
        ("databricks", "databricks"),
    ],
)
def test_an_address_keeps_its_place_and_loses_user_and_password(url, kept):
    assert without_credentials(url) == kept
    assert hidden(f"storage {url} refuses") == f"storage {kept} refuses"
    assert without_credentials(kept) == kept


def test_every_address_in_a_text_is_bare():
    text = "at postgresql://me:pa@ss@host/db and http://h, then http://me:secret@there: refused"
    assert hidden(text) == "at postgresql://host/db and http://h, then http://there: refused"


def test_advice_keeps_the_place_where_a_users_own_credentials_belong():
    advice = "write postgresql+psycopg://user:password@host/database"
    assert hidden(advice) == advice
    assert hidden("postgresql://user:password@hostile/db") == "postgresql://hostile/db"
