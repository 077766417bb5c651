//! Figures as people read them: bytes in binary units, counts with separators, rates, spans of time.

/// Bytes with three significant digits in the units of `go tool pprof` and Kubernetes: 1 MiB = 1,048,576 bytes.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in UNITS.iter().skip(1) {
        if value < 999.5 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{} {unit}", significant(value))
}

/// Bytes per second, with a sign only where it falls.
pub fn bytes_per_second(rate: f64) -> String {
    let sign = if rate < 0.0 { "-" } else { "" };
    format!("{sign}{}/s", bytes(rate.abs().round() as u64))
}

/// Things per second: `300/s`, `0.25/s`.
pub fn per_second(rate: f64) -> String {
    if rate.abs() >= 1000.0 {
        let sign = if rate < 0.0 { "-" } else { "" };
        return format!("{sign}{}/s", count(rate.abs().round() as u64));
    }
    format!("{}/s", significant(rate))
}

/// A count with commas: `6,012`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 goroutine`, `6,012 goroutines`: a count with its noun.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// A span of time in the two units that matter: `20.0 s`, `12 min 5 s`, `3 h 20 min`, `2 days 4 h`.
pub fn seconds(span: f64) -> String {
    if !span.is_finite() {
        return "no end in sight".to_owned();
    }
    if span < 60.0 {
        return format!("{span:.1} s");
    }
    let whole = span.round() as u64;
    let (minutes, hours, days) = (whole / 60, whole / 3600, whole / 86_400);
    match (days, hours, minutes) {
        (0, 0, _) => format!("{minutes} min {} s", whole % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        (1, _, _) => format!("1 day {} h", hours % 24),
        _ => format!("{days} days {} h", hours % 24),
    }
}

/// A share between 0 and 1 as a whole percentage; never rounds something down to nothing.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        p if p > 0.0 && p < 1.0 => "<1 %".to_owned(),
        p => format!("{p:.0} %"),
    }
}

/// Three significant digits below 1,000.
fn significant(value: f64) -> String {
    match value.abs() {
        v if v >= 99.95 || v == 0.0 => format!("{value:.0}"),
        v if v >= 9.995 => trimmed(format!("{value:.1}")),
        _ => trimmed(format!("{value:.2}")),
    }
}

/// Without zeros that say nothing: `1.50` → `1.5`, `2.00` → `2`.
fn trimmed(digits: String) -> String {
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_three_digits() {
        for (raw, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (10_700, "10.4 KiB"),
            (1_048_575, "1 MiB"),
            (31_400_000, "29.9 MiB"),
            (5 << 30, "5 GiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(bytes(raw), shown, "{raw}");
        }
    }

    #[test]
    fn counts_and_rates() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "object"), "1 object");
        assert_eq!(counted(6012, "goroutine"), "6,012 goroutines");
        assert_eq!(per_second(299.96), "300/s");
        assert_eq!(per_second(0.25), "0.25/s");
        assert_eq!(per_second(12_345.6), "12,346/s");
        assert_eq!(bytes_per_second(1_646_264.3), "1.57 MiB/s");
        assert_eq!(bytes_per_second(-2048.0), "-2 KiB/s");
    }

    #[test]
    fn spans_of_time() {
        assert_eq!(seconds(20.04), "20.0 s");
        assert_eq!(seconds(725.0), "12 min 5 s");
        assert_eq!(seconds(12_000.0), "3 h 20 min");
        assert_eq!(seconds(100_000.0), "1 day 3 h");
        assert_eq!(seconds(187_200.0), "2 days 4 h");
        assert_eq!(seconds(f64::INFINITY), "no end in sight");
    }

    #[test]
    fn shares() {
        assert_eq!(percent(0.97), "97 %");
        assert_eq!(percent(0.001), "<1 %");
        assert_eq!(percent(0.0), "0 %");
    }
}
