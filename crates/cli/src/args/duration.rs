//! Spans of time as people type them.

use std::time::Duration;

/// `30s`, `1.5m`, `500ms`, `2h`; a bare number counts seconds.
pub(crate) fn duration(word: &str) -> Result<Duration, String> {
    let split = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
    let (digits, unit) = word.split_at(split);
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("`{unit}` is no unit of time: use ms, s, m or h")),
    };
    let number: f64 = digits.parse().map_err(|_| "write a number and a unit, such as 30s".to_owned())?;
    Duration::try_from_secs_f64(number * factor)
        .ok()
        .filter(|span| *span <= Duration::from_secs(7 * 86_400))
        .ok_or_else(|| "at most a week".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("50ms"), Ok(Duration::from_millis(50)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        for wrong in ["", "s", "3y", "1..2s", "-1s", "99999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
