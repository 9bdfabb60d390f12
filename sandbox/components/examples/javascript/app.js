// Mean and spread of a column by group, twice: as the host witnesses it (tier T1), and computed here from the rows (tier T2).
//
// Parameters: `table`, `column` (a number), `by` (a whole number or a text). Outputs: `witnessed` and `computed`.

import { handles, open } from 'quintes:analysis/database@0.1.0';
import { log, parameter } from 'quintes:analysis/job@0.1.0';
import { create, Output, writeTable } from 'quintes:analysis/outputs@0.1.0';
import { aggregate } from 'quintes:analysis/witness@0.1.0';

const BATCH_ROWS = 16_384;

export function run() {
  try {
    const [table, column, by] = [name('table'), name('column'), name('by')];
    const known = handles();
    if (known.length !== 1) throw `the task must have one dataset, and has ${known.length}`;
    const connection = open(known[0].name);
    witnessed(connection, table, column, by);
    computed(connection, table, column, by);
  } catch (error) {
    // What the host refuses is thrown with a payload; what leaves `run` is a sentence.
    throw sentence(error);
  }
}

// A parameter that stands in SQL: names alone, so that no text becomes a part of the statement.
function name(wanted) {
  const text = parameter(wanted);
  if (!text) throw `the parameter \`${wanted}\` is missing`;
  if (!/^[a-z_][a-z0-9_]*$/.test(text)) throw `the parameter \`${wanted}\` is no name of a table or column`;
  return text;
}

// The host computes, keeps the evidence, and the table leaves as it is.
function witnessed(connection, table, column, by) {
  const measures = ['count-of', 'mean', 'variance'].map((tag) => ({ tag, val: column }));
  writeTable('witnessed', aggregate(connection, table, [by], measures));
}

// The rows come batch by batch; only the group's figures are kept.
function computed(connection, table, column, by) {
  const sql =
    `SELECT ${by} AS g, CAST(${column} AS DOUBLE) AS x FROM ${table} WHERE ${by} IS NOT NULL AND ${column} IS NOT NULL`;
  const groups = new Map();
  let read = 0;
  const rows = connection.query(sql, []);
  for (let batch = rows.nextBatch(BATCH_ROWS); batch !== undefined; batch = rows.nextBatch(BATCH_ROWS)) {
    read += batch.rows;
    const [keys, values] = batch.columns.map((part) => part.data.val);
    for (let row = 0; row < batch.rows; row++) add(groups, keys[row], values[row]);
  }
  log(`${read} rows in ${groups.size} groups`);
  const lines = [`${by},n,mean,sd`];
  for (const [key, { n, mean, squares }] of [...groups].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))) {
    // One row has no spread.
    lines.push(`${quoted(key)},${n},${mean},${n > 1 ? Math.sqrt(squares / (n - 1)) : ''}`);
  }
  const output = create('computed', 'text/csv');
  output.write(new TextEncoder().encode(lines.join('\n') + '\n'));
  Output.finish(output);
}

// Mean and squared deviations in one pass (Welford 1962).
function add(groups, key, x) {
  const moments = groups.get(key) ?? { n: 0, mean: 0, squares: 0 };
  groups.set(key, moments);
  moments.n += 1;
  const before = x - moments.mean;
  moments.mean += before / moments.n;
  moments.squares += before * (x - moments.mean);
}

// A field of a CSV (RFC 4180).
function quoted(value) {
  const text = String(value);
  const must = typeof value === 'string' && (text === '' || text !== text.trim() || /[,"\r\n]/.test(text));
  return must ? `"${text.replaceAll('"', '""')}"` : text;
}

// What went wrong, in words.
function sentence(error) {
  if (typeof error === 'string') return error;
  const said = error?.payload;
  if (said === undefined) return String(error?.message ?? error);
  if (typeof said === 'string') return `output ${said}`;
  return typeof said.val === 'string' ? `${said.tag}: ${said.val}` : said.tag;
}
