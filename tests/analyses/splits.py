"""Real data sets that packages carry, as the tables of three TREs, divided in three ways."""

import numpy as np
import pandas as pd
from lifelines.datasets import load_lung, load_rossi
from sklearn.datasets import load_breast_cancer, load_diabetes
from statsmodels.datasets import fair, longley, randhie, spector


def plain(name):
    return "".join(c if c.isalnum() else "_" for c in name.lower())


def diabetes():
    data = load_diabetes(scaled=False, as_frame=True).frame
    data["sex"] = data["sex"].map({1.0: "F", 2.0: "M"})
    return data


def cancer():
    data = load_breast_cancer(as_frame=True).frame
    data = data[["mean texture", "mean smoothness", "mean symmetry", "texture error", "target"]].copy()
    data["diagnosis"] = data["target"].map({0: "malignant", 1: "benign"})
    return data


def affairs():
    data = fair.load_pandas().data
    data["straying"] = (data["affairs"] > 0).astype(int)
    whole = ["rate_marriage", "children", "religious", "educ", "occupation", "occupation_husb"]
    data["kids"] = (data["children"] > 0).map({True: "yes", False: "no"})
    return data.astype({name: int for name in whole if (data[name] % 1 == 0).all()})


def doctor():
    data = randhie.load_pandas().data
    return data.astype({"mdvis": int, "hlthg": int, "hlthf": int, "hlthp": int})


def lung():
    data = load_lung()[["time", "status", "sex", "age", "ph.ecog"]].copy()
    data["sex"] = data["sex"].map({1: "M", 2: "F"})
    return data


def grades():
    return spector.load_pandas().data.astype({"TUCE": int, "PSI": int, "GRADE": int})


SETS = {
    "diabetes": (diabetes, lambda data: (data["sex"] == "M").astype(int) + (data["age"] > 50)),
    "cancer": (cancer, lambda data: (data["target"] == 1).astype(int) + (data["mean_texture"] > 18)),
    "affairs": (affairs, lambda data: (data["occupation"] > 3).astype(int) + (data["occupation"] > 4)),
    "doctor": (doctor, lambda data: data["hlthf"] + 2 * data["hlthp"]),
    "lung": (lung, lambda data: (data["sex"] == "F").astype(int) + (data["age"] > 63)),
    "rossi": (load_rossi, lambda data: data["fin"] + (data["age"] > 24)),
    "grades": (grades, lambda data: data["psi"] + (data["grade"] & data["psi"])),
    "longley": (lambda: longley.load_pandas().data, lambda data: (data["year"] > 1952).astype(int) + (data["year"] > 1957)),
}


def load():
    """Every data set with plain names of columns and a person for each row."""
    tables = {}
    for name, (make, _) in SETS.items():
        data = make().rename(columns=plain).reset_index(drop=True)
        # Persons in an order that has nothing to do with the rows'.
        data.insert(0, "person_id", np.random.default_rng(7).permutation(len(data)) + 1)
        tables[name] = data
    return tables


def omop(seed=11, persons=3_000):
    """An OMOP dataset with a hierarchy of concepts; conditions may come again, and some are of descendants only."""
    random = np.random.default_rng(seed)
    ancestor = [(1, 1), (1, 2), (1, 3), (2, 2), (3, 3), (4, 4), (4, 5), (5, 5), (6, 6)]
    person = pd.DataFrame({
        "person_id": np.arange(persons) + 1,
        "gender_concept_id": random.choice([8507, 8532], persons),
        "year_of_birth": random.integers(1930, 2005, persons),
    })
    rows = persons * 3
    days = pd.Timestamp("2018-01-01") + pd.to_timedelta(random.integers(0, 2_000, rows), unit="D")
    condition = pd.DataFrame({
        "condition_occurrence_id": np.arange(rows) + 1,
        "person_id": random.integers(1, persons + 1, rows),
        "condition_concept_id": random.choice([2, 3, 4, 5, 6], rows),
        "condition_start_date": days.strftime("%Y-%m-%d"),
    })
    concepts = pd.DataFrame(ancestor, columns=["ancestor_concept_id", "descendant_concept_id"])
    return person, condition, concepts


def places(data, way, disjoint):
    """For each row, at which of three TREs it lies."""
    rows = np.arange(len(data))
    if way == "even":
        return rows % 3
    if way == "uneven":
        share = np.random.default_rng(3).permutation(len(data)) / len(data)
        return np.where(share < 0.78, 0, np.where(share < 0.93, 1, 2))
    # Every TRE has levels that the others do not have.
    return np.asarray(disjoint(data)).astype(int)


def write(folder, tables):
    """The folders of every federation: one for each way, data set and TRE."""
    federations = {}
    for way in ("even", "uneven", "disjoint"):
        for name, data in tables.items():
            place = places(data, way, SETS[name][1])
            assert set(place) == {0, 1, 2}, f"{name} {way}: {set(place)}"
            parts = {tre: {name: data[place == number]} for number, tre in enumerate("abc")}
            federations[f"{name} {way}"] = save(folder / way / name, parts)
        person, condition, concepts = omop()
        age = lambda data: np.digitize(2020 - data["year_of_birth"], [35, 60])
        place = places(person, way, age)
        parts = {}
        for number, tre in enumerate("abc"):
            here = person[place == number]
            there = condition[condition["person_id"].isin(here["person_id"])]
            parts[tre] = {"person": here, "condition_occurrence": there, "concept_ancestor": concepts}
        federations[f"omop {way}"] = save(folder / way / "omop", parts)
    return federations


def save(folder, parts):
    for tre, tables in parts.items():
        (folder / tre).mkdir(parents=True)
        for name, data in tables.items():
            data.to_csv(folder / tre / f"{name}.csv", index=False, float_format="%.17g")
    return {tre: str(folder / tre) for tre in parts}
