//! Moments as RFC 3339 writes them.

const DAY: i64 = 86_400;

/// `2024-02-29T12:34:56.789Z` of the seconds since 1970 in UTC; years beyond four digits are written whole.
pub(crate) fn rfc3339(seconds: i64, nanoseconds: u32) -> String {
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let fraction = match nanoseconds {
        0 => String::new(),
        some => format!(".{some:09}").trim_end_matches('0').to_owned(),
    };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Year, month and day of a day since 1970, in the Gregorian calendar carried on in both directions.
///
/// The year is taken to begin with March, so that the leap day is its last (H. Richards, "Mapping Time", ch. 25).
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    let since_march_of_year_0 = days + 719_468;
    let era = since_march_of_year_0.div_euclid(ERA);
    let day_of_era = since_march_of_year_0.rem_euclid(ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_that_others_wrote_down() {
        for (seconds, nanoseconds, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (1_709_210_096, 789_000_000, "2024-02-29T12:34:56.789Z"),
            (-62_135_596_800, 0, "0001-01-01T00:00:00Z"),
            (951_868_799, 1, "2000-02-29T23:59:59.000000001Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00Z"),
            (253_402_300_800, 0, "10000-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds, nanoseconds), text);
        }
        // No moment is too far.
        let _ = (rfc3339(i64::MAX, 999_999_999), rfc3339(i64::MIN, 0));
    }
}
