"""Runs every query of docs/queries.sql over made-up runs of three kinds and compares the figures with summary.json.

queries.py COPYCOST SYNTHETIC_RUN DIRECTORY; DuckDB must be importable.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

import duckdb

copycost, synthetic_run, directory = (os.path.abspath(path) for path in sys.argv[1:])
sql = pathlib.Path(__file__).parent.parent.joinpath("docs/queries.sql").read_text()

# Two machines; one of them before and after another kernel.
os.makedirs(os.path.join(directory, "copycost-runs"))
os.chdir(directory)
summaries = {}
for seed, (run, rounds, *host) in enumerate([
    ("1-alpha", 12, "alpha", "6.1.0"),
    ("2-beta", 20, "beta", "6.12.0"),
    ("3-alpha", 5, "alpha", "6.12.0"),
]):
    path = pathlib.Path("copycost-runs", run)
    subprocess.run([synthetic_run, path, str(rounds), str(seed), *host], check=True)
    subprocess.run([copycost, "report", path], check=True, stdout=subprocess.DEVNULL)
    summaries[run] = json.loads((path / "summary.json").read_text())
os.symlink("3-alpha", "copycost-runs/latest")
with open("all.csv", "w") as table:
    subprocess.run([copycost, "table"], check=True, stdout=table)

estimates = {(run, e["cell"], metric): figure for run, summary in summaries.items()
             for e in summary["estimates"] for metric, figure in e["metrics"].items() if "mean" in figure}
ratios = {(run, r["cell"], r["against"], r["metric"]): r["ratio"] for run, summary in summaries.items()
          for r in summary["ratios"] if "mean" in r["ratio"]}


def same(name, key, row, expected, columns):
    """Each of the columns is what is expected, to five digits of its distance from the mean at the worst."""
    for column, of in columns.items():
        near = abs(row[column] - expected[of]) <= 1e-6 * abs(expected["mean"])
        assert near, f"{name}: {key}: {column} is {row[column]}, and {expected[of]} in summary.json"


def check(name, rows):
    """A row that names a cell and a metric, or two cells, must have the summary's figures."""
    ends = {"low": "low", "high": "high"}
    found = set()
    for row in rows:
        if "value" in row:
            key = (row["run"], row["cell"], row["metric"])
            same(name, key, row, estimates[key], {"value": "mean"} | ends)
            if name == "best-path":
                assert row["value"] >= max(figure["mean"] for (run, cell, metric), figure in estimates.items()
                                           if run == row["run"] and metric == row["metric"]
                                           and re.sub("send=[^ ]* ", "", cell) == re.sub("send=[^ ]* ", "", row["cell"])), row
        elif "ratio" in row and "against" in row:
            key = (row["run"], row["cell"], row["against"], row["metric"])
            same(name, key, row, ratios[key], {"ratio": "mean"} | ends)
        elif "change" in row:
            key = (row["run"], row["cell"])
            after, before = (estimates[run, row["cell"], "goodput_gbps"] for run in (row["run"], row["run_before"]))
            same(name, key, row, {"mean": after["mean"] / before["mean"]}, {"change": "mean"})
            assert row["change_low"] < row["change"] < row["change_high"], row
        elif "least_of" in row:
            key = (row["cell"], row["metric"])
            for run, figure in ((row["least_of"], row["least"]), (row["most_of"], row["most"])):
                assert figure == estimates[run, *key]["mean"], row
        elif "beta" in row:
            place = f"message_bytes={row['message_bytes']} threads={row['threads']}"
            key = ("2-beta", f"send=zerocopy {place}", f"send=sendmsg {place}", "goodput_gbps")
            assert row["beta"] == round(ratios[key]["mean"], 3), row
        else:
            continue
        found.add(key)
    return found


connection = duckdb.connect()
views, *queries = re.split(r"^-- query: (\S+)\n", sql, flags=re.M)
connection.execute(views)
seen = {}
for name, query in zip(queries[::2], queries[1::2]):
    result = connection.execute(query)
    names = [column[0] for column in result.description]
    rows = [dict(zip(names, row)) for row in result.fetchall()]
    assert rows, f"{name}: no row"
    found = check(name, rows)
    seen[name] = found
    if name == "void-trials":
        void = {run: summary["run"]["void_trials"] for run, summary in summaries.items()}
        assert all(void.values()) and void == {
            run: sum(row["void_trials"] for row in rows if row["run"] == run) for run in void}, (void, rows)
    print(f"{name}: {len(rows)} rows, {len(found)} figures as in summary.json")

# Nothing may be missing where a query reckons all of it.
assert seen["levels-from-trials"] == {key for key in estimates if key[2] in ("goodput_gbps", "ends_cpu_ns_per_kib")}
assert seen["ratios-from-trials"] == {key for key in ratios if key[3] == "goodput_gbps"}
assert {run for run, _ in seen["kernel-before-after"]} == {"3-alpha"}
