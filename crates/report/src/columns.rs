//! Plain tables: columns as wide as their widest cell, numbers to the right.

/// Which side a column leans to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lean {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Lines of `rows` under `heads`, two blanks between columns; the last column is not padded.
pub(crate) fn columns(heads: &[(&str, Lean)], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = heads
        .iter()
        .enumerate()
        .map(|(column, (head, _))| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([head.chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let titles: Vec<String> = heads.iter().map(|(head, _)| (*head).to_owned()).collect();
    let mut out = String::new();
    for row in std::iter::once(&titles).chain(rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(heads.iter().zip(&widths))
            .map(|(cell, ((_, lean), width))| padded(cell, *width, *lean))
            .collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

fn padded(cell: &str, width: usize, lean: Lean) -> String {
    let blanks = " ".repeat(width.saturating_sub(cell.chars().count()));
    match lean {
        Lean::Left => format!("{cell}{blanks}"),
        Lean::Right => format!("{blanks}{cell}"),
    }
}
