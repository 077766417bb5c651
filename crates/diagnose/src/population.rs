//! Did a population grow, or only change? The one place where noise is told from growth.

/// The least net growth, in members, that is worth a word.
pub const LEAST_GROWTH: u64 = 20;

/// How many there must be at one moment, with nothing to compare with, to be worth a word.
pub const MANY_AT_ONE_MOMENT: u64 = 1_000;

/// Members at two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Population {
    /// At the first.
    pub before: u64,
    /// At the last.
    pub after: u64,
    /// In both.
    pub stayed: u64,
}

/// What a population did over the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trend {
    /// No growth that stands out of the coming and going.
    Still,
    /// It grew, but there were too few before to tell whether members ever leave.
    FromNothing,
    /// It grew, and those who were there before stayed.
    Grew,
}

impl Population {
    /// Growth, 0 where it shrank.
    pub fn net(self) -> u64 {
        self.after.saturating_sub(self.before)
    }

    /// Who came within the window.
    pub fn came(self) -> u64 {
        self.after.saturating_sub(self.stayed)
    }

    /// Who left within the window.
    pub fn left(self) -> u64 {
        self.before.saturating_sub(self.stayed)
    }

    /// Half the width of the 95 % interval of the net growth, when coming and going are independent events.
    pub fn error(self) -> f64 {
        1.96 * ((self.came() + self.left()) as f64).sqrt()
    }

    /// What it did. Growth counts when it is more than [`LEAST_GROWTH`], more than three standard deviations of
    /// its own coming and going, and when at least half of those who came are more and not replacements.
    pub fn trend(self) -> Trend {
        let net = self.net() as f64;
        let noise = 3.0 * ((self.came() + self.left()) as f64).sqrt();
        if self.net() < LEAST_GROWTH || net < noise || net * 2.0 < self.came() as f64 {
            return Trend::Still;
        }
        match (self.before < 10, self.stayed * 10 >= self.before * 9) {
            (true, _) => Trend::FromNothing,
            (false, true) => Trend::Grew,
            (false, false) => Trend::Still,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(before: u64, after: u64, stayed: u64) -> Trend {
        Population { before, after, stayed }.trend()
    }

    #[test]
    fn what_comes_and_stays_is_growth() {
        assert_eq!(trend(300, 6300, 300), Trend::Grew);
        assert_eq!(trend(1_000_000, 1_006_000, 1_000_000), Trend::Grew);
        assert_eq!(trend(0, 6000, 0), Trend::FromNothing);
    }

    #[test]
    fn coming_and_going_is_not() {
        assert_eq!(trend(60_000, 60_100, 40_000), Trend::Still, "a cache that replaces its entries");
        assert_eq!(trend(30, 55, 0), Trend::Still, "requests in flight");
        assert_eq!(trend(300, 310, 300), Trend::Still, "too little");
        assert_eq!(trend(300, 200, 200), Trend::Still, "it shrank");
        assert_eq!(trend(10_000, 10_060, 9_000), Trend::Still, "within its noise");
    }
}
