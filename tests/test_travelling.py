"""What of a user's plug-in travels to a cluster's nodes: what it is made of, and nothing beside it."""

import sys

import pytest

from harness import plugins
from harness.cluster.connection import LEFT_OUT, cluster
from harness.errors import UserError
from harness.plugins import Package, packages, travelling

POINTS = "[invfront.defenses]\nhazy = hazes.fog:Haze\n"


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A folder of modules of which this process knows."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("lonely", "spread", "hazes"):
        sys.modules.pop(name, None)


def test_a_plug_in_of_one_file_takes_that_file_alone(path):
    (path / "lonely.py").write_text("")
    (path / "secret.env").write_text("password")
    (found,) = packages("lonely:Mine")
    assert travelling(found) == [path / "lonely.py"]


def test_a_namespace_package_takes_its_folders_and_not_the_working_directory(path, tmp_path_factory, monkeypatch):
    other = tmp_path_factory.mktemp("other")
    monkeypatch.syspath_prepend(str(other))
    for folder in (path, other):
        (folder / "spread").mkdir()
    (found,) = packages("spread.part:Mine")
    assert sorted(travelling(found)) == sorted([path / "spread", other / "spread"])


def test_a_plug_in_of_an_entry_point_takes_its_package_and_what_names_it(path):
    (path / "hazes").mkdir()
    (path / "hazes" / "__init__.py").write_text("")
    metadata = path / "My_Hazes-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my.hazes\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(POINTS)
    (found,) = packages("hazy")
    assert found == Package("hazes", "my.hazes")
    assert travelling(found) == [path / "hazes", metadata]
    assert packages("decoder") == set()  # built in


def test_our_own_packages_travel_as_folders():
    assert travelling(Package("harness")) == [plugins.HOUSE]
    assert ".git/" in LEFT_OUT


def test_a_plug_in_that_cannot_travel_is_refused_in_one_line():
    with (
        pytest.raises(UserError, match=r"^--address 10.0.0.1:6379: nowhere: cannot be imported; is its package"),
        cluster("10.0.0.1:6379", "farewell", [Package("nowhere")]),
    ):
        pass


def test_rays_client_is_refused_in_one_line_with_the_way_out():
    with (
        pytest.raises(UserError, match=r"^--address ray://head:10001: .* take auto, or .*port as head:6379$"),
        cluster("ray://head:10001", "farewell"),
    ):
        pass
