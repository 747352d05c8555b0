"""The rooms of the house: each imports only from those below it, takes only what is offered, can be read at a sitting, and is on the map."""

import ast
import importlib
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
         for package in ("autograd_core", "nn") for path in sorted((ROOT / package).rglob("*.py"))}  # fmt: skip
CONVENIENCE = {("nn.history", "nn.plot")}      # History.plot() draws itself; nothing else of a history knows of pictures


class Imports(ast.NodeVisitor):
    """What a module takes from its own package, wherever it does so; what is for type checkers alone does not count."""

    def __init__(self, module):
        self.package = module if FILES[module].stem == "__init__" else module.rpartition(".")[0]
        self.found = []                        # (module, name in it or None)
        self.visit(ast.parse(FILES[module].read_text(encoding="utf-8")))

    def visit_If(self, node):
        branches = node.orelse if "TYPE_CHECKING" in ast.unparse(node.test) else [*node.body, *node.orelse]
        for statement in branches:
            self.visit(statement)

    def visit_Import(self, node):
        self.found += [(alias.name, None) for alias in node.names if alias.name in FILES]

    def visit_ImportFrom(self, node):
        base = ".".join(self.package.split(".")[: len(self.package.split(".")) - node.level + 1]) if node.level else ""
        source = ".".join(filter(None, (base, node.module)))
        for alias in node.names:
            inside = f"{source}.{alias.name}"
            self.found += [(inside, None)] if inside in FILES else [(source, alias.name)] if source in FILES else []


IMPORTS = {module: Imports(module).found for module in FILES}


def test_no_import_goes_up_or_round():
    """Also not those inside of functions, which would only hide it."""
    graph = {module: {source for source, _ in found if (module, source) not in CONVENIENCE} for module, found in IMPORTS.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(FILES)


def test_a_cycle_would_be_found():
    with pytest.raises(ValueError, match="cycle"):
        TopologicalSorter({"value": {"record"}, "record": {"node"}, "node": {"value"}}).prepare()
    assert ("autograd_core.node", "Node") in IMPORTS["autograd_core.record"]
    assert ("autograd_core.value", "Value") in IMPORTS["autograd_core.__main__"], "an import inside of a function counts"


@pytest.mark.parametrize("module", FILES)
def test_a_module_takes_what_others_offer(module):
    for source, name in IMPORTS[module]:
        if name not in (None, "*", "__all__"):
            assert name in importlib.import_module(source).__all__, f"{source}.{name}"


@pytest.mark.parametrize("module", FILES)
def test_a_module_says_what_it_is_for_and_what_it_offers_in_a_bearable_length(module):
    text = FILES[module].read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert text.count("\n") <= 400
    if not module.endswith("__main__"):
        offered = importlib.import_module(module)
        assert all(hasattr(offered, name) for name in offered.__all__)


def test_every_room_is_on_the_map():
    """The README's table names every module of the engine, or the folder that it is in."""
    told = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Where things are")[2].partition("\n## ")[0]
    named = re.findall(r"`(\w+(?:\.py|/))`", told)
    there = [path.name if path.is_file() else f"{path.name}/" for path in (ROOT / "autograd_core").iterdir() if not path.name.startswith("_")]
    assert sorted(named) == sorted([*(name for name in there if not name.endswith((".typed", ".pyi"))), "autograd_core/", "nn/"])
