//! Readings become evidence, evidence becomes findings, by a table of rules, one file a rule.
pub mod allocation;
pub mod evidence;
pub mod facts;
pub mod forecast;
pub mod population;
pub mod rank;
pub mod readings;
pub mod rules;
pub mod second_source;
pub mod write_up;
