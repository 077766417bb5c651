//! Readings become evidence, evidence becomes findings, by a table of rules, one file a rule.
pub mod facts;
pub mod population;
pub mod rules;
