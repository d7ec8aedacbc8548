"""The files of tables: found without importing anything heavy, and refused where their constants are not as they are to be."""

import subprocess
import sys

import pytest
from report_run import NAMED

from emofuse.report.outputs import PAPER_TABLES, in_order, table_files, table_names, table_title
from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError

EVERY = ["text", "audio", "video"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(kinds, "PACKAGE", tmp_path)
    (tmp_path / "report/tables").mkdir(parents=True)
    return tmp_path / "report/tables"


def test_names_in_reading_order():
    measured = [
        "intervals",
        "comparisons",
        "breakdown",
        "speakers",
        "subsets",
        "missing",
        "calibration",
        "ceiling",
        "spread",
    ]
    assert table_names(EVERY, EVERY) == ["headline", *PAPER_TABLES, *measured]
    assert table_names(EVERY, ["video"], fold=True) == ["headline", "table3", "table4", "table5", "table6", "table7"]
    assert table_names(["audio"], fold=True) == ["headline", "table4", "table7"]
    assert table_names(["audio"], systems={"one": NAMED["text-both"]})[4] == "named"
    assert table_names(["audio"], systems=NAMED)[4:6] == ["named", "contexts"]
    assert table_names(["audio"], fold=True, systems=NAMED) == ["headline", "table4", "table7"]
    assert [table_title(name) for name in ("table6", "headline")] == ["Table 6", "What beats what"]


def test_what_the_snakefile_asks_loads_nothing_heavy():
    code = (
        "import sys; sys.path.insert(0, 'workflow/scripts'); from emofuse.report import outputs;"
        " assert outputs.table_names(['text'], ['text']);"
        " print(*{'pandas', 'numpy', 'torch', 'sklearn', 'matplotlib', 'jinja2'} & set(sys.modules))"
    )
    root = kinds.PACKAGE.parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        (
            'TABLES = {"mine": "Mine"}\nNEEDS = ("fusion", "luck")',
            "report/tables/mine.py needs luck; .*: fusion, folds, ",
        ),
        ('TABLES = {"mine": "Mine"}\nNEEDS = ("fusion")', "report/tables/mine.py needs f, "),
        ('TABLES = {"mine": "Mine"}', "mine.py has no literal constant"),
        ('TABLES = dict(mine="Mine")\nNEEDS = ()', "mine.py has no literal constant"),
        ('TABLES = {"protocols": "Mine"}\nNEEDS = ()', "mine.py makes protocols, a table that there is already"),
        ('TABLES = {"other": "Mine"}\nNEEDS = ()', "other.py makes other, a table that there is already"),
    ],
)
def test_odd_constants_are_refused(folder, constants, message):
    (folder / "other.py").write_text('TABLES = {"other": "Other"}\nNEEDS = ("comparison",)\n')
    assert list(table_files()) == ["other"]
    assert table_names(EVERY) == [] and table_names(EVERY, ["audio"]) == ["other"]
    kinds._read.cache_clear()
    (folder / "mine.py").write_text(constants)
    with pytest.raises(EmofuseError, match=message):
        table_names(EVERY)


def test_unknown_names_show_as_themselves_after_the_known():
    titles = {"svm": "SVM", "mlp": "two-layer network", "xgboost": "XGBoost"}
    shown = in_order(titles, ["forest", "", "mlp", "svm"])
    assert list(shown.items()) == [("svm", "SVM"), ("mlp", "two-layer network"), ("forest", "forest")]
