"""The tables of docs/outputs.md: every column of a run's results, with its type and meaning."""

from importlib import import_module

import yaml

from emofuse.runtime.errors import EmofuseError, listing

BEGIN = "<!-- made from workflow/schemas/outputs.yaml and the code's schemas by make config-docs -->"
END = "<!-- end -->"
FOLDER = "results/<corpus>/"
HEAD = ["| column | type | meaning |", "|---|---|---|"]


def page(root):
    """The text of docs/outputs.md in the project's folder `root`, with the tables between its markers made anew."""
    before, rest = (root / "docs/outputs.md").read_text(encoding="utf-8").split(BEGIN)
    made = "\n".join(line for file in described(root) for line in table(file))
    return f"{before}{BEGIN}\n{made}\n\n{END}{rest.split(END, 1)[1]}"


def described(root):
    """The files of workflow/schemas/outputs.yaml, each {path, holds, columns: {name: (type, meaning)}}.

    Types are those of the code's schema where the file names one. Raises EmofuseError where it has other columns.
    """
    files = yaml.safe_load((root / "workflow/schemas/outputs.yaml").read_text(encoding="utf-8"))
    problems = []
    for file in files:
        columns = file["columns"]
        if "schema" not in file:
            continue
        module, name = file["schema"].rsplit(".", 1)
        schema = getattr(import_module(f"emofuse.{module}"), name)
        if list(columns) != schema.names:
            problems.append(f"{file['path']}: the code's columns are {', '.join(schema.names)}")
        file["columns"] = {field.name: (_plain(field.type), columns.get(field.name)) for field in schema}
    if problems:
        raise EmofuseError("workflow/schemas/outputs.yaml names other columns:\n" + listing(problems))
    return files


def table(file):
    """The lines, in Markdown, of one file of `described`."""
    rows = [f"| `{name}` | `{kind}` | {meaning} |" for name, (kind, meaning) in file["columns"].items()]
    return ["", f"### `{file['path'].removeprefix(FOLDER)}`", "", file["holds"], "", *HEAD, *rows]


def _plain(kind):
    """An Arrow type without the names of what lists hold."""
    return str(kind).replace("element: ", "").replace("item: ", "")
