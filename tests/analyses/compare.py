"""Federated analyses against the pooled ones of numpy, scipy, statsmodels, lifelines and scikit-learn.

Real data sets are divided over three TREs in three ways (evenly, very unevenly, and so that every TRE has levels that the others lack). Every
task runs through the real sandbox, the real disclosure rules and the real aggregation (`testnet analyse`); every figure has to agree with the
other package's answer on the pooled data to 1e-6, relatively, and quantiles have to lie within their stated bounds.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import pandas as pd
import scipy.stats as stats
import statsmodels.api as sm
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from lifelines.utils import median_survival_times
from sklearn.linear_model import LinearRegression

import splits

TOLERANCE = 1e-6
ROOT = pathlib.Path(__file__).resolve().parents[2]
worst = {}
compared = 0
wrong = []


def same(where, figure, found, expected):
    """Notes one figure from both sides."""
    global compared
    compared += 1
    if expected is None or (isinstance(expected, float) and not np.isfinite(expected)):
        if found is not None:
            wrong.append(f"{where} {figure}: {found}, and there is none")
        return
    error = abs(found - expected) / max(abs(expected), 1e-9) if found is not None else np.inf
    analysis = where.split(":")[0]
    worst[analysis] = max(worst.get(analysis, 0), error)
    # A tail beyond 1e-12 is nothing in any units.
    if error > TOLERANCE and not (figure == "p" and found is not None and abs(found - expected) < 1e-12):
        wrong.append(f"{where} {figure}: {found}, and not {expected}")


def rows_by(rows, *keys):
    return {tuple(row[key] for key in keys): row for row in rows}


# Each check takes the answer of `testnet analyse` and the pooled table.


def describe(where, answer, data, column, by):
    rows = rows_by(answer["derived"]["describe.summary"]["rows"], *by, "column")
    groups = data.groupby(by) if by else [((), data)]
    for key, group in groups:
        for name in column:
            values = group[name].dropna()
            row = rows[(*key, name)]
            half = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
            for figure, expected in [
                ("n", len(values)), ("mean", values.mean()), ("sd", values.std()), ("se", stats.sem(values)),
                ("ci_low", half[0]), ("ci_high", half[1]),
            ]:
                same(f"{where} {key} {name}", figure, row[figure], expected)


def contingency(where, answer, data, rows, columns):
    table = pd.crosstab([data[name] for name in rows], [data[name] for name in columns])
    test = stats.chi2_contingency(table, correction=False)
    [row] = answer["derived"]["contingency.test"]["rows"]
    for figure, expected in [
        ("n", table.values.sum()), ("chi_squared", test.statistic), ("df", test.dof), ("p", test.pvalue),
        ("cramers_v", stats.contingency.association(table.values, method="cramer")),
        ("least_expected", test.expected_freq.min()), ("cells_below_5", (test.expected_freq < 5).sum()),
    ]:
        same(where, figure, row[figure], float(expected))


def pmcc(where, answer, data, x, y):
    both = data[[x, y]].dropna()
    test = stats.pearsonr(both[x], both[y])
    [row] = answer["derived"]["pmcc.test"]["rows"]
    interval = test.confidence_interval()
    for figure, expected in [
        ("n", len(both)), ("r", test.statistic), ("df", len(both) - 2), ("p", test.pvalue), ("ci_low", interval.low),
        ("ci_high", interval.high),
    ]:
        same(where, figure, row[figure], float(expected))


def design(data, predictors):
    """Terms as the component makes them: the first level of a factor is the reference."""
    terms = {}
    for column, levels in predictors.items():
        if levels is None:
            terms[column] = data[column].astype(float)
        for level in (levels or [])[1:]:
            terms[f"{column}={level}"] = (data[column] == level).astype(float)
    return pd.DataFrame(terms)


def coefficients(where, answer, fitted, interval, statistic):
    rows = rows_by(answer["derived"]["regression.coefficients"]["rows"], "term")
    for place, term in enumerate(fitted.model.exog_names):
        row = rows[("intercept" if term == "const" else term,)]
        for figure, expected in [
            ("coefficient", fitted.params.iloc[place]), ("se", fitted.bse.iloc[place]),
            (statistic, fitted.tvalues.iloc[place]), ("p", fitted.pvalues.iloc[place]),
            ("ci_low", interval.iloc[place, 0]), ("ci_high", interval.iloc[place, 1]),
        ]:
            same(f"{where} {term}", figure, row[figure], float(expected))


def linear(where, answer, data, outcome, predictors):
    terms = design(data, predictors)
    fitted = sm.OLS(data[outcome].astype(float), sm.add_constant(terms)).fit()
    coefficients(where, answer, fitted, fitted.conf_int(), "t")
    other = LinearRegression().fit(terms.values, data[outcome])
    rows = rows_by(answer["derived"]["regression.coefficients"]["rows"], "term")
    for term, slope in zip(terms.columns, other.coef_):
        same(f"{where} sklearn {term}", "coefficient", rows[(term,)]["coefficient"], float(slope))
    [fit] = answer["derived"]["regression.fit"]["rows"]
    for figure, expected in [
        ("n", fitted.nobs), ("df_model", fitted.df_model), ("df_residual", fitted.df_resid),
        ("r_squared", fitted.rsquared), ("adjusted_r_squared", fitted.rsquared_adj),
        ("residual_sd", np.sqrt(fitted.scale)), ("f", fitted.fvalue), ("p", fitted.f_pvalue),
    ]:
        same(where, figure, fit[figure], float(expected))


def rounds(family):
    def check(where, answer, data, outcome, predictors):
        terms = sm.add_constant(design(data, predictors))
        model = (sm.Logit if family == "logistic" else sm.Poisson)(data[outcome].astype(float), terms)
        fitted = model.fit(method="newton", maxiter=100, tol=1e-14, disp=0)
        coefficients(where, answer, fitted, fitted.conf_int(), "z")
        [fit] = answer["derived"]["regression.fit"]["rows"]
        same(where, "n", fit["n"], float(fitted.nobs))
        same(where, "df_residual", fit["df_residual"], float(fitted.df_resid))
        same(where, "lr_chi_squared", fit["lr_chi_squared"], float(fitted.llr))
        same(where, "p", fit["p"], float(fitted.llr_pvalue))
        if family == "logistic":
            same(where, "log_likelihood", fit["log_likelihood"], float(fitted.llf))
        assert answer["rounds"] <= 12, f"{where}: {answer['rounds']} rounds"

    return check


def survival(where, answer, data, time, event, width, until, by):
    # Times rounded up to the grid; who is there longer than the grid is censored at its end.
    at = np.minimum(np.ceil(data[time] / width) * width, until)
    came = (event(data) & (data[time] <= until)).astype(int)
    curve = rows_by(answer["derived"]["survival.curve"]["rows"], *by, "time")
    median = rows_by(answer["derived"]["survival.median"]["rows"], *by)
    for key, group in data.groupby(by) if by else [((), data)]:
        times, events = at[group.index], came[group.index]
        fitted = KaplanMeierFitter().fit(times, events)
        greenwood = sm.SurvfuncRight(times, events)
        errors = dict(zip(greenwood.surv_times, greenwood.surv_prob_se))
        for moment, line in fitted.event_table.iterrows():
            if moment == 0 and line["removed"] == 0:
                continue
            row = curve[(*key, moment)]
            share = float(fitted.survival_function_.loc[moment].iloc[0])
            low, high = fitted.confidence_interval_.loc[moment]
            figures = [("at_risk", line["at_risk"]), ("events", line["observed"]), ("censored", line["censored"]), ("survival", share)]
            if 0 < share < 1:
                figures += [("ci_low", low), ("ci_high", high)]
            if line["observed"] > 0 and share > 0:
                figures.append(("se", errors[moment]))
            for figure, expected in figures:
                same(f"{where} {key} {moment}", figure, row[figure], float(expected))
        same(f"{where} {key}", "median", median[key]["median"], float(fitted.median_survival_time_))
        same(f"{where} {key}", "n", median[key]["n"], float(len(group)))
    if by:
        test = multivariate_logrank_test(at, data[by].astype(str).agg(" ".join, axis=1), came)
        [row] = answer["derived"]["survival.logrank"]["rows"]
        for figure, expected in [("chi_squared", test.test_statistic), ("df", test.degrees_of_freedom), ("p", test.p_value)]:
            same(where, figure, row[figure], float(expected))


def quantiles(where, answer, data, column, probabilities, width, low, high):
    rows = rows_by(answer["derived"]["quantiles.estimates"]["rows"], "probability")
    for probability in probabilities:
        pooled = float(np.quantile(data[column].dropna(), probability))
        row = rows[(probability,)]
        at_least = -np.inf if row["at_least"] is None else row["at_least"]
        at_most = np.inf if row["at_most"] is None else row["at_most"]
        global compared
        compared += 1
        if not at_least <= pooled <= at_most:
            wrong.append(f"{where} {probability}: {pooled} is not between {at_least} and {at_most}")
        if low <= pooled < high and abs(row["estimate"] - pooled) > 2 * width:
            wrong.append(f"{where} {probability}: {row['estimate']} is too far from {pooled}")
        if low <= pooled < high:
            worst["quantiles, in bins"] = max(worst.get("quantiles, in bins", 0), abs(row["estimate"] - pooled) / width)


def cohort(where, answer, _, sets, begin, end, ages, year):
    person, condition, concepts = splits.omop()
    condition = condition[(condition["condition_start_date"] >= begin) & (condition["condition_start_date"] <= end)]
    persons = set(person["person_id"])
    for ids in sets:
        below = set(concepts[concepts["ancestor_concept_id"].isin(ids)]["descendant_concept_id"])
        persons &= set(condition[condition["condition_concept_id"].isin(below)]["person_id"])
    chosen = person[person["person_id"].isin(persons)].copy()
    age = year - chosen["year_of_birth"]
    chosen = chosen[age >= ages[0]]
    chosen["age_from"] = np.array(ages)[np.digitize(year - chosen["year_of_birth"], ages) - 1]
    expected = chosen.groupby(["gender_concept_id", "age_from"]).size()
    rows = rows_by(answer["outputs"]["cohort"], "gender_concept_id", "age_from")
    assert set(rows) == set(expected.index), f"{where}: {set(rows)}"
    for key, n in expected.items():
        same(f"{where} {key}", "subjects", rows[key]["subjects"], int(n))


def blanked(where, answer):
    """What follows from an aggregate that is not final is not there, or what it is in the whole one: nothing blank is told again."""
    if answer["final"]:
        return
    missing = 0
    for name, whole in answer["derived"].items():
        shown = answer["shown"].get(name, {"rows": []})["rows"]
        missing += len(whole["rows"]) - len(shown)
        for row in shown:
            empty = [figure for figure, value in row.items() if value is None]
            missing += len(empty)
            if not any(all(row[figure] == other[figure] for figure in row if figure not in empty) for other in whole["rows"]):
                wrong.append(f"{where} {name}: {row} is not in the whole aggregate")
    if answer["derived"] and missing == 0:
        wrong.append(f"{where}: the aggregate is not final, and everything follows from it all the same")


def tasks():
    """Data set, component, outputs, parameters; how the answer is checked."""

    def factors(predictors):
        return ",".join(name if levels is None else f"{name}[{'|'.join(map(str, levels))}]" for name, levels in predictors.items())

    def statistics(data, analysis, check, arguments, **parameters):
        return data, "statistics", [analysis], {"analysis": analysis, "table": data, **parameters}, check, arguments

    def model(data, family, outcome, predictors, check, named=None):
        given = {"table": data, "family": family, "outcome": named or outcome, "predictors": factors(predictors)}
        return data, "regression", ["regression"], given, check, {"outcome": outcome, "predictors": predictors}

    def study(data, time, event, named, width, until, by):
        given = {"table": data, "time": time, "event": named, "width": str(width), "until": str(until), "by": ",".join(by)}
        arguments = {"time": time, "event": event, "width": width, "until": until, "by": by}
        return data, "survival", ["survival"], given, survival, arguments

    numbers = {name: None for name in ["age", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]}
    health = {name: None for name in ["lncoins", "idp", "lpi", "fmde", "physlm", "disea", "hlthg", "hlthf", "hlthp"]}
    probabilities = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99]
    return [
        statistics("diabetes", "describe", describe, {"column": ["age", "bmi", "s5"], "by": ["sex"]}, column="age,bmi,s5", by="sex"),
        statistics("lung", "describe", describe, {"column": ["age", "ph_ecog"], "by": []}, column="age,ph_ecog"),
        statistics("affairs", "contingency", contingency, {"rows": ["straying"], "columns": ["occupation"]}, rows="straying", columns="occupation"),
        statistics("affairs", "contingency", contingency, {"rows": ["rate_marriage", "kids"], "columns": ["religious"]}, rows="rate_marriage,kids", columns="religious"),
        statistics("diabetes", "pmcc", pmcc, {"x": "bmi", "y": "target"}, x="bmi", y="target"),
        statistics("lung", "pmcc", pmcc, {"x": "age", "y": "ph_ecog"}, x="age", y="ph_ecog"),
        statistics(
            "diabetes", "quantiles", quantiles, {"column": "target", "probabilities": probabilities, "width": 5, "low": 45, "high": 300},
            column="target", bins="5", low="45", high="300", probabilities=",".join(map(str, probabilities)),
        ),
        model("diabetes", "linear", "target", {**numbers, "sex": ["F", "M"]}, linear),
        model("longley", "linear", "totemp", {name: None for name in ["gnpdefl", "gnp", "unemp", "armed", "pop", "year"]}, linear),
        model("affairs", "linear", "affairs", {"age": None, "occupation": [3, 1, 2, 4, 5, 6], "kids": ["no", "yes"]}, linear),
        model("cancer", "logistic", "target", {name: None for name in ["mean_texture", "mean_smoothness", "mean_symmetry", "texture_error"]}, rounds("logistic"), "diagnosis[malignant|benign]"),
        model("affairs", "logistic", "straying", {"age": None, "religious": None, "occupation": [3, 1, 2, 4, 5, 6], "kids": ["no", "yes"]}, rounds("logistic")),
        model("grades", "logistic", "grade", {"gpa": None, "tuce": None, "psi": None}, rounds("logistic")),
        model("doctor", "poisson", "mdvis", health, rounds("poisson")),
        study("rossi", "week", lambda data: data["arrest"] == 1, "arrest", 4, 52, ["fin"]),
        study("lung", "time", lambda data: data["status"] == 1, "status[1]", 90, 900, ["sex"]),
        study("lung", "time", lambda data: data["status"] == 1, "status[1]", 50, 1050, []),
        (
            "omop", "cohort", ["cohort"],
            {"conditions": "1;4,6", "from": "2018-06-01", "until": "2022-12-31", "ages": "18,40,65", "year": "2020"},
            cohort, {"sets": [[1], [4, 6]], "begin": "2018-06-01", "end": "2022-12-31", "ages": [18, 40, 65], "year": 2020},
        ),
    ]


def main():
    tables = splits.load()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        plan = {"federations": splits.write(folder, tables), "tasks": []}
        checks = []
        for number, (data, component, outputs, parameters, check, arguments) in enumerate(tasks()):
            for way in ("even", "uneven", "disjoint"):
                analysis = parameters.get("analysis") or parameters.get("family") or component
                name = f"{analysis}: {number} {data} {way}"
                plan["tasks"].append({
                    "name": name, "federation": f"{data} {way}", "component": component, "outputs": outputs, "parameters": parameters,
                })
                checks.append((name, check, tables.get(data), arguments))
        (folder / "plan.json").write_text(json.dumps(plan))
        program = sys.argv[1:] or ["cargo", "run", "--quiet", "--locked", "-p", "testnet", "--"]
        command = [*program, "analyse", str(folder / "plan.json")]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"`testnet analyse` failed with {done.returncode}")
        answers = json.loads(done.stdout)
    warnings.simplefilter("ignore")
    for name, check, data, arguments in checks:
        for output, said in answers[name]["tiers"].items():
            if said["tier"] != "witnessed":
                wrong.append(f"{name} {output}: tier {said['tier']}")
        check(name, answers[name], data, **arguments)
        blanked(name, answers[name])
    for analysis, error in worst.items():
        print(f"{analysis}: the largest relative error is {error:.1e}" if "bins" not in analysis else f"{analysis}: at most {error:.2f}")
    most = max(answer["rounds"] for answer in answers.values())
    print(f"{len(checks)} tasks, {compared} figures, {most} rounds at most; {len(wrong)} wrong")
    for line in wrong[:40]:
        print(f"  {line}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
