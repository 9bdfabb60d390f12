"""Mean and spread of a column by group, twice: as the host witnesses it (tier T1), and computed here from the rows (tier T2).

Parameters: `table`, `column` (a number), `by` (a whole number or a text). Outputs: `witnessed` and `computed`.
"""

import math
import re

from componentize_py_types import Err
from wit_world.imports import database, job, outputs, witness

BATCH_ROWS = 16_384


class WitWorld:
    """The component: componentize-py looks for this name."""

    def run(self) -> None:
        try:
            table, column, by = name("table"), name("column"), name("by")
            handles = database.handles()
            if len(handles) != 1:
                raise Err(f"the task must have one dataset, and has {len(handles)}")
            connection = database.open(handles[0].name)
            witnessed(connection, table, column, by)
            computed(connection, table, column, by)
        except Err as error:
            # Whatever the host refuses is an `Err` as well; what leaves `run` is a sentence.
            raise Err(sentence(error.value)) from None
        except Exception as error:
            # An exception that nobody catches would be printed, and there is nothing to print to.
            raise Err(f"{type(error).__name__}: {error}") from None


def name(parameter: str) -> str:
    """A parameter that stands in SQL: names alone, so that no text becomes a part of the statement."""
    text = job.parameter(parameter)
    if not text:
        raise Err(f"the parameter `{parameter}` is missing")
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", text):
        raise Err(f"the parameter `{parameter}` is no name of a table or column")
    return text


def witnessed(connection, table, column, by) -> None:
    """The host computes, keeps the evidence, and the table leaves as it is."""
    measures = [witness.Measure_CountOf(column), witness.Measure_Mean(column), witness.Measure_Variance(column)]
    outputs.write_table("witnessed", witness.aggregate(connection, table, [by], measures))


def computed(connection, table, column, by) -> None:
    """The rows come batch by batch; only the group's figures are kept."""
    sql = f"SELECT {by} AS g, CAST({column} AS DOUBLE) AS x FROM {table} WHERE {by} IS NOT NULL AND {column} IS NOT NULL"
    groups: dict = {}
    read = 0
    with connection.query(sql, []) as rows:
        while (batch := rows.next_batch(BATCH_ROWS)) is not None:
            read += batch.rows
            keys, values = (part.data.value for part in batch.columns)
            for key, value in zip(keys, values):
                add(groups.setdefault(key, [0, 0.0, 0.0]), value)
    job.log(f"{read} rows in {len(groups)} groups")
    lines = [f"{by},n,mean,sd"]
    for key, (count, mean, squares) in sorted(groups.items()):
        # One row has no spread.
        spread = repr(math.sqrt(squares / (count - 1))) if count > 1 else ""
        lines.append(f"{quoted(key)},{count},{mean!r},{spread}")
    output = outputs.create("computed", "text/csv")
    output.write("".join(line + "\n" for line in lines).encode())
    # Hands the output over; there is nothing left to close, so no `with` around it.
    outputs.Output.finish(output)


def add(moments: list, x: float) -> None:
    """Mean and squared deviations in one pass (Welford 1962)."""
    moments[0] += 1
    before = x - moments[1]
    moments[1] += before / moments[0]
    moments[2] += before * (x - moments[1])


def quoted(value) -> str:
    """A field of a CSV (RFC 4180)."""
    text = str(value)
    if isinstance(value, str) and (text == "" or text != text.strip() or re.search(r'[,"\r\n]', text)):
        return '"' + text.replace('"', '""') + '"'
    return text


def sentence(value) -> str:
    """What went wrong, in words."""
    if isinstance(value, str):
        return value
    if isinstance(value, outputs.Error):
        return f"output {value.name.lower()}"
    said = getattr(value, "value", None)
    kind = type(value).__name__.removeprefix("Error_")
    return f"{kind}: {said}" if isinstance(said, str) else kind
