"""The wheel of the package, built in a copy of what it is made of, without a network and the same to the byte each time."""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = "pyproject.toml README.md LICENSE MANIFEST.in lrnnbook".split()
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv.pop())"
EPOCH = "315532800"  # 1980, where the calendar of zip files begins


def wheel_name():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return f"lrnnbook-{version}-py3-none-any.whl"


def build(folder):
    with tempfile.TemporaryDirectory() as copy:
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, Path(copy, part), ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / part, copy)
        command = [sys.executable, "-I", "-c", BUILD, str(folder)]
        run = subprocess.run(command, cwd=copy, env=os.environ | {"SOURCE_DATE_EPOCH": EPOCH}, capture_output=True, text=True)
    if run.returncode or not (folder / wheel_name()).is_file():
        raise RuntimeError(f"the package could not be built:\n{run.stderr}")
