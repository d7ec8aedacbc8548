"""The tables of a run: each file here makes one, or a few alike, and a file more is a table more, in all runs and reports.

A file has PLACE, its place in the reading order; TABLES, {name: title in the report}; NEEDS, those of `outputs.NEEDS` without
which its tables are not made; and make(name, sources), which returns the `table.Table` of a name, from `sources.Sources`.
The constants are literals, for they are read and not run (`runtime.kinds`). A file that begins with `_` makes no table.
"""
