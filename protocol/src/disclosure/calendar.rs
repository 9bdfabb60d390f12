//! Days and moments as ISO 8601 text and back, by arithmetic alone: the core has no clock and no time zone.

/// Days from 1970-01-01 to 0001-01-01 and to 9999-12-31: the years with four digits.
const DAYS: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;
const SECONDS_A_DAY: i64 = 86_400;
const MICROSECONDS: i64 = 1_000_000;

/// `YYYY-MM-DD`; `None` outside the years 1 to 9999.
pub(crate) fn print_date(days: i64) -> Option<String> {
    let (year, month, day) = civil(days)?;
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

/// The day of the month, 1 to 31; `None` outside the years 1 to 9999.
pub(crate) fn day_of_month(days: i64) -> Option<i64> {
    civil(days).map(|(_, _, day)| day)
}

/// `YYYY-MM-DDTHH:MM:SSZ`, the second in which the moment lies; `None` outside the years 1 to 9999.
pub(crate) fn print_timestamp(microseconds: i64) -> Option<String> {
    let seconds = microseconds.div_euclid(MICROSECONDS);
    let date = print_date(seconds.div_euclid(SECONDS_A_DAY))?;
    let within = seconds.rem_euclid(SECONDS_A_DAY);
    Some(format!("{date}T{:02}:{:02}:{:02}Z", within / 3600, within / 60 % 60, within % 60))
}

/// The whole second in which a moment lies, in microseconds: fractions of seconds would carry twenty bits each.
pub(crate) fn whole_second(microseconds: i64) -> i64 {
    // Near `i64::MIN` the beginning of the second is out of range; those years have no printed form anyway.
    microseconds.checked_sub(microseconds.rem_euclid(MICROSECONDS)).unwrap_or(microseconds)
}

/// Reads `YYYY-MM-DD`, as days since 1970-01-01.
pub(crate) fn read_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(&bytes[..4])?, digits(&bytes[5..7])?, digits(&bytes[8..])?);
    let days = days_of(year, month, day);
    // A day that the calendar does not have comes back as another one.
    (DAYS.contains(&days) && civil(days) == Some((year, month, day))).then(|| i32::try_from(days).ok())?
}

/// Reads `YYYY-MM-DD[T ]HH:MM:SS`, with an optional fraction and an optional `Z` or `±HH:MM`, as microseconds since 1970-01-01T00:00:00Z.
pub(crate) fn read_timestamp(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 19 || !matches!(bytes[10], b'T' | b't' | b' ') || bytes[13] != b':' || bytes[16] != b':' {
        return None;
    }
    let days = i64::from(read_date(text.get(..10)?)?);
    let (hour, minute, second) = (digits(&bytes[11..13])?, digits(&bytes[14..16])?, digits(&bytes[17..19])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = text.get(19..)?;
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 || length > 9 {
            return None;
        }
        rest = fraction.get(length..)?;
    }
    let offset = match rest.as_bytes() {
        [] | [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            if hours > 14 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            if *sign == b'+' { seconds } else { -seconds }
        }
        _ => return None,
    };
    let seconds = days * SECONDS_A_DAY + hour * 3600 + minute * 60 + second - offset;
    DAYS.contains(&seconds.div_euclid(SECONDS_A_DAY)).then_some(seconds * MICROSECONDS)
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
}

/// Days since 1970-01-01 of a proleptic Gregorian date; years begin in March so that a leap day is a year's last.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_of`], within [`DAYS`].
fn civil(days: i64) -> Option<(i64, i64, i64)> {
    if !DAYS.contains(&days) {
        return None;
    }
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    Some((year_of_era + era * 400 + i64::from(month <= 2), month, day))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("2000-02-29", 11_016),
            ("1969-12-31", -1),
            ("0001-01-01", -719_162),
            ("9999-12-31", 2_932_896),
        ] {
            assert_eq!(read_date(text), Some(days), "{text}");
            assert_eq!(print_date(i64::from(days)).as_deref(), Some(text));
        }
    }

    #[test]
    fn every_day_reads_back() {
        let mut before = String::new();
        for days in DAYS {
            let text = print_date(days).unwrap();
            assert!(text > before, "{text} after {before}");
            assert_eq!(read_date(&text).map(i64::from), Some(days));
            before = text;
        }
    }

    #[test]
    fn moments_in_any_zone_print_in_utc_to_the_second() {
        for (text, form) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            ("2024-02-29 23:59:59.999999", "2024-02-29T23:59:59Z"),
            ("2024-03-01T00:30:00+01:00", "2024-02-29T23:30:00Z"),
            ("1969-12-31t23:59:59.5z", "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(print_timestamp(read_timestamp(text).unwrap()).as_deref(), Some(form), "{text}");
        }
        assert_eq!(print_timestamp(-1).as_deref(), Some("1969-12-31T23:59:59Z"));
        assert_eq!(whole_second(-1), -1_000_000);
        assert_eq!(whole_second(1_999_999), 1_000_000);
        assert_eq!(print_timestamp(whole_second(i64::MIN)), None);
    }

    #[test]
    fn what_no_calendar_has_is_refused() {
        for text in [
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-01-32",
            "0000-01-01",
            "24-01-01",
            "2024/01/01",
            "2024-1-01",
        ] {
            assert_eq!(read_date(text), None, "{text}");
        }
        for text in [
            "2024-01-01",
            "2024-01-01T24:00:00",
            "2024-01-01T00:60:00Z",
            "2024-01-01T00:00:00.",
            "2024-01-01T00:00:00+1",
            "2024-01-01T00:00:0é",
            "0001-01-01T00:00:00+01:00",
        ] {
            assert_eq!(read_timestamp(text), None, "{text}");
        }
    }
}
