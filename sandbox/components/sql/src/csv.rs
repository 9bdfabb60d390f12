//! The form: RFC 4180 with a header, lines that end in LF, quotes only where they are needed.
//!
//! A null is an empty field (`""` in a column that stands alone, where an empty line would be no row) and an empty text is `""`. Booleans are `true` and `false`, dates and times ISO 8601 (UTC), bytes
//! lower-case hex, floats the shortest text that reads back as the same number.

use guest::bindings::quintes::analysis::types::{Column, ColumnData, ColumnInfo};
use std::fmt::Write as _;

/// Seconds in a day.
const DAY: i64 = 86_400;

/// Text that grows row by row and is taken away in parts.
#[derive(Debug)]
pub struct Writer {
    text: String,
}

impl Writer {
    /// Begins with the header.
    #[must_use]
    pub fn new(schema: &[ColumnInfo]) -> Self {
        let mut writer = Self { text: String::new() };
        for (index, column) in schema.iter().enumerate() {
            writer.separate(index);
            writer.quoted(&column.name);
        }
        writer.text.push('\n');
        writer
    }

    /// Adds the row `row` of a batch. Fails only when the host's batch is shorter than it says.
    pub fn row(&mut self, columns: &[Column], row: usize) -> Result<(), String> {
        for (index, column) in columns.iter().enumerate() {
            self.separate(index);
            if present(column, row) {
                self.field(&column.data, row).ok_or("the host's batch has fewer values than rows")?;
            } else if columns.len() == 1 {
                // an empty line would be no row at all
                self.text.push_str("\"\"");
            }
        }
        self.text.push('\n');
        Ok(())
    }

    /// What has been written since the last [`Writer::clear`].
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Forgets what was handed over.
    pub fn clear(&mut self) {
        self.text.clear();
    }

    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.text.push(',');
        }
    }

    fn field(&mut self, data: &ColumnData, row: usize) -> Option<()> {
        match data {
            ColumnData::Boolean(values) => self.text.push_str(if *values.get(row)? == 0 { "false" } else { "true" }),
            ColumnData::Int64(values) => self.show(values.get(row)?),
            ColumnData::Float64(values) => self.float(*values.get(row)?),
            ColumnData::Decimal(values) => self.text.push_str(values.get(row)?),
            ColumnData::Text(values) => self.quoted(values.get(row)?),
            ColumnData::Bytes(values) => {
                values.get(row)?.iter().for_each(|byte| self.show(&format_args!("{byte:02x}")))
            }
            ColumnData::Date(values) => self.date(i64::from(*values.get(row)?)),
            ColumnData::Timestamp(values) => self.timestamp(*values.get(row)?),
        }
        Some(())
    }

    fn show(&mut self, value: &dyn std::fmt::Display) {
        write!(self.text, "{value}").expect("a String takes every write");
    }

    /// RFC 4180 section 2: quotes around a field with a comma, a quote or a line break; a quote inside is doubled.
    fn quoted(&mut self, text: &str) {
        let edge = |c: Option<char>| c.is_none_or(char::is_whitespace);
        if !edge(text.chars().next()) && !edge(text.chars().next_back()) && !text.contains([',', '"', '\n', '\r']) {
            self.text.push_str(text);
            return;
        }
        self.text.push('"');
        for (index, part) in text.split('"').enumerate() {
            if index > 0 {
                self.text.push_str("\"\"");
            }
            self.text.push_str(part);
        }
        self.text.push('"');
    }

    /// Shortest text that reads back; an exponent where the digits alone would be long. There is no −0 and no NaN payload.
    fn float(&mut self, value: f64) {
        let size = value.abs();
        if value == 0.0 {
            self.text.push('0');
        } else if !value.is_finite() || (1e-5..1e16).contains(&size) {
            self.show(&value);
        } else {
            self.show(&format_args!("{value:e}"));
        }
    }

    fn date(&mut self, days: i64) {
        let (year, month, day) = civil(days);
        if (0..=9999).contains(&year) {
            self.show(&format_args!("{year:04}-{month:02}-{day:02}"));
        } else {
            // ISO 8601-1 section 4.3.2: an expanded year carries its sign
            self.show(&format_args!("{year:+07}-{month:02}-{day:02}"));
        }
    }

    fn timestamp(&mut self, micros: i64) {
        let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        self.date(seconds.div_euclid(DAY));
        let second = seconds.rem_euclid(DAY);
        self.show(&format_args!("T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60));
        if fraction != 0 {
            let digits = format!("{fraction:06}");
            self.show(&format_args!(".{}", digits.trim_end_matches('0')));
        }
        self.text.push('Z');
    }
}

/// Whether the bitmap (Arrow: least significant bit first) has a value at `row`.
fn present(column: &Column, row: usize) -> bool {
    column.validity.as_ref().is_none_or(|bits| bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1))
}

/// Year, month and day of a day since 1970-01-01, in the proleptic Gregorian calendar (Hinnant, "chrono-compatible
/// low-level date algorithms"): eras of 400 years that begin on 1 March.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{Writer, civil};
    use guest::bindings::quintes::analysis::types::{Column, ColumnData, ColumnInfo, ColumnType};

    fn column(data: ColumnData) -> Column {
        Column { validity: None, data }
    }

    fn lines(names: &[&str], columns: &[Column], rows: usize) -> String {
        let schema: Vec<ColumnInfo> = names
            .iter()
            .map(|name| ColumnInfo { name: (*name).into(), ty: ColumnType::Text, nullable: true })
            .collect();
        let mut writer = Writer::new(&schema);
        for row in 0..rows {
            writer.row(columns, row).unwrap();
        }
        String::from_utf8(writer.bytes().to_vec()).unwrap()
    }

    #[test]
    fn text_is_quoted_where_it_must_be() {
        let texts = ["plain", "a,b", "say \"no\"", "two\nlines", "", " edge", "é"];
        let columns = [column(ColumnData::Text(texts.iter().map(|text| (*text).into()).collect()))];
        assert_eq!(
            lines(&["a \"name\""], &columns, texts.len()),
            "\"a \"\"name\"\"\"\nplain\n\"a,b\"\n\"say \"\"no\"\"\"\n\"two\nlines\"\n\"\"\n\" edge\"\né\n"
        );
    }

    #[test]
    fn a_null_is_empty_by_the_bitmap() {
        let columns = [
            Column { validity: Some(vec![0b101]), data: ColumnData::Int64(vec![1, 0, 3]) },
            column(ColumnData::Boolean(vec![1, 0, 1])),
        ];
        assert_eq!(lines(&["n"], &columns[..1], 3), "n\n1\n\"\"\n3\n");
        assert_eq!(lines(&["n", "b"], &columns, 3), "n,b\n1,true\n,false\n3,true\n");
    }

    #[test]
    fn floats_read_back_as_they_were() {
        let values =
            [0.1, 1.0, -0.0, 1e300, 5e-324, 0.1 + 0.2, 123_456_789.125, f64::MAX, f64::MIN_POSITIVE, 1e16, 1e-5];
        let text = lines(&["x"], &[column(ColumnData::Float64(values.to_vec()))], values.len());
        for (line, value) in text.lines().skip(1).zip(values) {
            assert_eq!(line.parse::<f64>().unwrap(), value);
            assert!(line.len() <= 24, "{line}");
        }
        assert_eq!(text.lines().nth(3).unwrap(), "0");
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        assert_eq!(lines(&["x"], &[column(ColumnData::Float64(odd.to_vec()))], 3), "x\nNaN\ninf\n-inf\n");
    }

    #[test]
    fn days_and_times_are_iso_8601() {
        let days = vec![0, -1, 11_016, 19_782, -719_528, 2_932_897];
        assert_eq!(
            lines(&["d"], &[column(ColumnData::Date(days))], 6),
            "d\n1970-01-01\n1969-12-31\n2000-02-29\n2024-02-29\n0000-01-01\n+010000-01-01\n"
        );
        let times = vec![0, -1, 1_709_210_096_500_000];
        assert_eq!(
            lines(&["t"], &[column(ColumnData::Timestamp(times))], 3),
            "t\n1970-01-01T00:00:00Z\n1969-12-31T23:59:59.999999Z\n2024-02-29T12:34:56.5Z\n"
        );
    }

    #[test]
    fn each_day_of_eight_centuries_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1600, 1, 1);
        for days in -135_140..157_057 {
            assert_eq!(civil(days), (year, month, day));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 => 28 + i64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > last {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }

    #[test]
    fn bytes_are_hex_and_decimals_stay_exact() {
        let columns =
            [column(ColumnData::Bytes(vec![vec![0, 255]])), column(ColumnData::Decimal(vec!["-12.340".into()]))];
        assert_eq!(lines(&["b", "d"], &columns, 1), "b,d\n00ff,-12.340\n");
    }

    #[test]
    fn a_short_batch_is_an_error() {
        let mut writer = Writer::new(&[]);
        let error = writer.row(&[column(ColumnData::Int64(vec![]))], 0).unwrap_err();
        assert_eq!(error, "the host's batch has fewer values than rows");
    }
}
