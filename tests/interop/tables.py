"""Reads a released table back by the schema that stands beside it: CSV (RFC 4180) with a header, one cell for each column, each of its type."""

import csv
import datetime
import io
import re

from wire import Refused, need, word

IDENTIFIER = r"[a-z_][a-z0-9_]{0,62}"
ROLE = re.compile(rf"key|opaque|count|subjects|(count-of|sum|mean|variance)\({IDENTIFIER}\)|covariance\({IDENTIFIER},{IDENTIFIER}\)")
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
CELLS, COLUMNS, BYTES = 1_000_000, 1_000, 16 * 1024 * 1024


def integer(cell):
    return re.fullmatch(r"[+-]?[0-9]+", cell) and -(2**63) <= int(cell) < 2**63


def real(cell):
    return NUMBER.fullmatch(cell) or re.fullmatch(r"[+-]?(nan|inf|infinity)", cell, re.IGNORECASE)


def date(cell):
    return re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell) and datetime.date.fromisoformat(cell)


def timestamp(cell):
    return re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{5,8}(\.[0-9]{1,9})?Z?", cell) and datetime.datetime.fromisoformat(cell)


TYPES = {
    "boolean": lambda cell: cell.lower() in ("true", "false"),
    "integer": integer,
    "real": real,
    "decimal": NUMBER.fullmatch,
    "text": lambda cell: True,
    "date": date,
    "timestamp": timestamp,
}


def check_column(column):
    need(type(column["name"]) is str, "a column without a name")
    word(*TYPES)(column["type"])
    need(type(column["role"]) is str and ROLE.fullmatch(column["role"]), "a column of no known role")


def read(data, schema):
    """The rows of a table, or Refused."""
    need(len(data) <= BYTES, "it is too large")
    try:
        text = data.decode().removeprefix("\ufeff")
        header, *rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except (UnicodeDecodeError, ValueError, csv.Error) as error:
        raise Refused("it is no CSV in UTF-8 with a header") from error
    need([name.strip(" ").lower() for name in header] == [column["name"] for column in schema], "it has other columns than its schema")
    need(len(header) <= COLUMNS and len(rows) * len(header) <= CELLS, "it has too many cells")
    for row in rows:
        need(len(row) == len(header), "a row has another number of cells")
        for cell, column in zip(row, schema):
            try:
                fits = cell == "" or TYPES[column["type"]](cell)
            except ValueError:
                fits = False
            need(fits, f"a cell of `{column['name']}` is not of the type {column['type']}")
    return rows
