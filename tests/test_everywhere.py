"""The tool behind `make everywhere`, on notebooks of a few cells."""

import subprocess
import sys

import everywhere
import nbformat
import numpy as np
import pytest
import variations
from everywhere import Store, findings, load, margins
from jitter import disturbed
from notebooks import EXACT
from outputs import broken, differing, texts
from variations import Variation

# The variable is read by nothing on another processor, but the kernel is told of it everywhere.
KERNEL = Variation("Nehalem", {"OPENBLAS_CORETYPE": "Nehalem"})
JITTER = Variation("jitter-1", {}, 1)
START = """import os
import lrnnbook as lb
net, none = lb.LinearRNN([[1.0]], [[0.0]], [[1.0]]), lb.LinearRNN([[0.0]], [[0.0]], [[0.0]])"""


def write(path, *cells):
    """A notebook with these pairs of code and committed output; a third entry is why the digits cancel."""
    notebook = nbformat.v4.new_notebook()
    for source, output, *reason in cells:
        outputs = [nbformat.v4.new_output("stream", name="stdout", text=output)] if output else []
        metadata = {EXACT: reason[0]} if reason else {}
        notebook.cells.append(nbformat.v4.new_code_cell(source, outputs=outputs, metadata=metadata))
    nbformat.write(notebook, path)
    return path


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    """A number in all its digits; the same, marked; in fewer digits; what a kernel changes, marked; two claims, one false."""
    digits = "print(repr(lb.loss(net, none)))"
    exact = "np.float64(0.5)\n"
    return write(
        tmp_path_factory.mktemp("chapters") / "01_one.ipynb",
        (START, ""),
        (digits, exact),
        (digits, exact, "half of one"),
        ("print(f'{lb.loss(net, none):.6f}')", "0.500000\n"),
        ("print(os.environ.get('OPENBLAS_CORETYPE'))", "None\n", "not a number at all"),
        ("lb.claim(1, 'a loss', lb.loss(net, none), at_most=0.1)", ""),
        ("lb.claim(2, 'a loss', lb.loss(net, none), at_most=0.7)", ""),
    )


@pytest.fixture(scope="module")
def run(chapter, tmp_path_factory):
    """What comes out of it, and where it is kept."""
    folder = tmp_path_factory.mktemp("store")
    return everywhere.everywhere([load(chapter)], [KERNEL, JITTER], Store(folder)), folder


@pytest.fixture(scope="module")
def found(chapter, run):
    """What is not as committed: `{variation: {cell: lines}}`."""
    results = {variation.name: (variation, run[0]["01_one", variation.name]) for variation in (KERNEL, JITTER)}
    return {name: {number: lines for number, _, lines in findings(load(chapter), *of)} for name, of in results.items()}


def test_a_digit_that_the_jitter_changes_is_named(found):
    before, after = found["jitter-1"][2]
    assert before == "- np.float64(0.5)"
    value = float(after.removeprefix("+ np.float64(").removesuffix(")"))
    assert 0 < abs(value / 0.5 - 1) < 2e-15


def test_a_cell_of_exact_cancellation_is_spared_the_jitter_alone(found):
    assert 3 not in found["jitter-1"] and 5 not in found["jitter-1"]
    assert found["Nehalem"][5] == ["- None", "+ Nehalem"]


def test_digits_that_stand_are_not_named(found):
    assert all(4 not in cells for cells in found.values())


def test_a_claim_out_of_its_bounds_is_found_and_does_not_stop_the_chapter(found, run):
    for cells in found.values():
        assert "claim 1: a loss: measured 0.5" in cells[6][0] and "{'at_most': 0.1}" in cells[6][0]
    assert margins(run[0]) == ["01_one, claim 2, a loss, at most 0.7: 0.5 to 0.5"]


def test_a_number_out_of_bounds_is_named_whatever_the_text_says(tmp_path):
    path = write(tmp_path / "02_two.ipynb", ("claim()", "holds\n"))
    claim = {"number": 3, "what": "a number", "measured": 2.0, "at_least": 0.0, "at_most": 1.0}
    assert broken(claim) and not broken(claim | {"measured": 1.0}) and broken(claim | {"measured": -0.1})
    result = {"texts": [[["stdout", "holds\n"]]], "claims": [[claim]]}
    ((number, source, lines),) = findings(load(path), KERNEL, result)
    assert (number, source) == (1, "claim()") and "'measured': 2.0" in lines[0]


def test_it_resumes_until_the_chapter_changes(run, chapter, monkeypatch, capsys):
    def submit(*_):
        raise AssertionError("executed again")

    monkeypatch.setattr(everywhere.ProcessPoolExecutor, "submit", submit)
    assert everywhere.everywhere([load(chapter)], [KERNEL, JITTER], Store(run[1])) == run[0]
    assert "2 of 2 executions are kept" in capsys.readouterr().out
    changed = load(chapter)
    changed.notebook.cells[-1].source += "  # a comment"
    with pytest.raises(AssertionError, match="executed again"):
        everywhere.everywhere([changed], [JITTER], Store(run[1]))


@pytest.mark.parametrize("file", ["lrnnbook/rules.py", "requirements.lock"])
def test_nothing_is_kept_when_the_package_changes(run, chapter, file, monkeypatch):
    read = everywhere.Path.read_text
    monkeypatch.setattr(everywhere.Path, "read_text", lambda path, **how: read(path, **how) + "\n" * path.match(file))
    assert Store(run[1]).get(load(chapter), JITTER) is None
    monkeypatch.undo()
    assert Store(run[1]).get(load(chapter), JITTER)


def test_a_kernel_that_dies_is_named(tmp_path):
    chapter = load(write(tmp_path / "03_three.ipynb", ("import os\nos._exit(1)", "")))
    results = everywhere.everywhere([chapter], [KERNEL], Store(tmp_path / "store"))
    ((number, why, lines),) = findings(chapter, KERNEL, results["03_three", "Nehalem"])
    assert number == 0 and "died" in why and not lines
    assert not (tmp_path / "store").exists(), "a failure is kept"


def test_texts_are_those_that_nbval_compares():
    outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="a\n"),
        nbformat.v4.new_output("display_data", data={"text/plain": "<Figure>", "image/png": "bytes"}),
        nbformat.v4.new_output("stream", name="stdout", text="b\n"),
        nbformat.v4.new_output("error", ename="ValueError", evalue="no", traceback=["long"]),
    ]
    said = texts(nbformat.v4.new_code_cell("x", outputs=outputs))
    assert said == [["error", "ValueError: no\n"], ["stdout", "a\nb\n"], ["text/plain", "<Figure>\n"]]
    assert differing(said, said) == []
    assert differing([["stdout", "1\n--2\n\n"]], [["stdout", "1\n3\n\n"]]) == ["- --2", "+ 3"]
    assert differing([["stdout", "1\n"]], [["stdout", "1\n"], ["stderr", "a warning\n"]]) == ["+ a warning"]


# The variations


def test_a_kernel_is_named_once():
    told = {"old": ("Older",), "older": ("Older",), "same": ("Older",), "none": None, "new": ("New",)}
    assert variations.kernels(told, told.get) == ["older", "new"]


def test_kernels_of_this_machine_are_told_apart_by_openblas():
    told = {}
    names = ["Nonsense", "Prescott", "Haswell", "armv8"]
    found = variations.kernels(names, lambda name: told.setdefault(name, variations.core(name)))
    assert told["Nonsense"] is None
    assert {told[name] for name in found} == set(told.values()) - {None}
    assert len({told[name] for name in found}) == len(found)


def test_simd_is_switched_off_by_the_names_that_numpy_gives():
    child = variations.run(variations.FOUND, NPY_DISABLE_CPU_FEATURES=" ".join(variations.simd()))
    assert (child.stdout.strip(), child.stderr, child.returncode) == ("", "", 0)


def test_variations_are_chosen_by_name():
    assert variations.chosen(["jitter-1", "oldest"], [KERNEL, JITTER]) == [JITTER, KERNEL]
    assert variations.chosen(["oldest"], [JITTER]) == []
    with pytest.raises(ValueError, match="expected some of jitter-1, or oldest, got Prescott"):
        variations.chosen(["Prescott"], [JITTER])


def test_chapters_are_chosen_by_number_name_or_path():
    (path,) = everywhere.chosen_paths(["1"])
    assert path.name.startswith("01_") and everywhere.chosen_paths([path.stem, str(path)]) == [path, path]
    assert len(everywhere.chosen_paths([])) > 10
    with pytest.raises(ValueError, match="expected a number or a notebook, got 99"):
        everywhere.chosen_paths(["99"])


# The jitter, in a process of its own

DISTURBED = """
import runpy, sys
import numpy as np
import lrnnbook as lb
from lrnnbook import losses, training
rng = np.random.default_rng(0)
student, teacher = (lb.LinearRNN(*(0.3 * rng.normal(size=(10, *shape)) for shape in [(2, 3), (3, 3), (3, 2)])) for _ in range(2))
x, y = rng.normal(size=(4, 6, 2)), rng.normal(size=(4, 2))
R = rng.normal(size=(2, 3))
mode, target = lb.Mode(0.5, 0.7, rng.uniform(size=10)), lb.Mode(1.0, 1.0, 0.8)
def numbers():
    yield "loss", [losses.loss(student, teacher), lb.loss(student, teacher, 5), lb.mode_loss(mode, target)]
    for rule, scalar in [(lb.BPTT(), lb.BPTT()), (lb.TruncatedBPTT(2),) * 2, (lb.RFLO(R, 0.5), lb.RFLO(1.0, 0.5)),
                         (lb.EProp(R), lb.EProp(1.0))]:
        kind = type(rule).__name__
        yield kind, [*rule.update(student, teacher), *rule.update(student, teacher, 5), *rule.sampled_update(student, x, y),
                     *scalar.mode_update(mode, target)]
        yield kind + " trained", [lb.train(rule, student, teacher, 0.01, 3).losses]
        flow = lb.train_flow(rule, student, teacher, [0.0, 0.1])
        yield kind + " flow", [flow.student.A, flow.student.W, flow.student.B]
        yield kind + " integrated", [lb.integrate(scalar, mode, target, [0.0, 0.1]).w[:, 1:]]
before = dict(numbers())
runpy.run_path(sys.argv[1])["start"](1)
for name, after in numbers():
    moved = [np.abs(np.asarray(a) / b - 1).max() for a, b in zip(after, before[name])]
    assert 0 < min(moved) and max(moved) < 1e-13, (name, moved)
"""


def test_the_jitter_moves_every_number_of_the_package_a_little():
    run = subprocess.run([sys.executable, "-c", DISTURBED, str(everywhere.JITTER)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_the_jitter_is_one_to_four_units_in_the_last_place_by_its_seed():
    first, again, other = (disturbed(np.ones(10_000), np.random.default_rng(seed)) - 1 for seed in (1, 1, 2))
    units = first / np.finfo(float).eps
    assert (1, 4) == (abs(units).min(), abs(units).max()) and abs(units.mean()) < 0.1
    assert (first == again).all() and (first != other).any()
    assert disturbed((1, "a", 0.0), np.random.default_rng(0)) == (1, "a", 0.0)
