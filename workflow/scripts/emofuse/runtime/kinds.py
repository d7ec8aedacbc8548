"""Finds the things of one kind, such as the classifiers: a folder of the package holds a file for each, and no list of them."""

import ast
import pkgutil
from functools import cache
from importlib import import_module
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def constants(kind):
    """{name: {constant: value}} of the files in the folder `kind` ('fusion/classifiers'), by their constant PLACE, then name.

    Constants are the literals that a file assigns to names in capitals. They are read, not run: the Snakefile asks for them,
    and its parsing shall import nothing heavy.
    """
    return _read(PACKAGE / kind)


@cache
def _read(folder):
    names = [module.name for module in pkgutil.iter_modules([str(folder)]) if not module.name.startswith("_")]
    found = {name: _literals((folder / f"{name}.py").read_text(encoding="utf-8")) for name in names}
    return dict(sorted(found.items(), key=lambda item: (item[1].get("PLACE", 100), item[0])))


def defines(kind, name, function):
    """Whether the file of one of them has a function of this name. It is read, not run."""
    code = (PACKAGE / kind / f"{name}.py").read_text(encoding="utf-8")
    return any(isinstance(node, ast.FunctionDef) and node.name == function for node in ast.parse(code).body)


def load(kind, name):
    """The module of one of them."""
    return import_module(f"emofuse.{kind.replace('/', '.')}.{name}")


def code(kind, names):
    """Those of them as code that a fingerprint is asked of: paths without ending, from the folder of the scripts."""
    return [f"{PACKAGE.name}/{kind}/{name}" for name in names]


def _literals(code):
    found = {}
    for node in ast.parse(code).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue  # made by an expression: for the module alone
    return found
