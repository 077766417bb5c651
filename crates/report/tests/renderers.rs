//! What people and scripts read, held as it is.

mod sample;

use leakscope_report::{Format, Look, render};

#[test]
fn text_of_a_leak() {
    insta::assert_snapshot!(render(&sample::leaky(), Format::Text, Look::default()));
}

#[test]
fn text_of_a_healthy_process() {
    insta::assert_snapshot!(render(&sample::healthy(), Format::Text, Look::default()));
}

#[test]
fn markdown_of_a_leak() {
    insta::assert_snapshot!(render(&sample::leaky(), Format::Markdown, Look::default()));
}

#[test]
fn colours_change_nothing_but_colours() {
    let plain = render(&sample::leaky(), Format::Text, Look::default());
    let coloured = render(&sample::leaky(), Format::Text, Look { colour: true, width: 80, blocks: false });
    assert!(coloured.contains("\x1b[1;31m"));
    let mut text = String::new();
    for piece in coloured.split('\x1b') {
        text.push_str(
            piece.strip_prefix('[').and_then(|code| code.split_once('m')).map_or(piece, |(_, rest)| rest),
        );
    }
    assert_eq!(text, plain);
}

#[test]
fn prose_fits_eighty_columns() {
    let text = render(&sample::leaky(), Format::Text, Look::default());
    let wide: Vec<&str> =
        text.lines().filter(|line| line.chars().count() > 80 && !line.contains("  $ ")).collect();
    assert_eq!(wide, Vec::<&str>::new());
}
