//! A plot beside its table, drawn here from the canonical table alone: bars from nought, hidden figures drawn as hidden.
//!
//! What holds cells has no `Debug`: outputs never reach a log.

use super::text::{role, shown};
use protocol::disclosure::canonical::print;
use protocol::disclosure::table::{Measure, Role, Table};

/// Up to so many rows each bar has its own line and label.
const LABELLED: usize = 30;
/// More rows than this are no picture.
const MOST: usize = 400;
/// The picture's width, in its own units.
const WIDE: f64 = 640.0;
/// The room for labels on the left.
const LEFT: f64 = 190.0;
/// The room for figures on the right.
const RIGHT: f64 = 80.0;
/// The height of a line.
const LINE: f64 = 22.0;
/// The height of columns side by side.
const HIGH: f64 = 220.0;
/// The longest label, in characters.
const LABEL: usize = 23;

/// A picture.
pub(super) struct Chart {
    /// What is drawn.
    pub(super) title: String,
    /// Its size, in its own units.
    pub(super) width: String,
    /// See `width`.
    pub(super) height: String,
    /// Where nought is: two ends of a line.
    pub(super) nought: [String; 4],
    /// The bars.
    pub(super) bars: Vec<Bar>,
    /// How many figures are hidden and have no bar.
    pub(super) hidden: usize,
}

/// A bar with its words.
pub(super) struct Bar {
    /// Left, top, width, height.
    pub(super) x: String,
    /// See `x`.
    pub(super) y: String,
    /// See `x`.
    pub(super) w: String,
    /// See `x`.
    pub(super) h: String,
    /// What it is about.
    pub(super) label: String,
    /// Its figure; none for one that is hidden.
    pub(super) figure: Option<String>,
    /// Where the label and the figure stand, as x and y; none where bars are too many for words.
    pub(super) words: Option<[String; 4]>,
}

/// Draws the first count, or else the first figure, by group; none where there is nothing to compare.
#[must_use]
pub(super) fn chart(table: &Table) -> Option<Chart> {
    let rows = table.rows.len();
    let column = figures(table)?;
    if !(2..=MOST).contains(&rows) {
        return None;
    }
    let values: Vec<Option<f64>> =
        table.rows.iter().map(|row| row[column].number().filter(|value| value.is_finite())).collect();
    let low = values.iter().flatten().copied().fold(0.0, f64::min);
    let high = values.iter().flatten().copied().fold(0.0, f64::max);
    if high - low <= 0.0 || !(high - low).is_finite() {
        return None;
    }
    let groups = groups(table, column);
    let labels = table.rows.iter().map(|row| {
        let words: Vec<String> = groups.iter().map(|at| shown(&print(&row[*at]))).collect();
        let label = if words.is_empty() { String::new() } else { words.join(" · ") };
        if label.chars().count() > LABEL { label.chars().take(LABEL - 1).chain(['…']).collect() } else { label }
    });
    let labels: Vec<String> = labels.collect();
    let figure = |row: usize| values[row].map(|_| shown(&print(&table.rows[row][column])));
    let title = {
        let name = shown(&table.columns[column].name);
        let by: Vec<String> = groups.iter().map(|at| shown(&table.columns[*at].name)).collect();
        let holds = role(&table.columns[column].role);
        if by.is_empty() { format!("{name} ({holds})") } else { format!("{name} ({holds}) by {}", by.join(" and ")) }
    };
    let hidden = values.iter().filter(|value| value.is_none()).count();
    let scale = |value: f64| (value - low) / (high - low);
    let unit = |number: f64| format!("{number:.1}");
    let bars = values.iter().enumerate();
    if rows <= LABELLED {
        let across = WIDE - LEFT - RIGHT;
        let at = |value: f64| LEFT + across * scale(value);
        let height = LINE * count(rows) + 12.0;
        let bars = bars.map(|(row, value)| {
            let value = value.unwrap_or(0.0);
            let (from, to) = (at(value.min(0.0)), at(value.max(0.0)));
            let top = 6.0 + LINE * count(row);
            let base = unit(top + LINE * 0.68);
            Bar {
                x: unit(from),
                y: unit(top + 3.0),
                w: unit((to - from).max(if value == 0.0 { 0.0 } else { 1.0 })),
                h: unit(LINE - 6.0),
                label: labels[row].clone(),
                figure: figure(row),
                words: Some([unit(LEFT - 10.0), base.clone(), unit(to + 6.0), base]),
            }
        });
        let nought = [unit(at(0.0)), "2".to_owned(), unit(at(0.0)), unit(height - 2.0)];
        return Some(Chart { title, width: unit(WIDE), height: unit(height), nought, bars: bars.collect(), hidden });
    }
    let step = (WIDE - 20.0) / count(rows);
    let at = |value: f64| 10.0 + (HIGH - 20.0) * (1.0 - scale(value));
    let bars = bars.map(|(row, value)| {
        let value = value.unwrap_or(0.0);
        let (top, bottom) = (at(value.max(0.0)), at(value.min(0.0)));
        Bar {
            x: unit(10.0 + step * count(row)),
            y: unit(top),
            w: unit((step * 0.86).max(0.5)),
            h: unit((bottom - top).max(if value == 0.0 { 0.0 } else { 0.7 })),
            label: labels[row].clone(),
            figure: figure(row),
            words: None,
        }
    });
    let nought = ["6".to_owned(), unit(at(0.0)), unit(WIDE - 6.0), unit(at(0.0))];
    Some(Chart { title, width: unit(WIDE), height: unit(HIGH), nought, bars: bars.collect(), hidden })
}

/// The column that is drawn: a count before any other figure; of a component's own columns the last number.
fn figures(table: &Table) -> Option<usize> {
    let of = |wanted: fn(&Measure) -> bool| {
        table.columns.iter().position(|column| matches!(&column.role, Role::Measure(measure) if wanted(measure)))
    };
    of(|measure| matches!(measure, Measure::Count | Measure::Subjects))
        .or_else(|| of(|measure| matches!(measure, Measure::CountOf(_))))
        .or_else(|| of(|_| true))
        .or_else(|| table.columns.iter().rposition(|column| column.role == Role::Opaque && column.ty.is_number()))
}

/// The columns that name a bar: the keys; of a component's own columns the first one.
fn groups(table: &Table, figures: usize) -> Vec<usize> {
    let keys: Vec<usize> =
        table.columns.iter().enumerate().filter(|(_, column)| column.role == Role::Key).map(|(at, _)| at).collect();
    if keys.is_empty() && figures > 0 { vec![0] } else { keys }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::chart;
    use protocol::disclosure::canonical::parse_csv;
    use std::fmt::Write as _;

    #[test]
    fn bars_have_the_length_of_their_figures() {
        let drawn = chart(&parse_csv(b"sex,n\nf,100\nm,50\nx,\n").unwrap()).unwrap();
        let wide: Vec<f64> = drawn.bars.iter().map(|bar| bar.w.parse().unwrap()).collect();
        assert_eq!(drawn.title, "n (from the component) by sex");
        assert!((wide[0] - 2.0 * wide[1]).abs() < 0.2 && wide[2] == 0.0, "{wide:?}");
        assert_eq!((drawn.hidden, drawn.bars[2].figure.as_deref()), (1, None));
        let below = chart(&parse_csv(b"k,n\na,-10\nb,10\n").unwrap()).unwrap();
        assert!((below.bars[1].x.parse::<f64>().unwrap() - below.nought[0].parse::<f64>().unwrap()).abs() < 0.2);
    }

    #[test]
    fn what_is_no_picture_is_not_drawn_and_any_table_is_safe() {
        for csv in ["n\n5\n", "a,b\nx,y\nz,w\n", "a,n\nx,0\ny,0\n"] {
            assert!(chart(&parse_csv(csv.as_bytes()).unwrap()).is_none(), "{csv}");
        }
        let mut many = "k,n\n".to_owned();
        (0..400).for_each(|row| writeln!(many, "{row},{}", row * row).unwrap());
        let drawn = chart(&parse_csv(many.as_bytes()).unwrap()).unwrap();
        assert!(drawn.bars.len() == 400 && drawn.bars.iter().all(|bar| bar.words.is_none()));
        many.push_str("400,1\n");
        assert!(chart(&parse_csv(many.as_bytes()).unwrap()).is_none());
    }
}
