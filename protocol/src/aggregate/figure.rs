//! One group's figures from several parts: what each needs beside it, and how it is merged.

use crate::aggregate::moments::{Moments, Sum};
use crate::disclosure::table::{Cell, CellType, Column, Measure, Role};

/// Why a group has no merged row. Parts and columns are named by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A count that is null or negative, or a figure that is no number.
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
    /// Adds, and is never null.
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

/// The merged row of one group; `rows` are its rows and the parts that they come from, at least one.
pub(crate) fn merge_group(plan: &Plan, rows: &[(usize, &[Cell])]) -> Result<Vec<Cell>, Fault> {
    let mut merged = Vec::with_capacity(plan.figures.len() + plan.correlations.len());
    for (column, figure) in plan.figures.iter().enumerate() {
        merged.push(match figure {
            Figure::Key => rows.first().map_or(Cell::Null, |(_, row)| row[column].clone()),
            Figure::Count => add_counts(rows, column)?,
            Figure::Sum { count, ty } => add_sums(rows, column, *count, *ty)?,
            Figure::Mean(source) => {
                real(merge_moments(rows, source)?.filter(|moments| moments.count > 0.0).map(|moments| moments.mean_x))
            }
            Figure::Variance(source) | Figure::Covariance(source) => {
                real(merge_moments(rows, source)?.and_then(|moments| moments.covariance()))
            }
        });
    }
    for correlation in &plan.correlations {
        merged.push(real(correlate(&merged, correlation)));
    }
    Ok(merged)
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

fn add_counts(rows: &[(usize, &[Cell])], column: usize) -> Result<Cell, Fault> {
    let mut total = 0_i64;
    for (part, row) in rows {
        total = match row[column] {
            Cell::Integer(value) if value >= 0 => total.checked_add(value).ok_or(Fault::Overflow { column })?,
            _ => {
                return Err(Fault::NotAFigure { part: *part, column });
            }
        };
    }
    Ok(Cell::Integer(total))
}

/// A count as a double; `None` when the cell holds no whole number from 0 on.
fn count_in(row: &[Cell], column: usize) -> Option<f64> {
    match row[column] {
        Cell::Integer(value) if value >= 0 => row[column].number(),
        _ => None,
    }
}

fn add_sums(rows: &[(usize, &[Cell])], column: usize, count: Option<usize>, ty: CellType) -> Result<Cell, Fault> {
    let mut exact = Some(0_i64);
    let mut sum = Sum::default();
    let mut seen = false;
    for (part, row) in rows {
        let cell = &row[column];
        match (cell, cell.number()) {
            (Cell::Null, _) => {
                let there = count.and_then(|count| count_in(row, count)).is_some_and(|count| count > 0.0);
                if there {
                    return Ok(Cell::Null);
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
    match ty {
        _ if !seen => Ok(Cell::Null),
        CellType::Integer => exact.map(Cell::Integer).ok_or(Fault::Overflow { column }),
        _ => Ok(real(Some(sum.value()))),
    }
}

/// The moments of the whole group; `None` where a part withheld a figure that it must have.
fn merge_moments(rows: &[(usize, &[Cell])], source: &Source) -> Result<Option<Moments>, Fault> {
    let mut whole = Moments::default();
    for (part, row) in rows {
        let count = |column: usize| count_in(row, column).ok_or(Fault::NotAFigure { part: *part, column });
        let figure = |column: usize| match (&row[column], row[column].number()) {
            (Cell::Null, _) => Ok(None),
            (_, None) => Err(Fault::NotAFigure { part: *part, column }),
            (_, number) => Ok(number),
        };
        let rows_here = count(source.count)?;
        if let Some(other) = source.other_count
            && count(other)?.total_cmp(&rows_here).is_ne()
        {
            return Err(Fault::Unpaired { part: *part, column: source.column });
        }
        if rows_here < 1.0 {
            continue;
        }
        let (Some(mean_x), Some(mean_y)) = (figure(source.mean_x)?, figure(source.mean_y)?) else {
            return Ok(None);
        };
        // The variance of one row is null, and there is nothing to add.
        let products = match source.products {
            Some(products) if rows_here >= 2.0 => match figure(products)? {
                Some(covariance) => covariance * (rows_here - 1.0),
                None => return Ok(None),
            },
            _ => 0.0,
        };
        whole = whole.with(Moments { count: rows_here, mean_x, mean_y, products });
    }
    Ok(Some(whole))
}
