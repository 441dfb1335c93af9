"""Reckons the levels of a fleet's runs anew with DuckDB and compares them with the rows of `copycost table`.

To be called where ./copycost-runs and ./all.csv are; DuckDB must be importable.
"""

import pathlib
import re

import duckdb

sql = pathlib.Path(__file__).parent.parent.joinpath("docs/queries.sql").read_text()
views, *queries = re.split(r"^-- query: (\S+)\n", sql, flags=re.M)
queries = dict(zip(queries[::2], queries[1::2]))
connection = duckdb.connect()
connection.execute(views)


def rows(query):
    result = connection.execute(query)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row)) for row in result.fetchall()]


runs = {path.name for path in pathlib.Path("copycost-runs").iterdir() if not path.is_symlink()}
metrics = ("goodput_gbps", "ends_cpu_ns_per_kib")
table = {(row["run"], row["cell"], row["metric"]): row
         for row in rows("FROM read_csv('all.csv', sample_size = -1)")
         if row["metric"] in metrics and row["value"] is not None}
assert {run for run, _, _ in table} == runs, (runs, table.keys())
for run in runs:
    labels = {row["label"] for key, row in table.items() if key[0] == run}
    assert len(labels) == 1 and run.endswith("-" + labels.pop()), run

levels = {(row["run"], row["cell"], row["metric"]): row for row in rows(queries["levels-from-trials"])}
assert levels.keys() == table.keys(), levels.keys() ^ table.keys()
for key, level in levels.items():
    for column in ("value", "low", "high"):
        told = table[key][column]
        # A single trial has no interval.
        if level[column] is None or told is None:
            assert level[column] is None and told is None, (key, column, level, table[key])
            continue
        # The quantile of Student's t in SQL is near, and the ends of a wide interval are far from its middle.
        near = abs(level[column] - told) <= 1e-6 * max(abs(level["value"]), abs(told))
        assert near, f"{key}: {column} is {told} in the table, and DuckDB gives {level[column]}"
print(f"{len(runs)} runs in one table, {len(levels)} levels as DuckDB gives them")
