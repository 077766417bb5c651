//! Medians over rounds.

use super::measured_run::Figures;
use super::tools::PLAIN_READ;

/// Everything measured once.
pub struct Round {
    /// Seconds of CPU of some forced collections.
    pub collections: Vec<f64>,
    /// The longest gap of the process's ticker while nobody looked at it, in milliseconds.
    pub idle_gap_ms: f64,
    /// Each tool's figures, in order.
    pub figures: Vec<(String, Figures)>,
}

/// The middle figures of one tool.
pub struct Summary {
    /// The tool.
    pub name: String,
    /// Seconds.
    pub wall: f64,
    /// Seconds.
    pub cpu: f64,
    /// CPU as a multiple of what one forced collection took in the same round.
    pub collections: f64,
    /// CPU as a multiple of that of one plain read in the same round.
    pub reads: f64,
    /// Bytes.
    pub peak_anonymous: f64,
    /// Milliseconds, by the process's own ticker.
    pub gap_ms: f64,
    /// Milliseconds, as the tool says.
    pub said_pause_ms: Option<f64>,
}

/// The middle of `values`; the mean of the two middle ones of an even number, 0 of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { at(middle) } else { (at(middle.saturating_sub(1)) + at(middle)) / 2.0 }
}

/// What one forced collection takes, in seconds of CPU: the middle of all.
pub fn collection(rounds: &[Round]) -> f64 {
    median(rounds.iter().flat_map(|round| &round.collections).copied().collect())
}

/// Each tool's medians, in the order of the tools.
pub fn summaries(rounds: &[Round]) -> Vec<Summary> {
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in rounds.iter().flat_map(|round| &round.figures) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().map(|name| summary(rounds, name)).collect()
}

/// The medians of one tool; those of none where it was not measured.
pub fn summary(rounds: &[Round], name: &str) -> Summary {
    let taken: Vec<(&Round, &Figures)> =
        rounds.iter().filter_map(|round| Some((round, round.of(name)?))).collect();
    let over = |pick: &dyn Fn(&Round, &Figures) -> f64| {
        median(taken.iter().map(|(round, figures)| pick(round, figures)).collect())
    };
    let said: Vec<f64> = taken.iter().filter_map(|(_, figures)| figures.said_pause_ms).collect();
    Summary {
        name: name.to_owned(),
        wall: over(&|_, figures| figures.wall),
        cpu: over(&|_, figures| figures.cpu),
        collections: over(&|round, figures| figures.cpu / round.collection()),
        reads: over(&|round, figures| figures.cpu / round.of(PLAIN_READ).map_or(f64::NAN, |read| read.cpu)),
        peak_anonymous: over(&|_, figures| figures.peak_anonymous as f64),
        gap_ms: over(&|_, figures| figures.longest_gap_ms),
        said_pause_ms: (!said.is_empty()).then(|| median(said)),
    }
}

impl Round {
    /// The CPU of a forced collection in this round, in seconds.
    fn collection(&self) -> f64 {
        median(self.collections.clone())
    }

    /// What a tool took in this round.
    pub fn of(&self, name: &str) -> Option<&Figures> {
        self.figures.iter().find_map(|(other, figures)| (other == name).then_some(figures))
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_middle_is_in_the_middle() {
        assert_eq!(
            [vec![3.0, 1.0, 9.0], vec![4.0, 1.0], vec![7.0], vec![]].map(median),
            [3.0, 2.5, 7.0, 0.0]
        );
    }
}
