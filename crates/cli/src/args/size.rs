//! Sizes as people type them.

/// `4096`, `64KiB`, `10MB`, `1.5GiB`: units of 1000 as on a disk, or of 1024 with an `i`; a bare letter (`10M`) is
/// of 1024, as in `ulimit` and Go's GOMEMLIMIT.
pub(crate) fn size(word: &str) -> Result<u64, String> {
    let split = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
    let (digits, unit) = word.split_at(split);
    let factor = factor(unit.trim())
        .ok_or_else(|| format!("`{unit}` is no unit of size: use B, KB, MB, GB, KiB, MiB or GiB"))?;
    if let Ok(whole) = digits.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(|| "more bytes than can be counted".to_owned());
    }
    let number: f64 =
        digits.parse().map_err(|_| "write a number and a unit, such as 10MB or 1GiB".to_owned())?;
    let bytes = number * factor as f64;
    // Exact far beyond any memory: 2^53 bytes are 8 PiB.
    if bytes < 9e15 { Ok(bytes.round() as u64) } else { Err("more bytes than can be counted".to_owned()) }
}

fn factor(unit: &str) -> Option<u64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (word, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("64KiB", 65_536),
            ("10MB", 10_000_000),
            ("10mb", 10_000_000),
            ("1GiB", 1 << 30),
            ("1.5GiB", 3 << 29),
            ("10M", 10 << 20),
            ("2 kB", 2000),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(size(word), Ok(bytes), "{word}");
        }
        for wrong in ["", "MB", "10 potatoes", "1..5k", "-1", "99999999999TB", "9999999.5TB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
