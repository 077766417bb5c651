//! A [`Report`](leakscope_model::Report) as text for people, JSON for scripts, Markdown for a ticket.
//!
//! What comes in: plain data of `leakscope-model`, or rows of a table. What goes out: a `String`. This crate
//! must not know where a fact came from, looks nothing up and decides nothing: what is not in the report cannot
//! be in its output.
//!
//! ```
//! assert_eq!(leakscope_report::numbers::bytes(1_572_864), "1.5 MiB");
//! ```

mod columns;
mod instant;
pub mod json;
pub mod markdown;
pub mod numbers;
mod page;
mod sites;
pub mod tables;
pub mod text;
mod value_json;
mod value_text;

pub use page::Look;
pub use sites::path_line;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people, at a terminal.
    Text,
    /// For scripts, after the committed schema.
    Json,
    /// For a ticket or a merge request.
    Markdown,
}

/// The whole report in one of the formats, with a line end after the last line.
pub fn render(report: &leakscope_model::Report, format: Format, look: Look) -> String {
    match format {
        Format::Text => text::text(report, look),
        Format::Json => json::report(report),
        Format::Markdown => markdown::markdown(report),
    }
}
