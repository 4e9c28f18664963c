"""The tool behind `make mutants`, on a package of a few lines."""

import mutants
import pytest
from mutants import Mutant, Store, Trials, every_mutant, sample

SOURCE = """'A text that - is + no < code.'

def floored(x: float, low=0):
    if low < 0:
        raise ValueError(f"low: expected at least {0}")
    return max(x, low)
"""
TEST = """from lrnnbook.small import floored

def test_floored():
    assert [floored(-1), floored(1), floored(1, 2)] == [0, 1, 2]
"""


def written(mutant):
    return mutant.before, mutant.after


def texts(source):
    return {text for text in map(written, mutants.mutants("file.py", source))}


@pytest.mark.parametrize(
    "source, before, after",
    [
        ("a < b", "a < b", "a <= b"),
        ("a == b", "a == b", "a != b"),
        ("a is None", "a is None", "a is not None"),
        ("a + b", "a + b", "a - b"),
        ("a *= b", "a *= b", "a /= b"),
        ("-a", "-a", "a"),
        ("x = 3", "3", "4"),
        ("x = 0.5", "0.5", "1.0"),
        ("x = True", "True", "False"),
        ("a and b", "a and b", "a or b"),
        ("a and b", "a and b", "b"),
        ("def f(x=1): x", "1", "0"),
        ("f(x, k=y)", "f(x, k=y)", "f(x)"),
        ("y = f(x)", "f(x)", "x"),
        ("f()", "f()", "pass"),
        ("y = f(x).max()", "f(x).max()", "f(x)"),
        ("y = x.mT", "x.mT", "x"),
        ("if a: b", "a", "not a"),
        ("y = a if b else c", "a if b else c", "c if b else a"),
        ("if a: raise E", "raise E", "pass"),
    ],
)
def test_each_kind_of_fault_is_put_in(source, before, after):
    assert (before, after) in texts(source)


def test_texts_messages_and_annotations_are_left_alone():
    found = mutants.mutants("small.py", SOURCE)
    assert {mutant.line for mutant in found} == {3, 4, 5, 6}
    assert [mutant.after for mutant in found if mutant.line == 5] == ["pass"]
    assert not any("float" in mutant.before for mutant in found)


def test_a_mutant_differs_from_its_file_in_one_place():
    source = "x = 'é'; y = f(\n    a,\n    b + 1,\n)\n"
    (mutant,) = (mutant for mutant in mutants.mutants("file.py", source) if mutant.after == "b - 1")
    assert mutant.text == source.replace("b + 1", "(b - 1)")
    assert mutant.line == 3


def test_every_mutant_of_the_package_is_a_program():
    for mutant in sample(every_mutant(), 60, 0):
        compile(mutant.text, mutant.path, "exec", dont_inherit=True)


def test_a_larger_sample_holds_the_smaller_one():
    every = mutants.mutants("small.py", SOURCE)
    assert sample(every, 8, 1)[:4] == sample(every, 4, 1) != sample(every, 4, 2)
    assert len(sample(every, 10**6, 1)) == len(set(every)) == len(every)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = tmp_path_factory.mktemp("tree")
    for folder in ("lrnnbook", "tests", "tools"):
        (tree / folder).mkdir()
    (tree / "lrnnbook" / "__init__.py").write_text("")
    (tree / "lrnnbook" / "small.py").write_text(SOURCE)
    (tree / "tests" / "test_small.py").write_text(TEST)
    (tree / "pytest.ini").write_text("[pytest]\naddopts = --doctest-modules")
    return tree


@pytest.fixture(autouse=True)
def light(monkeypatch):
    monkeypatch.setattr(mutants, "HEAVY", ["pytest"])


def test_the_share_that_is_killed_and_each_that_lived(tree, capsys):
    before = (tree / "lrnnbook" / "small.py").read_bytes()
    mutants.main(["--sample", "1000"], tree)
    said = capsys.readouterr().out
    count = len(every_mutant(tree))
    lived = said.partition("These lived:\n")[2].splitlines()
    # The tests hand in nothing below 0.
    assert "lrnnbook/small.py:4: 0  ->  -1  in  if low < 0:" in lived
    assert 'lrnnbook/small.py:5: raise ValueError(f"low: expected at least {0}")  ->  pass' in lived
    assert [line for line in lived if ":4:" not in line and ":5:" not in line] == []
    assert not any("low <= 0" in line for line in lived)
    assert f"\n{count - len(lived)} of {count} killed." in said
    assert (tree / "lrnnbook" / "small.py").read_bytes() == before
    mutants.main(["--sample", "1000"], tree)
    assert capsys.readouterr().out == f"{count} mutants, {count} of them known from before\n\n" + said.partition("\n\n")[2]


def test_those_without_effect_are_counted_apart(tree, capsys):
    mutants.main(["--sample", "1000"], tree)
    lived = capsys.readouterr().out.partition("These lived:\n")[2].splitlines()
    file = tree / "tools" / "without_effect.txt"
    file.write_text("lrnnbook/small.py: 0  ->  -1  in  if low < 0:\n    Nobody asks for a floor between the two.\n")
    mutants.main(["--sample", "1000"], tree)
    count, said = len(every_mutant(tree)), capsys.readouterr().out
    assert f"1 of {count} change nothing that is promised" in said
    assert f"\n{count - len(lived)} of {count - 1} killed." in said
    assert said.partition("These lived:\n")[2].splitlines() == [line for line in lived if ": 0  ->  -1  in" not in line]
    file.write_text("lrnnbook/small.py: 0  ->  -1  in  if low < 0:\n")
    with pytest.raises(SystemExit, match="expected a reason below each mutant, got none below"):
        mutants.main(["--sample", "1000"], tree)
    file.unlink()


def test_what_lived_is_tried_again_when_a_test_changes(tree, tmp_path):
    killed, lived = (Mutant("lrnnbook/small.py", 1, "", after, after) for after in ("one", "two"))
    store = Store(tmp_path, tree)
    store.put(killed, "tests/test_small.py::test_floored")
    store.put(lived, None)
    assert Store(tmp_path, tree).get(lived)["killed_by"] is None
    (tree / "tests" / "test_more.py").write_text("def test_more():\n    pass\n")
    assert Store(tmp_path, tree).get(lived) is None
    assert Store(tmp_path, tree).get(killed)["killed_by"] == "tests/test_small.py::test_floored"


def test_a_mutant_that_does_not_end_is_killed(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "GRACE", 3)
    tester = Trials(tree, tmp_path, ["tests/test_small.py"], float("inf"))
    tester.seconds = {"tests/test_small.py::test_floored": 0.01}
    assert tester.killer(Mutant("lrnnbook/small.py", 1, "", "", "while True: pass")) == "no end"


def test_surroundings_that_fail_kill_no_mutant(tree, tmp_path):
    tester = Trials(tree, tmp_path, ["tests/test_small.py"], float("inf"))
    (tmp_path / "tests" / "test_small.py").write_text("import a_module_that_is_gone")
    with pytest.raises(SystemExit, match="no longer run without a mutant"):
        tester.killer(Mutant("lrnnbook/small.py", 1, "", "", SOURCE))
