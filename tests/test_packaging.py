"""What would be published: built without a network, installed into an environment of its own, and used away from this tree."""

import email
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import environment
import pytest

import lrnnbook as lb

ROOT = Path(__file__).resolve().parent.parent
PARTS = "pyproject.toml README.md LICENSE LICENSE-TEXT.md MANIFEST.in CITATION.cff lrnnbook tests tools".split()
VERSION = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)[1]
BUILD = """
import sys
from setuptools import build_meta
out = sys.argv[1]  # which setuptools overwrites
build_meta.build_sdist(out)
build_meta.build_wheel(out)
"""
USE = """
from importlib.resources import files
import lrnnbook as lb
import lrnnbook.book.claims
net = lb.LinearRNN([[1.0]], [[0.5]], [[1.0]])
assert lb.BPTT().update(net, net).W == 0
assert files("lrnnbook").joinpath("py.typed").is_file()
print(lb.__version__, lb.__file__, sep="\\n")
"""
pytest.importorskip("setuptools", minversion="77")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The source distribution and the wheel of a copy of this tree."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, tree / part)
    run = subprocess.run([sys.executable, "-I", "-c", BUILD, str(out)], cwd=tree, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


def test_the_wheel_holds_the_package_and_nothing_else(built):
    names = set(zipfile.ZipFile(built[1]).namelist())
    info = f"lrnnbook-{VERSION}.dist-info"
    own = {str(path.relative_to(ROOT).as_posix()) for path in (ROOT / "lrnnbook").rglob("*.py")}
    assert {name for name in names if not name.startswith(info)} == own | {"lrnnbook/py.typed"}
    assert f"{info}/licenses/LICENSE" in names


def test_the_source_distribution_holds_what_it_takes_to_build_without_the_tests(built):
    with tarfile.open(built[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "lrnnbook/py.typed", "lrnnbook/book/claims.py"} <= names
    assert not {name for name in names if name.startswith(("tests", "tools"))}


def test_its_metadata_are_those_of_the_book(built):
    with zipfile.ZipFile(built[1]) as wheel:
        told = email.message_from_bytes(wheel.read(f"lrnnbook-{VERSION}.dist-info/METADATA"))
    assert told["Version"] == VERSION
    assert told["License-Expression"] == "MIT" and told["Requires-Python"] == ">=3.11"
    assert told["Description-Content-Type"] == "text/markdown" and told.get_payload().startswith("# Learning without")
    assert "Typing :: Typed" in told.get_all("Classifier")


def test_the_wheel_works_away_from_this_tree(built, tmp_path):
    home = tmp_path / "environment"
    venv.create(home, with_pip=False)
    python = environment.python(home)
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-qq", "--no-index", "--no-deps", str(built[1])]
    subprocess.run(install, check=True)
    # What the package needs is lent by the environment that runs the tests; a path so given does not bring its editable installs.
    (site,) = {path.parent.parent for path in home.rglob("lrnnbook/__init__.py")}
    lent = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    (site / "lent.pth").write_text("\n".join(sorted(lent)), encoding="utf-8")
    run = subprocess.run([str(python), "-I", "-c", USE], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    version, file = run.stdout.splitlines()
    assert version == VERSION and Path(file).parent == site / "lrnnbook"


def test_the_version_is_that_of_what_is_installed():
    assert lb.__version__ in (VERSION, "0+unknown")
