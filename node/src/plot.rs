//! Histograms for people: bars of block characters in a terminal, or one SVG file that shows the same; [`curve`] does it for curves.

pub mod curve;

use std::fmt::Write as _;

/// The narrowest drawing, in characters.
const NARROWEST: usize = 30;

/// Eighths of a character cell, from one to seven.
const EIGHTHS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// Bars from left to right, one line for each bin; the longest fills the `width` in characters that labels and figures leave.
#[must_use]
pub fn bars(bins: &[(f64, f64)], width: usize) -> Vec<String> {
    let labels: Vec<(String, String)> = bins.iter().map(|(from, count)| (figure(*from), figure(*count))).collect();
    let widest = |of: fn(&(String, String)) -> &String| labels.iter().map(|one| of(one).len()).max().unwrap_or(0);
    let (left, right) = (widest(|one| &one.0), widest(|one| &one.1));
    let room = width.max(NARROWEST).saturating_sub(left + right + 4).max(8);
    let most = most(bins);
    bins.iter()
        .zip(&labels)
        .map(|((_, count), (from, said))| {
            let bar = bar(share(*count, most), room);
            format!("{from:>left$} │{bar}{pad} {said}", pad = " ".repeat(room - bar.chars().count()))
        })
        .collect()
}

/// A bar of `room` characters times `share`, which lies between 0 and 1; never empty for what is more than nothing.
fn bar(share: f64, room: usize) -> String {
    let eighths = (0..=room * 8).rev().find(|eighths| small(*eighths) <= share * small(room * 8)).unwrap_or(0);
    let eighths = if share > 0.0 { eighths.max(1) } else { eighths };
    let mut bar = "█".repeat(eighths / 8);
    if let Some(part) = (eighths % 8).checked_sub(1) {
        bar.push(EIGHTHS[part]);
    }
    bar
}

/// An SVG 1.1 document with the bars side by side, the bins' beginnings under them and their counts in tooltips.
#[must_use]
pub fn svg(title: &str, horizontal: &str, bins: &[(f64, f64)]) -> String {
    const WIDE: f64 = 720.0;
    const HIGH: f64 = 420.0;
    const EDGE: f64 = 64.0;
    let (across, up) = (WIDE - 2.0 * EDGE, HIGH - 2.0 * EDGE);
    let most = most(bins);
    let step = across / small(bins.len().max(1));
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
        let at = HIGH - EDGE - up * f64::from(quarter) / 4.0;
        let said = figure((most * f64::from(quarter) / 4.0 * 100.0).round() / 100.0);
        write!(
            svg,
            "<line x1=\"{EDGE}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#cccccc\"/>\n\
             <text x=\"{label}\" y=\"{base:.1}\" text-anchor=\"end\">{said}</text>\n",
            right = WIDE - EDGE,
            label = EDGE - 8.0,
            base = at + 4.0,
        )
        .expect("a String takes all that is written");
    }
    // Labels that would touch each other are left out.
    let every = (bins.len() / 12).max(1);
    for (place, (from, count)) in bins.iter().enumerate() {
        let high = up * share(*count, most);
        let (x, y) = (EDGE + step * small(place), HIGH - EDGE - high);
        let (label, said) = (figure(*from), figure(*count));
        writeln!(
            svg,
            "<rect x=\"{:.2}\" y=\"{y:.2}\" width=\"{:.2}\" height=\"{high:.2}\" fill=\"#1f6f8b\"><title>{label}: {said}</title></rect>",
            x + step * 0.04,
            step * 0.92,
        )
        .expect("a String takes all that is written");
        if place % every == 0 {
            writeln!(svg, "<text x=\"{x:.2}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>", HIGH - EDGE + 18.0)
                .expect("a String takes all that is written");
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// The largest count; 1 where there is none, so that it can be divided by.
fn most(bins: &[(f64, f64)]) -> f64 {
    let most = bins.iter().map(|(_, count)| *count).filter(|count| count.is_finite()).fold(0.0, f64::max);
    if most > 0.0 { most } else { 1.0 }
}

fn share(count: f64, most: f64) -> f64 {
    if count.is_finite() { (count / most).clamp(0.0, 1.0) } else { 0.0 }
}

fn small(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// The shortest text that reads back as the same number.
fn figure(number: f64) -> String {
    if number == 0.0 { "0".to_owned() } else { format!("{number}") }
}

/// Text as XML 1.0 character data and attribute values take it (section 2.4); control characters have no form there.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{bars, svg};

    #[test]
    fn the_longest_bar_fills_the_room_and_small_ones_are_seen() {
        let drawn = bars(&[(0.0, 1.0), (10.0, 400.0), (20.0, 200.0), (30.0, 0.0)], 40);
        assert_eq!(drawn[0], " 0 │▏                               1");
        assert_eq!(drawn[1].matches('█').count(), 31);
        assert_eq!(drawn[2].matches('█').count(), 15);
        assert!(!drawn[3].contains(['█', '▏']), "nothing is nothing");
        assert!(drawn.iter().all(|line| line.chars().count() <= 40 && line.ends_with(char::is_numeric)));
    }

    #[test]
    fn any_figures_can_be_drawn() {
        for bins in
            [&[][..], &[(f64::NAN, f64::NAN), (f64::INFINITY, f64::INFINITY), (-1.5, -3.0)][..], &[(1e300, 1e300)][..]]
        {
            assert_eq!(bars(bins, 0).len(), bins.len());
            assert!(svg("t", "x", bins).ends_with("</svg>\n"));
        }
    }

    #[test]
    fn a_title_is_text_and_no_markup() {
        let drawn = svg("<script>alert('1')</script> & \u{1b}", "\"", &[(1.0, 2.0)]);
        assert!(!drawn.contains("<script") && !drawn.contains('\u{1b}'));
        assert!(drawn.contains("&lt;script&gt;alert(&apos;1&apos;)&lt;/script&gt; &amp;"));
        assert_eq!(drawn.matches("<rect").count(), 2);
    }
}
