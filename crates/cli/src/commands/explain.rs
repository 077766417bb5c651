//! `leakscope explain`.

use std::io::Write;

use anyhow::{Context, Result, bail};
use leakscope_diagnose::rules::{RULES, Rule, rule};

use crate::NOTHING;
use crate::args::ExplainArgs;

/// Prints one rule, or all of them.
pub(crate) fn run(args: &ExplainArgs) -> Result<u8> {
    let rules: Vec<&Rule> = match &args.rule {
        None => RULES.iter().collect(),
        Some(id) => vec![known(id)?],
    };
    let pages: Vec<String> = rules.into_iter().map(page).collect();
    let mut out = std::io::stdout().lock();
    out.write_all(pages.join("\n").as_bytes()).context("writing to standard output")?;
    Ok(NOTHING)
}

fn known(id: &str) -> Result<&'static Rule> {
    let Some(found) = rule(id) else {
        let ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        bail!("no rule is called {id}; there are {}", ids.join(", "));
    };
    Ok(found)
}

fn page(rule: &Rule) -> String {
    let Rule { id, title, explanation, remedy, kind: _, makers: _, fix_at: _, judge: _ } = rule;
    leakscope_report::text::explanation(id, title, explanation, remedy, crate::terminal::look())
}
