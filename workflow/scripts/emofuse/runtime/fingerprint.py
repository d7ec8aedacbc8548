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
NEUTRAL = {
    *("runtime.disk", "runtime.errors", "runtime.gpus", "runtime.job", "runtime.version"),
    *("encoders.fitness", "encoders.hub", "encoders.proof"),
}
PACKAGE = "emofuse"


@cache
def fingerprint(script):
    """Hash (16 hex digits) of the code of `script` (a path) and of all package modules that it imports, directly or not.

    Comments, docstrings and layout do not count. Templates beside a module (`templates/<module>.*`) count as its code.
    """
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    seen, queue = set(), [Path(script)]
    while queue:
        path = queue.pop()
        if path in seen:
            continue
        seen.add(path)
        queue += _imported(path, root)
    for path in sorted(seen, key=lambda path: (path.is_relative_to(root), path)):
        name = path.relative_to(root) if path.is_relative_to(root) else path.name
        digest.update(str(name).encode() + _code(path.read_text(encoding="utf-8")))
        for template in sorted(path.parent.glob(f"templates/{path.stem}.*")):
            digest.update(template.read_bytes())
    return digest.hexdigest()[:16]


def wrong_triggers(triggers):
    """A warning where rerun triggers, names, make Snakemake rerun too much or too little; else None."""
    found, wanted = sorted(triggers), ["input", "mtime", "params", "software-env"]
    if found == wanted:
        return None
    return (
        f"The rerun triggers are [{', '.join(found)}]; emofuse needs [{', '.join(wanted)}]: without params edited code and"
        " settings go unnoticed, and with code each touched script reruns all of its jobs, GPU hours included. Copy"
        " rerun-triggers from profiles/default/config.yaml into your profile."
    )


def _imported(path, root):
    """Paths of the package's modules that a file imports: whole modules and packages, or something out of one."""
    own = path.relative_to(root).parent.parts if path.is_relative_to(root) else ()
    names = set()
    for module, name, level in _imports(path.read_text(encoding="utf-8")):
        if level:
            module = ".".join([PACKAGE, *own[: len(own) - level + 1], *filter(None, [module])])
        names |= {module, f"{module}.{name}"}
    found = []
    for name in names:
        package, *parts = name.split(".")
        if package != PACKAGE:
            continue
        for length in range(len(parts) + 1):  # importing a module runs the packages that it is in
            inner = root.joinpath(*parts[:length])
            paths = [inner / "__init__.py", *([inner.with_suffix(".py")] if length else [])]
            if ".".join(parts[:length]) not in NEUTRAL:
                found += [path for path in paths if path.exists()]
    return found


@cache
def _code(text):
    """The syntax tree of some code without docstrings and positions, as bytes."""
    tree = ast.parse(text)
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
def _imports(text):
    """(module, name, level) of each import in some code: `import module` has no name, and level 0."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [(alias.name, "", 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.module or "", alias.name, node.level) for alias in node.names]
    return found
