"""The build on other people's machines: sealed from what they have set, right after a copy or a move, failing until mended.

A book of two small chapters is built with the real tools, in the environment that runs the tests.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import environment
import execute
import nbformat
import notebooks
import pytest
import sealed
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parent.parent
PARTS = """Makefile _config.yml _ext _static _templates tools lrnnbook benchmarks/results.json conftest.py
requirements.lock pyproject.toml references.bib README.md LICENSE MANIFEST.in""".split()
LOOK = """import json, random, sys, warnings
from pathlib import Path
import matplotlib.pyplot as plt
import lrnnbook as lb
own = Path.cwd().parent
print(Path(lb.__file__).parent.relative_to(own), Path(sys.prefix).relative_to(own))
print(plt.rcParams["font.size"], warnings.filters == [] or warnings.filters[0][0], "é", 6 * 7)"""
BARE = [".venv/bin/python", "-c", "from jupyter_book.cli.main import main; main()", "build", ".", "-W", "-n", "--keep-going"]
SEEN = "lrnnbook .venv\n10.0 ignore é 42\n"
DRAW = "_ = plt.plot([1, 2])\nplt.show()"
FIGURE = {"tags": [], "mystnb": {"figure": {"caption": "A line.", "name": "fig-line"}, "image": {"alt": "a line"}}}


def chapter(title, *cells):
    """A notebook in the committed form; a cell is a text, or its code and what it prints."""
    made = [new_markdown_cell(f"# {title}\n\nA text.")]
    for count, (code, text) in enumerate(cells, 1):
        outputs = [new_output("stream", name="stdout", text=text)] if text else []
        if "plt.show()" in code:
            outputs = [new_output("display_data", data={"text/plain": "<Figure size 640x480 with 1 Axes>"})]
        made.append(new_code_cell(code, execution_count=count, outputs=outputs, metadata=FIGURE if "plt.show()" in code else {}))
    return nbformat.writes(new_notebook(cells=made, metadata=notebooks.METADATA)) + "\n"


def toy(folder):
    """A book of two chapters with this one's tools and package, and with its environment on loan."""
    for part in PARTS:
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    (folder / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    (folder / "chapters").mkdir()
    (folder / "index.md").write_text("# A book\n\nOf two chapters.\n")
    files = "\n".join(f"  - file: chapters/{name}" for name in ("01_look", "02_count"))
    (folder / "_toc.yml").write_text(f"format: jb-book\nroot: index\nchapters:\n{files}\n")
    (folder / "chapters" / "01_look.ipynb").write_text(chapter("Look", (LOOK, SEEN), (DRAW, "")), encoding="utf-8")
    (folder / "chapters" / "02_count.ipynb").write_text(chapter("Count", ("print(1 + 1)", "2\n")), encoding="utf-8")
    return folder


def hostile(folder):
    """What a reader may have set, each to something that shows or breaks."""
    folder.mkdir()
    kernel = folder / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({"argv": ["false"], "display_name": "mine", "language": "python"}))
    (folder / "matplotlib").mkdir()
    for place in (folder, folder / "matplotlib"):
        (place / "matplotlibrc").write_text("font.size: 40\nbackend: pdf\n")
    for module in ("sitecustomize", "random", "nbformat", "lrnnbook"):
        (folder / f"{module}.py").write_text("print('not yours')\nraise SystemExit('a module of the reader')\n")
    startup = folder / "profile_default" / "startup" / "00.py"
    startup.parent.mkdir(parents=True)
    startup.write_text("print('hello')\n")
    names = "MATPLOTLIBRC MPLCONFIGDIR JUPYTER_PATH JUPYTER_DATA_DIR JUPYTER_CONFIG_DIR IPYTHONDIR XDG_CONFIG_HOME".split()
    return {name: str(folder) for name in names} | {
        "HOME": "/proc",  # nobody can write there
        "MPLBACKEND": "Agg",
        "PYTHONWARNINGS": "error",
        "PYTHONSTARTUP": str(startup),
        "LC_ALL": "C",
    }


def before_python_starts(folder):
    return {"PYTHONPATH": str(folder), "PYTHONHOME": "/nowhere", "PYTHONIOENCODING": "ascii"}


def run(folder, *command, **more):
    """Run a command as from a shell of its own; return whether it succeeded, and all that it said."""
    shell = {name: value for name, value in os.environ.items() if not name.startswith((*sealed.FOREIGN, "BOOK_", "MAKE", "XDG_"))}
    done = subprocess.run(command, cwd=folder, env=shell | more, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    return done.returncode == 0, done.stdout.decode("utf-8", errors="replace")


def make_book(folder, **more):
    return run(folder, "make", "book", **more)


needs_make = pytest.mark.skipif(not shutil.which("make") or os.name == "nt", reason="without make")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The small book, built amid all that is hostile."""
    folder = toy(tmp_path_factory.mktemp("build") / "book")
    surroundings = hostile(folder.parent / "reader")
    done, said = make_book(folder, **surroundings, **before_python_starts(folder.parent / "reader"))
    assert done, said
    return folder, surroundings, said


@needs_make
def test_what_the_reader_has_set_does_not_get_in(built):
    folder, _, said = built
    assert "WARNING" not in said and "not yours" not in said
    path = folder / "chapters" / "01_look.ipynb"
    _, executed = get_cache(folder / "_build" / ".jupyter_cache").merge_match_into_notebook(nbformat.read(path, as_version=4))
    assert executed.cells[1].outputs[0].text == SEEN
    assert [output.output_type for cell in executed.cells[1:] for output in cell.outputs] == ["stream", "display_data"]
    assert "not yours" not in str(executed) and "hello" not in str(executed)


@needs_make
@pytest.mark.parametrize("command", ["sealed", "bare"])
def test_nor_into_the_tests_of_the_chapters(built, command):
    folder, surroundings, _ = built
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", "chapters"]
    if command == "sealed":
        surroundings = surroundings | before_python_starts(folder.parent / "reader")
        tests = ["-I", "tools/sealed.py", *tests]
    done, said = run(folder, ".venv/bin/python", *tests, **surroundings)
    assert done and "3 passed" in said, said


@needs_make
def test_a_book_that_stands_is_left_alone(built):
    folder, _, _ = built
    before = (folder / "_build" / "html" / "index.html").stat().st_mtime_ns
    os.utime(folder / "index.md")
    assert make_book(folder) == (True, "The book stands. Open _build/html/index.html in a browser.\n")
    assert (folder / "_build" / "html" / "index.html").stat().st_mtime_ns == before


@needs_make
def test_a_fault_is_reported_until_it_is_mended(built, tmp_path):
    folder = tmp_path / "book"
    shutil.copytree(built[0], folder, symlinks=True)
    path = folder / "chapters" / "02_count.ipynb"
    right = path.read_text(encoding="utf-8")
    times = path.stat().st_atime - 9e6, path.stat().st_mtime - 9e6
    cell = ("print(1 + 1)", "print(1 + none)"), "02_count.ipynb, code cell 1: NameError: name 'none' is not defined"
    text = ("A text.", "```{unheard-of}\\n```"), "02_count.ipynb, cell 1, line 3: WARNING: Unknown directive type: 'unheard-of'"
    for change, says in (cell, text):
        path.write_text(right.replace(*change), encoding="utf-8")
        for _ in range(2):
            done, said = make_book(folder)
            assert not done and says in said, said
            assert "Traceback" not in said and len(said.splitlines()) < 60, said
            assert not (folder / "_build" / "html").exists()
    path.write_text(right.replace(*cell[0]).replace(*text[0]), encoding="utf-8")
    for _ in range(2):
        done, said = run(folder, *BARE)
        assert not done and cell[1] in said and "Unknown directive type: 'unheard-of'" in said, said
        assert "Traceback" not in said, said
    path.write_text(right, encoding="utf-8")
    os.utime(path, times)  # as rsync and cp -p restore a file
    done, said = make_book(folder)
    assert done and "WARNING" not in said, said
    assert "A text." in (folder / "_build" / "html" / "chapters" / "02_count.html").read_text(encoding="utf-8")


@needs_make
def test_a_merge_that_was_not_finished_is_named(built, tmp_path):
    folder = tmp_path / "book"
    shutil.copytree(built[0], folder, symlinks=True)
    (folder / "index.md").write_text("# A book\n\n<<<<<<< HEAD\nOf two\n=======\nOf 2\n>>>>>>> other\n")
    done, said = make_book(folder)
    assert not done and "index.md: line 3 is the mark of a merge conflict" in said and len(said.splitlines()) < 6, said


@needs_make
def test_a_copy_is_built_from_its_own_package_and_a_moved_one_stands(built, tmp_path):
    shutil.copytree(built[0], tmp_path / "copy", symlinks=True)
    with open(tmp_path / "copy" / "lrnnbook" / "__init__.py", "a", encoding="utf-8") as file:
        file.write("\nraise ImportError('the copy is broken')\n")
    done, said = make_book(tmp_path / "copy")
    assert not done and "01_look.ipynb, code cell 1: ImportError: the copy is broken" in said, said
    (tmp_path / "copy").rename(tmp_path / "moved")
    shutil.copy(ROOT / "lrnnbook" / "__init__.py", tmp_path / "moved" / "lrnnbook")
    done, said = make_book(tmp_path / "moved")
    assert done, said


# What is wrong with a chapter, in a few lines


@pytest.mark.parametrize(
    "code, says",
    [
        ("import time\ntime.sleep(60)", "bad.ipynb, code cell 2: takes longer than 4 s, the limit in _config.yml"),
        ("import os\nos._exit(1)", "bad.ipynb, code cell 2: the kernel died"),
        ("def f():\n    return 1 / 0\nf()", "bad.ipynb, code cell 2: ZeroDivisionError: division by zero\n    ----> 3 f()"),
        (
            "import matplotlib.pyplot as plt\nplt.switch_backend('Agg')\n" + DRAW,
            "bad.ipynb, code cell 2: plt.show() showed no figure",
        ),
    ],
)
def test_a_failure_names_chapter_and_cell(code, says, tmp_path, monkeypatch):
    if "sleep" in code:
        monkeypatch.setattr(notebooks, "time_limit", lambda: 4)
    path = tmp_path / "bad.ipynb"
    path.write_text(chapter("Bad", ("x = 1", ""), (code, "")), encoding="utf-8")
    with pytest.raises(notebooks.Failure) as failure:
        notebooks.execute(path)
    assert str(failure.value).startswith(says) and len(str(failure.value).splitlines()) <= 5


def test_a_stored_run_without_its_figure_is_none(tmp_path):
    path = tmp_path / "drawn.ipynb"
    path.write_text(chapter("Drawn", (DRAW, "")), encoding="utf-8")
    cache, notebook = get_cache(tmp_path / "cache"), notebooks.read(path)
    for data, good in [({"text/plain": "<Figure>"}, False), ({"text/plain": "<Figure>", "image/svg+xml": "<svg/>"}, True)]:
        notebook.cells[1].outputs = [new_output("display_data", data=data)]
        cache.cache_notebook_bundle(CacheBundleIn(notebook, str(path)), check_validity=False, overwrite=True)
        assert execute.cached(cache, path) == good


@pytest.mark.parametrize(
    "text, says",
    [
        ("{\n<<<<<<< HEAD\n}", "bad.ipynb: not a notebook: line 2 is the mark of a merge conflict"),
        ("{}", "bad.ipynb: not a notebook: "),
        ("", "bad.ipynb: not a notebook: "),
    ],
)
def test_what_is_no_notebook_is_named(text, says, tmp_path):
    (tmp_path / "bad.ipynb").write_text(text, encoding="utf-8")
    with pytest.raises(notebooks.Failure) as failure:
        notebooks.read(tmp_path / "bad.ipynb")
    assert str(failure.value).startswith(says) and len(str(failure.value).splitlines()) == 1


def test_the_kernel_is_told_what_a_processor_is_to_do(monkeypatch):
    monkeypatch.delenv(sealed.SEAL, raising=False)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    monkeypatch.setenv("MPLBACKEND", "pdf")
    found = sealed.surroundings(IPYTHONDIR="elsewhere")
    assert (found["OPENBLAS_CORETYPE"], found["OPENBLAS_NUM_THREADS"], found["IPYTHONDIR"]) == ("Haswell", "2", "elsewhere")
    assert "MPLBACKEND" not in found


# The environment


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A tree with an environment of nothing but its Python; the list has an entry for each time that it was made."""
    made = []

    def install(folder, requirements):
        made.append(folder)
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True)

    folder = tmp_path / "tree"
    folder.mkdir()
    for name in ("requirements.lock", "pyproject.toml"):
        (folder / name).write_text("# nothing\n")
    monkeypatch.setattr(environment, "install", install)
    monkeypatch.setattr(environment, "ROOT", folder)
    environment.main([])
    assert made.pop() == folder / ".venv"
    return folder, made


def test_an_environment_is_kept(tree):
    folder, made = tree
    os.utime(folder / "requirements.lock")
    environment.main([])
    environment.main(["--any"])
    assert made == []


def moved(folder, monkeypatch):
    folder = folder.rename(folder.parent / "moved")
    monkeypatch.setattr(environment, "ROOT", folder)


def copied(folder, monkeypatch):
    monkeypatch.setattr(environment, "ROOT", shutil.copytree(folder, folder.parent / "copied", symlinks=True))


def another_hash(folder, monkeypatch):
    lock = folder / "requirements.lock"
    times = lock.stat().st_atime - 9e6, lock.stat().st_mtime - 9e6
    lock.write_text("# corrupt\n")
    os.utime(lock, times)


def python_gone(folder, monkeypatch):
    environment.python(folder / ".venv").unlink()


def not_finished(folder, monkeypatch):
    (folder / ".venv" / ".installed").unlink()


@pytest.mark.parametrize("change", [moved, copied, another_hash, python_gone, not_finished])
def test_an_environment_that_is_not_right_is_made_anew(tree, change, monkeypatch):
    folder, made = tree
    change(folder, monkeypatch)
    environment.main(["--any"])
    assert len(made) == 1
    environment.main(["--any"])
    assert len(made) == 1


def test_a_chosen_python_is_insisted_on(tree, monkeypatch):
    _, made = tree
    there = environment.foundation
    monkeypatch.setattr(environment, "foundation", lambda python: "another" if python == sys.executable else there(python))
    environment.main(["--any"])
    assert made == []
    environment.main([])
    assert len(made) == 1


def test_an_environment_on_loan_is_left_alone(tree):
    folder, made = tree
    (folder / ".venv").rename(folder / "other")
    (folder / ".venv").symlink_to(folder / "other", target_is_directory=True)
    (folder / "requirements.lock").write_text("# other\n")
    environment.main([])
    assert made == []
