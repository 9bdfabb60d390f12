//! One group's figures from several parts: what each needs beside it, and how it is merged.

use crate::aggregate::moments::{Moments, Sum};
use crate::disclosure::table::{Cell, CellType, Column, Measure, Role};
use std::collections::{BTreeMap, BTreeSet};

/// Why a group has no merged row. Parts and columns are named by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A count that is negative, or a figure that is no number.
    NotAFigure { part: usize, column: usize },
    /// The two columns of a covariance are not present in equally many rows.
    Unpaired { part: usize, column: usize },
    /// A sum beyond 64 bits.
    Overflow { column: usize },
}

/// How each column of a table is merged.
pub(crate) struct Plan {
    /// The columns that name a group.
    pub(crate) keys: Vec<usize>,
    /// One for each column.
    figures: Vec<Figure>,
    /// What follows from the figures.
    pub(crate) correlations: Vec<Correlation>,
}

/// How one column is merged; the numbers are the columns that it needs.
enum Figure {
    Key,
    /// Adds; null means that it is suppressed.
    Count,
    /// Adds; null means that there is nothing to add, unless this count says otherwise.
    Sum {
        count: Option<usize>,
        ty: CellType,
    },
    /// Merges as moments.
    Mean(Source),
    Variance(Source),
    Covariance(Source),
}

/// The columns that hold the moments of one or two source columns; for one, `x` and `y` are the same.
#[derive(Clone, Copy)]
struct Source {
    column: usize,
    count: usize,
    other_count: Option<usize>,
    mean_x: usize,
    mean_y: usize,
    /// The variance or covariance; `None` for a mean alone.
    products: Option<usize>,
}

/// Pearson's product-moment correlation coefficient of two source columns.
pub(crate) struct Correlation {
    /// `pmcc_x_y`.
    pub(crate) name: String,
    covariance: usize,
    mean_x: usize,
    variance_x: usize,
    mean_y: usize,
    variance_y: usize,
}

impl Plan {
    /// Finds for every figure what it needs.
    ///
    /// # Errors
    /// The place of a figure and the measure that is missing beside it.
    pub(crate) fn of(columns: &[Column]) -> Result<Self, (usize, Measure)> {
        let find = |measure: &Measure| {
            columns.iter().position(|column| matches!(&column.role, Role::Measure(other) if other == measure))
        };
        let mut plan = Self { keys: Vec::new(), figures: Vec::new(), correlations: Vec::new() };
        for (column, described) in columns.iter().enumerate() {
            let need = |measure: Measure| find(&measure).ok_or((column, measure));
            let single = |x: &String, products: bool| -> Result<Source, (usize, Measure)> {
                let count = need(Measure::CountOf(x.clone()))?;
                let mean = need(Measure::Mean(x.clone()))?;
                Ok(Source {
                    column,
                    count,
                    other_count: None,
                    mean_x: mean,
                    mean_y: mean,
                    products: products.then_some(column),
                })
            };
            let figure = match &described.role {
                // A column that is no figure names the group: the caller lets no opaque one in.
                Role::Key | Role::Opaque => {
                    plan.keys.push(column);
                    Figure::Key
                }
                Role::Measure(Measure::Count | Measure::Subjects | Measure::CountOf(_)) => Figure::Count,
                Role::Measure(Measure::Sum(x)) => {
                    Figure::Sum { count: find(&Measure::CountOf(x.clone())), ty: described.ty }
                }
                Role::Measure(Measure::Mean(x)) => Figure::Mean(single(x, false)?),
                Role::Measure(Measure::Variance(x)) => Figure::Variance(single(x, true)?),
                Role::Measure(Measure::Covariance(x, y)) => {
                    let source = Source {
                        column,
                        count: need(Measure::CountOf(x.clone()))?,
                        other_count: find(&Measure::CountOf(y.clone())),
                        mean_x: need(Measure::Mean(x.clone()))?,
                        mean_y: need(Measure::Mean(y.clone()))?,
                        products: Some(column),
                    };
                    if let (Some(variance_x), Some(variance_y)) =
                        (find(&Measure::Variance(x.clone())), find(&Measure::Variance(y.clone())))
                    {
                        plan.correlations.push(Correlation {
                            name: format!("pmcc_{x}_{y}"),
                            covariance: column,
                            mean_x: source.mean_x,
                            variance_x,
                            mean_y: source.mean_y,
                            variance_y,
                        });
                    }
                    Figure::Covariance(source)
                }
            };
            plan.figures.push(figure);
        }
        Ok(plan)
    }
}

/// One group's merged figures.
pub(crate) struct Group {
    /// A cell for each column, and for each correlation.
    pub(crate) cells: Vec<Cell>,
    /// By column: the parts without which a figure stays unknown, ascending.
    pub(crate) partial: BTreeMap<usize, Vec<usize>>,
}

/// A merged figure, or the parts that suppressed what it needs.
enum Merge {
    Known(Cell),
    Lacks(BTreeSet<usize>),
}

/// The merged row of one group; `rows` are its rows and the parts that they come from, at least one.
pub(crate) fn merge_group(plan: &Plan, rows: &[(usize, &[Cell])]) -> Result<Group, Fault> {
    let mut merged = Vec::with_capacity(plan.figures.len() + plan.correlations.len());
    let mut partial = BTreeMap::new();
    for (column, figure) in plan.figures.iter().enumerate() {
        let merge = match figure {
            Figure::Key => Merge::Known(rows.first().map_or(Cell::Null, |(_, row)| row[column].clone())),
            Figure::Count => add_counts(rows, column)?,
            Figure::Sum { count, ty } => add_sums(rows, column, *count, *ty)?,
            Figure::Mean(source) => merge_moments(rows, source, |whole| (whole.count > 0.0).then_some(whole.mean_x))?,
            Figure::Variance(source) | Figure::Covariance(source) => merge_moments(rows, source, Moments::covariance)?,
        };
        merged.push(match merge {
            Merge::Known(cell) => cell,
            Merge::Lacks(parts) => {
                partial.insert(column, parts.into_iter().collect());
                Cell::Null
            }
        });
    }
    for correlation in &plan.correlations {
        let lacks: BTreeSet<usize> =
            correlation.needs().iter().filter_map(|column| partial.get(column)).flatten().copied().collect();
        if !lacks.is_empty() {
            partial.insert(merged.len(), lacks.into_iter().collect());
        }
        merged.push(real(correlate(&merged, correlation)));
    }
    Ok(Group { cells: merged, partial })
}

impl Correlation {
    fn needs(&self) -> [usize; 5] {
        [self.covariance, self.mean_x, self.variance_x, self.mean_y, self.variance_y]
    }
}

/// A figure, or null where there is none or it is beyond a double.
fn real(value: Option<f64>) -> Cell {
    value.filter(|value| value.is_finite()).map_or(Cell::Null, |value| Cell::Real(value + 0.0))
}

/// A variance under this share of the mean's square is what rounding left of none: means that are rounded to twelve digits differ by less
/// than 1e-11 of themselves.
const NO_VARIANCE: f64 = 1e-22;

/// Cov(x, y) / (sd(x) · sd(y)); none where a column does not vary. Rounding cannot carry it beyond ±1.
fn correlate(row: &[Cell], correlation: &Correlation) -> Option<f64> {
    let deviation = |mean: usize, variance: usize| {
        let (mean, variance) = (row[mean].number()?, row[variance].number()?);
        (variance > NO_VARIANCE * mean * mean).then(|| variance.sqrt())
    };
    let by_x = deviation(correlation.mean_x, correlation.variance_x)?;
    let by_y = deviation(correlation.mean_y, correlation.variance_y)?;
    let covariance = row[correlation.covariance].number()?;
    Some((covariance / by_x / by_y).clamp(-1.0, 1.0))
}

fn add_counts(rows: &[(usize, &[Cell])], column: usize) -> Result<Merge, Fault> {
    let mut total = 0_i64;
    let mut lacks = BTreeSet::new();
    for (part, row) in rows {
        match row[column] {
            Cell::Integer(value) if value >= 0 => {
                total = total.checked_add(value).ok_or(Fault::Overflow { column })?;
            }
            Cell::Null => {
                lacks.insert(*part);
            }
            _ => {
                return Err(Fault::NotAFigure { part: *part, column });
            }
        }
    }
    Ok(if lacks.is_empty() { Merge::Known(Cell::Integer(total)) } else { Merge::Lacks(lacks) })
}

/// A count as a double, or none where it is suppressed.
fn count_in(row: &[Cell], column: usize, part: usize) -> Result<Option<f64>, Fault> {
    match row[column] {
        Cell::Null => Ok(None),
        Cell::Integer(value) if value >= 0 => Ok(row[column].number()),
        _ => Err(Fault::NotAFigure { part, column }),
    }
}

fn add_sums(rows: &[(usize, &[Cell])], column: usize, count: Option<usize>, ty: CellType) -> Result<Merge, Fault> {
    let mut exact = Some(0_i64);
    let mut sum = Sum::default();
    let mut seen = false;
    let mut lacks = BTreeSet::new();
    for (part, row) in rows {
        let cell = &row[column];
        match (cell, cell.number()) {
            (Cell::Null, _) => {
                // Without a count beside it, or with one of 0, there is nothing to add.
                if let Some(count) = count
                    && count_in(row, count, *part)?.is_none_or(|count| count > 0.0)
                {
                    lacks.insert(*part);
                }
            }
            (_, None) => {
                return Err(Fault::NotAFigure { part: *part, column });
            }
            (Cell::Integer(value), _) => {
                seen = true;
                exact = exact.and_then(|exact| exact.checked_add(*value));
            }
            (_, Some(value)) => {
                seen = true;
                sum.add(value);
            }
        }
    }
    Ok(match ty {
        _ if !lacks.is_empty() => Merge::Lacks(lacks),
        _ if !seen => Merge::Known(Cell::Null),
        CellType::Integer => Merge::Known(Cell::Integer(exact.ok_or(Fault::Overflow { column })?)),
        _ => Merge::Known(real(Some(sum.value()))),
    })
}

/// A figure from the moments of the whole group, or the parts that suppressed one that it must have.
fn merge_moments(
    rows: &[(usize, &[Cell])],
    source: &Source,
    figure: impl Fn(&Moments) -> Option<f64>,
) -> Result<Merge, Fault> {
    let mut whole = Moments::default();
    let mut lacks = BTreeSet::new();
    for (part, row) in rows {
        match part_moments(*part, row, source)? {
            Some(moments) if moments.count > 0.0 => whole = whole.with(moments),
            Some(_) => {}
            None => {
                lacks.insert(*part);
            }
        }
    }
    Ok(if lacks.is_empty() { Merge::Known(real(figure(&whole))) } else { Merge::Lacks(lacks) })
}

/// The moments of one part's group; none where one of them is suppressed.
fn part_moments(part: usize, row: &[Cell], source: &Source) -> Result<Option<Moments>, Fault> {
    let figure = |column: usize| match (&row[column], row[column].number()) {
        (Cell::Null, _) => Ok(None),
        (_, None) => Err(Fault::NotAFigure { part, column }),
        (_, number) => Ok(number),
    };
    let Some(count) = count_in(row, source.count, part)? else { return Ok(None) };
    if let Some(other) = source.other_count {
        let Some(other) = count_in(row, other, part)? else { return Ok(None) };
        if other.total_cmp(&count).is_ne() {
            return Err(Fault::Unpaired { part, column: source.column });
        }
    }
    if count < 1.0 {
        return Ok(Some(Moments::default()));
    }
    let (Some(mean_x), Some(mean_y)) = (figure(source.mean_x)?, figure(source.mean_y)?) else { return Ok(None) };
    // The variance of one row is null, and there is nothing to add.
    let products = match source.products {
        Some(products) if count >= 2.0 => match figure(products)? {
            Some(covariance) => covariance * (count - 1.0),
            None => return Ok(None),
        },
        _ => 0.0,
    };
    Ok(Some(Moments { count, mean_x, mean_y, products }))
}
