"""Types and layers: every public name says what it takes and gives, and modules import one way."""

import ast
import inspect
import runpy
from pathlib import Path

import pytest

import lrnnbook as lb

PACKAGE = Path(lb.__file__).parent
# Each imports only from those before it.
LAYERS = """checks updates progress book.claims book.questions book.style adaptive spectra mode_sums powers stein passes
    networks sources losses modes sums arrays forms rules stability flow runs history descent sharing tasks training
    training_flow identify tanh""".split()


def functions(thing):
    """What a reader can call of a public name: a function itself, or a class's public methods and properties."""
    if inspect.isfunction(thing):
        return [thing]
    if not inspect.isclass(thing):
        return []
    members = [member for name, member in vars(thing).items() if not name.startswith("_")]
    members = [member.fget if isinstance(member, property) else getattr(member, "__func__", member) for member in members]
    return [member for member in members if inspect.isfunction(member)]


@pytest.mark.parametrize("name", lb.__all__)
def test_a_public_name_says_what_it_takes_and_gives(name):
    for function in functions(getattr(lb, name)):
        signature = inspect.signature(function)
        given = {name: parameter.annotation for name, parameter in signature.parameters.items() if name not in ("self", "cls")}
        assert inspect.Parameter.empty not in [*given.values(), signature.return_annotation], function.__qualname__


def test_a_program_with_types_runs(capsys):
    runpy.run_path(str(Path(__file__).parent / "typed.py"))
    assert capsys.readouterr().out.startswith("Claim 7 holds")


def test_every_public_name_is_in_the_program_with_types():
    program = (Path(__file__).parent / "typed.py").read_text(encoding="utf-8")
    assert [name for name in lb.__all__ if f"lb.{name}" not in program] == []


def test_no_module_is_longer_than_400_lines():
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_modules_import_only_from_the_layers_below():
    modules = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
    assert set(modules) - {"__init__", "book.__init__"} == set(LAYERS), "each has its place in LAYERS"
    for place, module in enumerate(LAYERS):
        tree = ast.parse(modules[module].read_text(encoding="utf-8"))
        own = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
        folder = module.rpartition(".")[0]
        assert {f"{folder}.{node.module}".lstrip(".") for node in own} <= set(LAYERS[:place]), module
        assert all(node.level == 1 for node in own) and own == [node for node in tree.body if node in own], module
