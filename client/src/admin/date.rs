//! Dates as people type and read them, in UTC: proleptic Gregorian calendar, no time-zone data needed.
use crate::admin::AdminError;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const MINUTE_MS: i64 = 60 * 1000;

/// Until when `2027-03-31` (the end of that day) or `2027-03-31T18:00Z` lasts, as Unix ms.
pub fn parse_end(text: &str) -> Result<u64, AdminError> {
    end_ms(text.trim()).and_then(|ms| u64::try_from(ms).ok()).ok_or_else(|| AdminError::Date(text.into()))
}

fn end_ms(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time.strip_suffix('Z')?)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let sound = parts.next().is_none() && (1970..10_000).contains(&year) && (1..=12).contains(&month);
    if !sound || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let start_ms = days_from_civil(year, month, day) * DAY_MS;
    let Some(time) = time else { return Some(start_ms + DAY_MS) };
    let (hour, minute) = time.split_once(':')?;
    let (hour, minute) = (number(hour, 2)?, number(minute, 2)?);
    (hour < 24 && minute < 60).then_some(start_ms + (hour * 60 + minute) * MINUTE_MS)
}

/// `2027-03-31 18:00 UTC`.
pub fn show(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    let (year, month, day) = civil_from_days(ms / DAY_MS);
    let minutes = ms % DAY_MS / MINUTE_MS;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, from years that begin in March so that the leap day is the last one.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        assert_eq!(parse_end("1970-01-01").unwrap(), 86_400_000);
        assert_eq!(parse_end("2000-02-29T00:00Z").unwrap(), 951_782_400_000);
        assert_eq!(parse_end("2026-11-24T04:15Z").unwrap(), 1_795_493_700_000);
        assert_eq!(show(951_782_400_000), "2000-02-29 00:00 UTC");
        assert_eq!(show(1_795_493_700_000), "2026-11-24 04:15 UTC");
    }

    #[test]
    fn every_day_reads_back_and_follows_the_one_before() {
        let mut expected = 0;
        for year in 1970..2405 {
            for month in 1..=12 {
                for day in 1..=days_in_month(year, month) {
                    assert_eq!(days_from_civil(year, month, day), expected);
                    assert_eq!(civil_from_days(expected), (year, month, day));
                    expected += 1;
                }
            }
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for wrong in [
            "",
            "2027-02-29",
            "2027-13-01",
            "2027-00-10",
            "27-01-01",
            "2027-1-1",
            "31.03.2027",
            "2027-03-31T18:00",
            "2027-03-31T24:00Z",
            "2027-03-31-1",
            "2027-03-31T+1:00Z",
        ] {
            assert!(matches!(parse_end(wrong), Err(AdminError::Date(_))), "{wrong}");
        }
    }
}
