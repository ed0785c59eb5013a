"""What is built to be handed on holds what it must, and nothing else; built here, without network."""

from __future__ import annotations

import email
import tarfile
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

import charrnn

ROOT = Path(__file__).parent.parent
NAME = f"charrnn-{charrnn.__version__}"
TOP = {
    *(".ci", ".gitignore", "charrnn", "checkpoints", "corpora", "docs", "tests"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "pyproject.toml"),
}
JUNK = {".pyc", ".nbi", ".nbc", ".tmp"}


def files(*folders: str) -> set[str]:
    """Those of the project that are no leavings of Python or of tools, whose folders begin with a dot."""
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    names = {path.relative_to(ROOT).as_posix() for path in paths if path.suffix not in JUNK}
    return {name for name in names if "/." not in name}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = str(tmp_path_factory.mktemp("wheel"))
    return zipfile.ZipFile(next(WheelBuilder(str(ROOT)).build(directory=folder, versions=["standard"])))


def test_a_wheel_holds_the_package_its_licence_and_its_description(wheel):
    about = {f"{NAME}.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    assert set(wheel.namelist()) == files("charrnn") | about | {f"{NAME}.dist-info/licenses/LICENSE"}
    assert "charrnn/py.typed" in wheel.namelist()
    assert wheel.read(f"{NAME}.dist-info/entry_points.txt").split() == [
        *(b"[console_scripts]", b"charrnn", b"=", b"charrnn.cli.main:main")
    ]


def test_the_description_of_the_package_is_whole(wheel):
    about = email.message_from_bytes(wheel.read(f"{NAME}.dist-info/METADATA"))
    assert (about["Name"], about["Version"]) == ("charrnn", charrnn.__version__)
    assert (about["License-Expression"], about["Author"]) == ("MIT", "The charrnn developers")
    assert about["Requires-Python"] == ">=3.11"
    assert about["Description-Content-Type"] == "text/markdown"
    assert {"Typing :: Typed", "Operating System :: POSIX :: Linux"} <= {*about.get_all("Classifier")}
    needed = [need for need in about.get_all("Requires-Dist") if "extra" not in need]
    assert [need.partition(">")[0] for need in needed] == [
        *("filelock", "numba", "numpy", "platformdirs", "rich", "typer"),
    ]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archived(ROOT, tmp_path_factory.mktemp("source"))


def archived(project: Path, folder: Path) -> Path:
    """A source archive of a project, unpacked in the folder."""
    path = next(SdistBuilder(str(project)).build(directory=str(folder), versions=["standard"]))
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    return folder / NAME


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_source_archive_holds_what_both_commands_of_the_readme_read(source):
    names = names_in(source)
    assert {name.split("/")[0] for name in names} <= TOP | {"PKG-INFO"}
    assert {*files("charrnn", "corpora", "docs", "tests"), ".ci/run"} <= names
    assert {name for name in TOP if (ROOT / name).is_file()} <= names
    assert not [name for name in names if Path(name).suffix in JUNK or "__pycache__" in name]
    assert (source / ".ci/run").stat().st_mode & 0o111, "it can be run"


def test_the_wheel_of_a_source_archive_is_that_of_the_checkout(source, wheel, tmp_path):
    built = next(WheelBuilder(str(source)).build(directory=str(tmp_path), versions=["standard"]))
    assert sorted(zipfile.ZipFile(built).namelist()) == sorted(wheel.namelist())


def test_what_is_trained_is_not_handed_on(source, tmp_path):
    models = {"README.md", "fables.npz", "sums.npz"}
    assert names_in(source / "checkpoints") == models
    for name in ("mine.npz", "fables-rnn_relu.npz", "mine-bytes.jsonl", "mine.step000100.npz"):
        (source / "checkpoints" / name).touch()
    assert names_in(archived(source, tmp_path) / "checkpoints") == models
