"""Make parity.json: what ACRO says, cell by cell, of tables over data sets that statsmodels carries.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python make.py

Beside each cell stands what a host would witness while it computes the cell (rows, sum, two largest values, negatives), taken
straight from the data and not from ACRO. `testnet corpus` rebuilds that evidence and compares its own verdicts with ACRO's.
"""

import json
import logging
import os
import tempfile
import warnings
from importlib.metadata import version
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm

logging.disable(logging.CRITICAL)
warnings.filterwarnings("ignore")
from acro import ACRO  # noqa: E402  (its logger is silenced first)

HERE = Path(__file__).resolve().parent
RULES = {
    "MinimumThresholdCheck": "threshold",
    "NKCheck": "nk",
    "PPercentCheck": "p_ratio",
    "PresenceOfZeroCheck": "zero",
    "MinimumDoFCheck": "dof",
}


def banded(series, edges):
    """The number of the band of each value, as text."""
    return pd.cut(series, edges, labels=[f"b{n}" for n in range(len(edges) - 1)]).astype(str)


def datasets():
    """Name, frame, and which columns are keys, figures that are never negative, and figures that may be."""
    fair = sm.datasets.fair.load_pandas().data
    yield "fair", fair, ["rate_marriage", "religious", "occupation", "children", "educ"], ["affairs", "yrs_married"], []
    rand = sm.datasets.randhie.load_pandas().data.iloc[:6000].copy()
    rand["cohort"] = banded(rand["disea"], [-1, 5, 8, 11, 14, 18, 25, 60])
    rand["plan"] = banded(rand["lncoins"], [-1, 0.5, 3.3, 4.0, 5])
    rand["income"] = banded(rand["lpi"], [-1, 2, 5, 6.6, 8])
    yield "randhie", rand, ["cohort", "plan", "income", "hlthp", "hlthf"], ["mdvis", "fmde"], []
    vote = sm.datasets.anes96.load_pandas().data
    vote["money"] = banded(vote["income"], [0, 4, 10, 16, 20, 24])
    yield "anes96", vote, ["TVnews", "PID", "educ", "selfLR", "money"], ["popul"], ["logpopul"]
    deaths = sm.datasets.cancer.load_pandas().data
    deaths["size"] = banded(deaths["population"], [0, 2000, 6000, 20000, 10**9])
    deaths["burden"] = banded(deaths["cancer"], [-1, 5, 20, 60, 10**6])
    yield "cancer", deaths, ["size", "burden"], ["cancer", "population"], []


def witnessed(frame, index, columns, values):
    """What a host sees of each cell that has a row, by its place in the table that pandas prints."""
    rows = sorted(frame[index].unique())
    cols = sorted(frame[columns].unique())
    cells = []
    for (row, col), group in frame.groupby([index, columns]):
        cell = {"row": rows.index(row), "column": cols.index(col), "rows": len(group)}
        if values is not None:
            x = group[values].astype(float)
            largest = x.nlargest(2).tolist() + [0.0]
            cell |= {
                "sum": round(float(x.sum()), 9),
                "largest": round(largest[0], 9),
                "second": round(largest[1], 9) if len(x) > 1 else 0.0,
                "negatives": int((x < 0).sum()),
            }
        cells.append(cell)
    return [len(rows), len(cols)], cells


def last(acro):
    return list(acro.results.results.values())[-1]


def tables(acro):
    for name, frame, keys, figures, signed in datasets():
        for index, columns in combinations(keys, 2):
            asked = [(None, None)]
            asked += [(values, how) for values in figures for how in ("sum", "mean")]
            asked += [(values, "mean") for values in signed]
            for values, how in asked:
                series = None if values is None else frame[values].astype(float)
                acro.crosstab(frame[index], frame[columns], values=series, aggfunc=how)
                result = last(acro)
                shape, cells = witnessed(frame, index, columns, values)
                said = {}
                for check, marked in result.sdc["cells"].items():
                    if check in RULES:
                        said[RULES[check]] = {
                            "verdict": result.fair["check_status"][check],
                            "cells": [[int(place) for place in cell] for cell in marked],
                        }
                yield {
                    "name": f"{name}: {how or 'count'} of {values or 'rows'} by {index} and {columns}".lower(),
                    "measure": how or "count",
                    "shape": shape,
                    "cells": cells,
                    "acro": said,
                }


def regressions(acro):
    """Fits with few and many residual degrees of freedom, on both sides of ACRO's bound."""
    for name, frame, x in [
        ("longley", sm.datasets.longley.load_pandas().data, ["GNP", "UNEMP", "ARMED", "POP", "YEAR"]),
        ("stackloss", sm.datasets.stackloss.load_pandas().data, ["AIRFLOW", "WATERTEMP", "ACIDCONC"]),
        ("spector", sm.datasets.spector.load_pandas().data, ["GPA", "TUCE", "PSI"]),
        ("fair", sm.datasets.fair.load_pandas().data, ["age", "children", "educ", "religious"]),
    ]:
        y = {"longley": "TOTEMP", "stackloss": "STACKLOSS", "spector": "GRADE", "fair": "affairs"}[name]
        for count in range(1, len(x) + 1):
            for rows in sorted({len(frame), min(len(frame), count + 10), min(len(frame), count + 11), count + 6}):
                part = frame.iloc[:rows]
                acro.ols(part[y], sm.add_constant(part[x[:count]], has_constant="add"))
                result = last(acro)
                yield {
                    "name": f"{name}: {y} on {count} columns, {rows} rows".lower(),
                    "rows": rows,
                    "degrees_of_freedom": int(result.properties["dof"]),
                    "fails": result.status == "fail",
                }


def main():
    np.random.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        acro = ACRO(suppress=False)
        made = {
            "acro": version("acro"),
            "tables": list(tables(acro)),
            "regressions": list(regressions(acro)),
        }
    lines = ["{", f'"acro": {json.dumps(made["acro"])},']
    for part in ("tables", "regressions"):
        rows = ",\n".join(json.dumps(one, separators=(",", ":")) for one in made[part])
        lines.append(f'"{part}": [\n{rows}\n]' + ("," if part == "tables" else ""))
    (HERE / "parity.json").write_text("\n".join(lines + ["}\n"]))
    print(len(made["tables"]), "tables,", sum(len(t["cells"]) for t in made["tables"]), "cells,",
          len(made["regressions"]), "regressions")


if __name__ == "__main__":
    main()
