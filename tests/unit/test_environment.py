"""The pinned environment: one set of versions, whether installed by pip or by conda."""

import ast
import os
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def lock():
    """Name -> version of every pin in the lock."""
    lines = (ROOT / "envs/requirements.lock").read_text().splitlines()
    pins = [line.split(";")[0].strip().split("==") for line in lines if line and not line.startswith("#")]
    assert all(len(pin) == 2 for pin in pins)
    return {name.lower(): version for name, version in pins}


def test_conda_file_has_the_pins_of_the_lock():
    dependencies = yaml.safe_load((ROOT / "envs/emofuse.yaml").read_text())["dependencies"]
    direct = dict(pin.split("==") for pin in dependencies[-1]["pip"])
    assert len(direct) > 20
    assert {name: lock().get(name.lower()) for name in direct} == direct
    assert "python=3.11" in dependencies


def test_the_compiled_part_of_torchaudio_is_removed_with_pip_and_with_conda(tmp_path):
    """It would fail at import beside a torch for another CUDA."""
    library = tmp_path / "lib/python3.11/site-packages/torchaudio/lib/libtorchaudio.so"
    library.parent.mkdir(parents=True)
    library.touch()
    script = ROOT / "envs/emofuse.post-deploy.sh"
    subprocess.run(["sh", script], env={**os.environ, "CONDA_PREFIX": str(tmp_path)}, check=True)
    assert not library.exists()
    assert "\trm -f .venv/lib/python3.11/site-packages/torchaudio/lib/*.so\n" in (ROOT / "Makefile").read_text()


def test_everything_imported_is_pinned():
    """Each third-party import of the package is a direct dependency; opensmile is the user's to install."""
    known = {"sklearn": "scikit-learn", "yaml": "pyyaml", "PIL": "pillow"}
    standard = set(__import__("sys").stdlib_module_names) | {"emofuse"}
    imports = set()
    for path in (ROOT / "workflow/scripts").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imports |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imports.add(node.module.split(".")[0])
    direct = yaml.safe_load((ROOT / "envs/emofuse.yaml").read_text())["dependencies"][-1]["pip"]
    names = {pin.split("==")[0].lower() for pin in direct}
    assert {known.get(name, name).lower() for name in imports - standard} - names == {"opensmile"}
