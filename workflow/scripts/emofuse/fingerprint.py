"""Hashes what a script's results depend on: its own code and every module of the package that it imports.

Snakemake does not notice an edited module, and reruns a whole rule for a touched script. So each rule passes
`code=fingerprint(script)` as a param and the profiles leave the `code` trigger out: then editing a module reruns exactly the
jobs whose scripts import it, and touching files, editing comments or docstrings reruns nothing.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

# Modules that say how and where a job is run and how it fails, or only refuse, never what comes out of it: editing a message
# costs no GPU hours. What a download gives has a version of its own (hub.FORMAT).
NEUTRAL = {"disk", "errors", "fitness", "gpus", "hub", "job", "proof"}


@cache
def fingerprint(script):
    """Hash (16 hex digits) of the code of `script` (a path) and of all package modules that it imports, directly or not.

    Comments, docstrings and layout do not count. Templates beside the package (`templates/<module>.*`) count as code of
    the module that they are named after.
    """
    package = Path(__file__).parent
    digest = hashlib.sha256()
    seen, queue = set(), [Path(script)]
    while queue:
        path = queue.pop()
        if path in seen:
            continue
        seen.add(path)
        queue += [package / f"{name}.py" for name in _imports(path) if (package / f"{name}.py").exists()]
    for path in sorted(seen, key=lambda p: p.name):
        digest.update(path.name.encode() + _code(path))
        for template in sorted(package.glob(f"templates/{path.stem}.*")):
            digest.update(template.read_bytes())
    return digest.hexdigest()[:16]


def _imports(path):
    """Names of the package's modules that the file imports."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "emofuse":
                yield from (alias.name for alias in node.names if alias.name not in NEUTRAL)
            elif node.module.startswith("emofuse.") and node.module.split(".")[1] not in NEUTRAL:
                yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("emofuse."))


@cache
def _code(path):
    """The syntax tree of the file without docstrings and positions, as bytes."""
    tree = _tree(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return ast.dump(tree).encode()


@cache
def _tree(path):
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
