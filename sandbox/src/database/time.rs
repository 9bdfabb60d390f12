//! Days and times of engines that write them as text: `2024-02-29`, `2024-02-29 12:34:56.5`.

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Days since 1970-01-01 of a date of the Gregorian calendar, written `YYYY-MM-DD`.
pub(super) fn date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(&bytes[..4])?, number(&bytes[5..7])?, number(&bytes[8..])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    // days from civil, with the year beginning in March: Howard Hinnant, chrono-compatible date algorithms
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    i32::try_from(days).ok()
}

/// Microseconds since 1970-01-01T00:00:00, of `YYYY-MM-DD` followed by ` ` or `T`, `HH:MM[:SS[.ffffff]]` and perhaps `Z`.
pub(super) fn timestamp(text: &str) -> Option<i64> {
    let days = i64::from(date(text.get(..10)?)?);
    let rest = text.get(10..)?;
    if rest.is_empty() {
        return days.checked_mul(DAY);
    }
    let clock = rest.strip_prefix([' ', 'T'])?;
    let clock = clock.strip_suffix('Z').unwrap_or(clock);
    let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(clock, fraction)| (clock, Some(fraction)));
    let parts = clock.split(':').map(|part| if part.len() == 2 { number(part.as_bytes()) } else { None });
    let parts = parts.collect::<Option<Vec<_>>>()?;
    let (hour, minute, second) = match (parts.as_slice(), fraction) {
        ([hour, minute], None) => (*hour, *minute, 0),
        ([hour, minute, second], _) => (*hour, *minute, *second),
        _ => return None,
    };
    let micros = match fraction {
        None => 0,
        Some(digits) if (1..=6).contains(&digits.len()) => number(format!("{digits:0<6}").as_bytes())?,
        Some(_) => return None,
    };
    let valid = hour < 24 && minute < 60 && second < 60;
    valid.then_some(days * DAY + ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
}

/// `YYYY-MM-DD`, or `None` outside the years 0 to 9999.
pub(super) fn date_text(days: i32) -> Option<String> {
    let shifted = i64::from(days) + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (0..=9_999).contains(&year).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

/// `YYYY-MM-DD HH:MM:SS`, with six more digits where there are any.
pub(super) fn timestamp_text(micros: i64) -> Option<String> {
    let date = date_text(i32::try_from(micros.div_euclid(DAY)).ok()?)?;
    let of_day = micros.rem_euclid(DAY);
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    Some(if fraction == 0 { format!("{date} {clock}") } else { format!("{date} {clock}.{fraction:06}") })
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_read_and_written() {
        for (text, days) in [("1970-01-01", 0), ("1969-12-31", -1), ("2000-02-29", 11_016), ("2024-02-29", 19_782)] {
            assert_eq!((date(text), date_text(days).as_deref()), (Some(days), Some(text)));
        }
        for text in ["2023-02-29", "2024-13-01", "2024-00-01", "2024-01-32", "24-01-01", "2024-1-01", "now", ""] {
            assert_eq!(date(text), None, "{text}");
        }
        let cases = [
            ("1970-01-01 00:00:01", 1_000_000),
            ("1969-12-31 23:59:59.500000", -500_000),
            ("2020-01-01 12:00:00", 1_577_880_000_000_000),
        ];
        for (text, micros) in cases {
            assert_eq!((timestamp(text), timestamp_text(micros).as_deref()), (Some(micros), Some(text)));
        }
        assert_eq!(timestamp("2020-01-01T12:00Z"), Some(1_577_880_000_000_000));
        assert_eq!(timestamp("2020-01-01"), Some(1_577_836_800_000_000));
        for text in
            ["2020-01-01 24:00:00", "2020-01-01 1:00", "2020-01-01x12:00", "2020-01-01 12:00.5", "2020-01-01 now"]
        {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for days in -180_000..180_000 {
            let text = date_text(days);
            assert_eq!(text.as_deref().and_then(date), Some(days));
        }
    }
}
