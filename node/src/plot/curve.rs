//! Survival curves for people: steps of characters in a terminal, or one SVG file that shows the same.

use super::{escaped, figure, small};
use std::fmt::Write as _;

/// One curve: what it is of, and where it falls to what; it begins at 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What it is of.
    pub label: String,
    /// Times, ascending, and the share that is event-free from there on.
    pub points: Vec<(f64, f64)>,
}

/// The lines of a drawing in a terminal, without the one of times and the legend.
const LINES: usize = 16;

/// What curves are drawn with, one after the other.
const MARKS: [char; 8] = ['●', '○', '▲', '△', '■', '□', '◆', '◇'];

/// Their colours, told apart by people who see few.
const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999"];

impl Curve {
    /// The share that is event-free at a time.
    fn at(&self, time: f64) -> f64 {
        let before = self.points.iter().take_while(|(from, _)| *from <= time);
        before.last().map_or(1.0, |(_, share)| share.clamp(0.0, 1.0))
    }
}

fn last(curves: &[Curve]) -> f64 {
    let times = curves.iter().flat_map(|curve| &curve.points).map(|(time, _)| *time);
    let last = times.filter(|time| time.is_finite()).fold(0.0, f64::max);
    if last > 0.0 { last } else { 1.0 }
}

/// Curves over time, from 1 above to 0 below, and a legend.
#[must_use]
pub fn steps(curves: &[Curve], width: usize) -> Vec<String> {
    let room = width.max(super::NARROWEST) - 7;
    let last = last(curves);
    let mut lines = vec![vec![' '; room]; LINES + 1];
    for (curve, mark) in curves.iter().zip(MARKS.iter().cycle()) {
        let line_of = |column: usize| {
            let share = curve.at(last * small(column) / small(room - 1));
            (0..=LINES).find(|line| share * small(LINES) >= small(LINES - line) - 0.5).unwrap_or(LINES)
        };
        for (column, line) in (0..room).map(line_of).enumerate() {
            lines[line][column] = *mark;
        }
    }
    let label = |line: usize| {
        if line.is_multiple_of(4) { format!("{:.2}", 1.0 - small(line) / small(LINES)) } else { String::new() }
    };
    let mut drawn: Vec<String> = (lines.iter().enumerate())
        .map(|(line, marks)| format!("{:>5} │{}", label(line), marks.iter().collect::<String>()).trim_end().to_owned())
        .collect();
    let end = figure(last);
    drawn.push(format!("      └{}", "─".repeat(room)));
    drawn.push(format!("       0{end:>pad$}", pad = room.saturating_sub(1)));
    if curves.len() > 1 {
        let legend = curves.iter().zip(MARKS.iter().cycle()).map(|(curve, mark)| format!("{mark} {}", curve.label));
        drawn.push(format!("       {}", legend.collect::<Vec<_>>().join("   ")));
    }
    drawn
}

/// An SVG 1.1 document with the curves as steps.
#[must_use]
pub fn svg(title: &str, horizontal: &str, curves: &[Curve]) -> String {
    const WIDE: f64 = 720.0;
    const HIGH: f64 = 420.0;
    const EDGE: f64 = 64.0;
    let (across, up) = (WIDE - 2.0 * EDGE, HIGH - 2.0 * EDGE);
    let last = last(curves);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDE} {HIGH}\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>{title}</title>\n<rect width=\"{WIDE}\" height=\"{HIGH}\" fill=\"#ffffff\"/>\n\
         <text x=\"{middle}\" y=\"28\" text-anchor=\"middle\" font-size=\"16\">{title}</text>\n\
         <text x=\"{middle}\" y=\"{foot}\" text-anchor=\"middle\">{horizontal}</text>\n",
        title = escaped(title),
        horizontal = escaped(horizontal),
        middle = WIDE / 2.0,
        foot = HIGH - 14.0,
    );
    for quarter in 0..=4_u8 {
        let share = f64::from(quarter) / 4.0;
        let (y, x) = (HIGH - EDGE - up * share, EDGE + across * share);
        let said = figure((last * share * 100.0).round() / 100.0);
        write!(
            svg,
            "<line x1=\"{EDGE}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#cccccc\"/>\n\
             <text x=\"{label}\" y=\"{base:.1}\" text-anchor=\"end\">{share:.2}</text>\n\
             <text x=\"{x:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">{said}</text>\n",
            right = WIDE - EDGE,
            label = EDGE - 8.0,
            base = y + 4.0,
            below = HIGH - EDGE + 18.0,
        )
        .expect("a String takes all that is written");
    }
    for (place, (curve, colour)) in curves.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let mut path = format!("M{EDGE:.1} {EDGE:.1}");
        for (time, share) in curve.points.iter().filter(|(time, share)| time.is_finite() && share.is_finite()) {
            write!(path, " H{:.1} V{:.1}", EDGE + across * time / last, HIGH - EDGE - up * share.clamp(0.0, 1.0))
                .expect("a String takes all that is written");
        }
        writeln!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"><title>{label}</title></path>\n\
             <text x=\"{x}\" y=\"{y}\" text-anchor=\"end\" fill=\"{colour}\">{label}</text>",
            label = escaped(&curve.label),
            x = WIDE - EDGE - 4.0,
            y = EDGE + 16.0 * (small(place) + 1.0),
        )
        .expect("a String takes all that is written");
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::{Curve, steps, svg};

    fn curves() -> Vec<Curve> {
        let curve = |label: &str, half| Curve { label: label.to_owned(), points: vec![(half, 0.5), (20.0, 0.25)] };
        vec![curve("sex=F", 10.0), curve("sex=M", 5.0)]
    }

    #[test]
    fn a_curve_falls_from_left_to_right() {
        let drawn = steps(&curves(), 47);
        assert!(drawn[0].starts_with(" 1.00 │○○○○○○○○○○●●●"), "{}", drawn[0]);
        assert!(drawn[8].starts_with(" 0.50 │          ○○○"), "{}", drawn[8]);
        assert!(drawn.iter().all(|line| line.chars().count() <= 47));
        assert!(drawn.last().is_some_and(|line| line.contains("● sex=F   ○ sex=M")));
    }

    #[test]
    fn any_figures_can_be_drawn() {
        let odd = Curve { label: String::new(), points: vec![(f64::NAN, f64::NAN), (f64::INFINITY, -1.0)] };
        for curves in [vec![], vec![odd]] {
            assert!(!steps(&curves, 0).is_empty());
            assert!(svg("t", "x", &curves).ends_with("</svg>\n"));
        }
        let drawn = svg("<b>", "time", &[Curve { label: "<i>".into(), ..curves()[0].clone() }]);
        assert!(!drawn.contains("<b>") && !drawn.contains("<i>"));
        assert!(drawn.contains("M64.0 64.0 H360.0 V210.0 H656.0 V283.0"), "{drawn}");
    }
}
