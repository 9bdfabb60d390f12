//! One pass over the rows: groups, what each group holds, and what each subject brought to it.

use super::contributors::{Sets, subject};
use super::key::{Codes, Pairs, index, is_present};
use super::question::{Question, WitnessError};
use super::sum::Sum;
use super::{Contributors, Evidence, Measure, Role, WitnessedColumn, WitnessedTable};
use crate::value::{Batch, Column, ColumnData, ColumnInfo, ColumnType, Value};

/// What a measure is computed from. Measures over the same columns share one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Rows,
    Column(usize),
    Product(usize, usize),
}

/// What one group holds of one source. For a column, `y` is `x` and `xy` its square.
#[derive(Clone, Default)]
struct Moments {
    rows: u64,
    negatives: u64,
    special: u64,
    /// The plain sum of what is not finite: an infinity or not a number.
    specials: f64,
    /// The exact sum of an integer column.
    whole: i128,
    x: Sum,
    y: Sum,
    xy: Sum,
    /// Rows in which both values are 0 or 1, by x and y: (0, 0), (0, 1), (1, 0), (1, 1).
    yes_or_no: [u64; 4],
}

/// What one subject brought to one group.
#[derive(Clone, Copy, Default)]
struct Contribution {
    rows: u32,
    /// Those of them whose contribution is not zero.
    nonzero: u32,
    sum: f64,
}

struct Input {
    source: Source,
    groups: Vec<Moments>,
    pairs: Vec<Contribution>,
}

/// One more grouping column: a group of the columns before it and a code of its own make a group.
#[derive(Default)]
struct Level {
    codes: Codes,
    groups: Pairs,
}

/// A table being made.
pub(crate) struct Tabulation {
    question: Question,
    keys: Vec<(usize, ColumnInfo)>,
    levels: Vec<Level>,
    subject: usize,
    subjects: Codes,
    /// Group and subject.
    pairs: Pairs,
    inputs: Vec<Input>,
    input_of: Vec<usize>,
    max_groups: usize,
    max_pairs: usize,
}

impl Tabulation {
    /// Prepares for rows of this schema. `question` has passed [`Question::check`].
    pub(crate) fn new(
        question: Question,
        schema: &[ColumnInfo],
        subject: &str,
        max_groups: usize,
        max_pairs: usize,
    ) -> Result<Self, WitnessError> {
        let find = |name: &str| {
            schema.iter().position(|info| info.name == name).ok_or_else(|| WitnessError::NoSuchColumn(name.to_owned()))
        };
        let numeric = |name: &str| {
            let column = find(name)?;
            match schema[column].ty {
                ColumnType::Boolean | ColumnType::Int64 | ColumnType::Float64 | ColumnType::Decimal => Ok(column),
                ColumnType::Text | ColumnType::Bytes | ColumnType::Date | ColumnType::Timestamp => {
                    Err(WitnessError::NotNumeric(name.to_owned()))
                }
            }
        };
        let keys = question
            .by
            .iter()
            .map(|name| find(name).map(|column| (column, schema[column].clone())))
            .collect::<Result<Vec<_>, _>>()?;
        let subject = find(subject)?;
        let mut inputs: Vec<Input> = Vec::new();
        let mut input_of = Vec::new();
        for measure in &question.measures {
            let source = match measure {
                Measure::Count | Measure::Subjects => Source::Rows,
                Measure::CountOf(x) => Source::Column(find(x)?),
                Measure::Sum(x) | Measure::Mean(x) | Measure::Variance(x) => Source::Column(numeric(x)?),
                Measure::Covariance(x, y) => Source::Product(numeric(x)?, numeric(y)?),
            };
            let position = inputs.iter().position(|input| input.source == source).unwrap_or_else(|| {
                inputs.push(Input { source, groups: Vec::new(), pairs: Vec::new() });
                inputs.len() - 1
            });
            input_of.push(position);
        }
        let levels = keys.iter().map(|_| Level::default()).collect();
        Ok(Self {
            question,
            keys,
            levels,
            subject,
            subjects: Codes::default(),
            pairs: Pairs::default(),
            inputs,
            input_of,
            max_groups,
            max_pairs,
        })
    }

    /// How many groups there are; without grouping columns always one.
    fn groups(&self) -> usize {
        self.levels.last().map_or(1, |level| level.groups.len())
    }

    /// Adds the rows of a batch.
    pub(crate) fn push(&mut self, batch: &Batch) -> Result<(), WitnessError> {
        let rows = index(batch.rows);
        let mut codes = Vec::with_capacity(rows);
        let mut groups = vec![0_u32; rows];
        for (level, (column, _)) in self.levels.iter_mut().zip(&self.keys) {
            level.codes.read(&batch.columns[*column], &mut codes);
            level.groups.read(&mut groups, &codes);
            if level.groups.len() > self.max_groups {
                return Err(WitnessError::TooManyGroups(self.max_groups));
            }
        }
        self.subjects.read(&batch.columns[self.subject], &mut codes);
        let mut pairs = groups.clone();
        self.pairs.read(&mut pairs, &codes);
        if self.pairs.len() > self.max_pairs || self.subjects.len() > self.max_pairs {
            return Err(WitnessError::TooManySubjects(self.max_pairs));
        }
        let (group_count, pair_count) = (self.groups(), self.pairs.len());
        for input in &mut self.inputs {
            input.groups.resize_with(group_count, Moments::default);
            input.pairs.resize_with(pair_count, Contribution::default);
            match input.source {
                Source::Rows => input.add_rows(&groups, &pairs),
                Source::Column(column) => input.add_column(&batch.columns[column], &groups, &pairs),
                Source::Product(x, y) => {
                    if !input.add_product(&batch.columns[x], &batch.columns[y], &groups, &pairs) {
                        return Err(self.one_of_pair(x, y));
                    }
                }
            }
        }
        Ok(())
    }

    fn one_of_pair(&self, x: usize, y: usize) -> WitnessError {
        let position = self.inputs.iter().position(|input| input.source == Source::Product(x, y));
        let measure = self
            .input_of
            .iter()
            .position(|input| Some(*input) == position)
            .map(|measure| &self.question.measures[measure]);
        match measure {
            Some(Measure::Covariance(x, y)) => WitnessError::OneOfPair(x.clone(), y.clone()),
            _ => WitnessError::OneOfPair(String::new(), String::new()),
        }
    }

    /// The table of everything that was pushed, from the dataset of that name.
    pub(crate) fn finish(mut self, relation: String, dataset: String) -> WitnessedTable {
        self.pairs.close();
        let group_count = self.groups();
        for input in &mut self.inputs {
            input.groups.resize_with(group_count, Moments::default);
            // integers have an exact sum
            let whole = input.groups.iter_mut().filter(|moments| moments.whole != 0);
            whole.for_each(|moments| moments.x = Sum::from(moments.whole));
        }
        let columns = self.columns();
        let behind: Vec<Vec<Behind>> =
            self.inputs.iter().map(|input| input.behind(group_count, self.pairs.made_of())).collect();
        let ranks: Vec<Vec<usize>> = self.levels.iter().map(|level| level.codes.ranks()).collect();
        let mut order: Vec<(Vec<usize>, Vec<u32>, usize)> = (0..group_count)
            .map(|group| {
                let codes = self.codes_of(group);
                let place = codes.iter().zip(&ranks).map(|(code, ranks)| ranks[index(*code)]).collect();
                (place, codes, group)
            })
            .collect();
        order.sort_unstable();
        let mut rows = Vec::with_capacity(group_count);
        let mut evidence = Vec::with_capacity(group_count);
        let mut sets = Sets::new(group_count, self.subjects.len(), self.pairs.made_of());
        let mut of = Vec::with_capacity(group_count);
        for (_, codes, group) in order {
            let mut row: Vec<Value> =
                codes.iter().zip(&self.levels).map(|(code, level)| level.codes.value(*code).clone()).collect();
            let mut beside = vec![None; row.len()];
            for (measure, input) in self.question.measures.iter().zip(&self.input_of) {
                let (value, mut cell) = figure(measure, &self.inputs[*input].groups[group], &behind[*input][group]);
                if let Source::Product(x, y) = self.inputs[*input].source {
                    // What a column tells apart by itself, its products tell too.
                    let columns = self.inputs.iter().zip(&behind).filter(
                        |(other, _)| matches!(other.source, Source::Column(column) if column == x || column == y),
                    );
                    let alone = columns.map(|(other, behind)| other.groups[group].apart(&behind[group]));
                    cell.apart = alone.chain([cell.apart]).filter(|apart| *apart > 0).min().unwrap_or(0);
                }
                row.push(value);
                beside.push(Some(cell));
            }
            sets.begin();
            let of_input: Vec<u32> = (self.inputs.iter().zip(&behind))
                .map(|(input, behind)| {
                    sets.set(group, behind[group].subjects, |pair| input.pairs[index(pair)].rows > 0)
                })
                .collect();
            of.push(
                codes.iter().map(|_| None).chain(self.input_of.iter().map(|input| Some(of_input[*input]))).collect(),
            );
            rows.push(row);
            evidence.push(beside);
        }
        let subjects = self.subjects.into_values().iter().map(subject).collect();
        let contributors = Contributors { dataset, subjects, sets: sets.finish(), of };
        WitnessedTable { columns, rows, evidence, contributors, relation }
    }

    fn columns(&self) -> Vec<WitnessedColumn> {
        let keys = self.keys.iter().map(|(_, info)| WitnessedColumn { info: info.clone(), role: Role::Key });
        let measures = self.question.measures.iter().map(|measure| {
            let (ty, nullable) = match measure {
                Measure::Count | Measure::Subjects | Measure::CountOf(_) => (ColumnType::Int64, false),
                Measure::Sum(_) | Measure::Mean(_) | Measure::Variance(_) | Measure::Covariance(_, _) => {
                    (ColumnType::Float64, true)
                }
            };
            WitnessedColumn {
                info: ColumnInfo { name: measure.name(), ty, nullable },
                role: Role::Measure(measure.clone()),
            }
        });
        keys.chain(measures).collect()
    }

    /// The codes of a group's keys, in the order of the columns.
    fn codes_of(&self, group: usize) -> Vec<u32> {
        let mut codes = Vec::with_capacity(self.levels.len());
        let mut group = group;
        for level in self.levels.iter().rev() {
            let (before, code) = level.groups.made_of()[group];
            codes.push(code);
            group = index(before);
        }
        codes.reverse();
        codes
    }
}

/// The rows and sums of a group's subjects: how many there are and the two largest of each.
#[derive(Clone, Copy, Default)]
struct Behind {
    subjects: u64,
    /// Subjects with a row that is not zero, and with one that is.
    with: u64,
    without: u64,
    rows: [f64; 2],
    sums: [f64; 2],
}

fn keep_largest(largest: &mut [f64; 2], value: f64) {
    // What is not a number could be anything; the rules then see the worst.
    let value = if value.is_nan() { f64::INFINITY } else { value.abs() };
    if value > largest[0] {
        *largest = [value, largest[0]];
    } else if value > largest[1] {
        largest[1] = value;
    }
}

impl Input {
    fn add_rows(&mut self, groups: &[u32], pairs: &[u32]) {
        for (group, pair) in groups.iter().zip(pairs) {
            self.groups[index(*group)].rows += 1;
            self.pairs[index(*pair)].rows += 1;
        }
    }

    fn add_column(&mut self, column: &Column, groups: &[u32], pairs: &[u32]) {
        let validity = column.validity.as_deref();
        let integers = if let ColumnData::Int64(values) = &column.data { Some(values) } else { None };
        for (row, value) in Numbers::of(&column.data).enumerate() {
            if !is_present(validity, row) {
                continue;
            }
            let moments = &mut self.groups[index(groups[row])];
            let contribution = &mut self.pairs[index(pairs[row])];
            moments.rows += 1;
            contribution.rows += 1;
            contribution.nonzero += u32::from(value != 0.0);
            contribution.sum += value;
            moments.negatives += u64::from(value < 0.0);
            moments.answer(value, value);
            if !value.is_finite() {
                moments.special += 1;
                moments.specials += value;
                continue;
            }
            match integers {
                Some(integers) => moments.whole += i128::from(integers[row]),
                None => moments.x.add(value),
            }
            moments.xy.add_product(value, value);
        }
    }

    /// `false` where a row has one column and not the other.
    fn add_product(&mut self, x: &Column, y: &Column, groups: &[u32], pairs: &[u32]) -> bool {
        for (row, (a, b)) in Numbers::of(&x.data).zip(Numbers::of(&y.data)).enumerate() {
            match (is_present(x.validity.as_deref(), row), is_present(y.validity.as_deref(), row)) {
                (true, true) => {}
                (false, false) => continue,
                (true, false) | (false, true) => return false,
            }
            let moments = &mut self.groups[index(groups[row])];
            let contribution = &mut self.pairs[index(pairs[row])];
            let product = a * b;
            moments.rows += 1;
            contribution.rows += 1;
            contribution.nonzero += u32::from(product != 0.0);
            contribution.sum += product;
            moments.negatives += u64::from(product < 0.0);
            moments.answer(a, b);
            if !product.is_finite() || !a.is_finite() || !b.is_finite() {
                moments.special += 1;
                moments.specials += product;
                continue;
            }
            moments.x.add(a);
            moments.y.add(b);
            moments.xy.add_product(a, b);
        }
        true
    }

    fn behind(&self, groups: usize, made_of_pair: &[(u32, u32)]) -> Vec<Behind> {
        let mut behind = vec![Behind::default(); groups];
        for (contribution, (group, _)) in self.pairs.iter().zip(made_of_pair) {
            if contribution.rows == 0 {
                continue;
            }
            let group = &mut behind[index(*group)];
            group.subjects += 1;
            group.with += u64::from(contribution.nonzero > 0);
            group.without += u64::from(contribution.nonzero < contribution.rows);
            keep_largest(&mut group.rows, f64::from(contribution.rows));
            keep_largest(&mut group.sums, contribution.sum);
        }
        behind
    }
}

impl Moments {
    /// Counts a row of two columns, or of one twice, if both are 0 or 1.
    fn answer(&mut self, x: f64, y: f64) {
        let place = |value: f64| {
            if value == 0.0 {
                Some(0)
            } else if value == 1.0 {
                Some(1)
            } else {
                None
            }
        };
        if let (Some(x), Some(y)) = (place(x), place(y)) {
            self.yes_or_no[2 * x + y] += 1;
        }
    }

    /// The fewest of those whom zeros and ones tell apart; 0 where there are other values too, or only one of the two.
    fn apart(&self, behind: &Behind) -> u64 {
        let told: Vec<u64> = self.yes_or_no.iter().copied().filter(|rows| *rows > 0).collect();
        if self.rows == 0 || told.iter().sum::<u64>() != self.rows || told.len() < 2 {
            return 0;
        }
        // A subject may have several rows.
        let subjects = [behind.with, behind.without].into_iter().filter(|subjects| *subjects > 0);
        told.iter().copied().chain(subjects).min().unwrap_or(0)
    }
}

/// A measure's value in one group, and what stands behind it.
fn figure(measure: &Measure, moments: &Moments, behind: &Behind) -> (Value, Evidence) {
    let rows = moments.rows;
    let counted = matches!(measure, Measure::Count | Measure::Subjects | Measure::CountOf(_));
    let n = Sum::from(rows);
    let mut special = if counted { 0 } else { moments.special };
    let sum = match measure {
        Measure::Count | Measure::Subjects | Measure::CountOf(_) => n.value(),
        Measure::Sum(_) | Measure::Mean(_) | Measure::Variance(_) => moments.x.value(),
        Measure::Covariance(_, _) => moments.xy.value(),
    };
    let mut figure = |finite: &dyn Fn() -> f64, needed: u64| {
        if rows < needed {
            return Value::Null;
        }
        let value = if special == 0 { finite() } else { moments.specials };
        if special == 0 && !value.is_finite() {
            special = 1;
        }
        Value::Float64(if value.is_nan() { f64::NAN } else { value })
    };
    let spread = |x: Sum, y: Sum| n.times(moments.xy).minus(x.times(y)).over(n.times(Sum::from(rows - 1))) + 0.0;
    let value = match measure {
        Measure::Count | Measure::CountOf(_) => Value::Int64(i64::try_from(rows).expect("no dataset has 2^63 rows")),
        Measure::Subjects => Value::Int64(i64::try_from(behind.subjects).expect("no dataset has 2^63 subjects")),
        Measure::Sum(_) => figure(&|| moments.x.value(), 1),
        Measure::Mean(_) => figure(&|| moments.x.over(n) + 0.0, 1),
        Measure::Variance(_) => figure(&|| not_negative(spread(moments.x, moments.x)), 2),
        Measure::Covariance(_, _) => figure(&|| spread(moments.x, moments.y), 2),
    };
    let [largest, second] = if counted { behind.rows } else { behind.sums };
    let evidence = Evidence {
        rows,
        subjects: behind.subjects,
        sum: if counted || moments.special == 0 { sum } else { moments.specials },
        largest,
        second,
        negatives: if counted { 0 } else { moments.negatives },
        degrees_of_freedom: i64::try_from(rows).expect("no dataset has 2^63 rows") - 1,
        special,
        apart: if counted { 0 } else { moments.apart(behind) },
    };
    (value, evidence)
}

/// Rounding must not make a variance negative; what is not a number stays so (`f64::max` would make it 0).
fn not_negative(value: f64) -> f64 {
    if value < 0.0 { 0.0 } else { value }
}

/// The slots of a numeric column as doubles; what cannot be read as a number is not a number.
struct Numbers;

impl Numbers {
    fn of(data: &ColumnData) -> Box<dyn Iterator<Item = f64> + '_> {
        match data {
            ColumnData::Boolean(values) => Box::new(values.iter().map(|value| f64::from(u8::from(*value != 0)))),
            #[allow(
                clippy::cast_precision_loss,
                reason = "sums of integers are exact beside this; squares are rounded beyond 2^53"
            )]
            ColumnData::Int64(values) => Box::new(values.iter().map(|value| *value as f64)),
            ColumnData::Float64(values) => Box::new(values.iter().copied()),
            ColumnData::Decimal(values) => Box::new(values.iter().map(|value| value.parse().unwrap_or(f64::NAN))),
            // only counted, never summed
            ColumnData::Text(values) => Box::new(values.iter().map(|_| 0.0)),
            ColumnData::Bytes(values) => Box::new(values.iter().map(|_| 0.0)),
            ColumnData::Date(values) => Box::new(values.iter().map(|_| 0.0)),
            ColumnData::Timestamp(values) => Box::new(values.iter().map(|_| 0.0)),
        }
    }
}
