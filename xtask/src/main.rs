//! Toolchains, fixtures, layouts, benchmarks and release.
fn main() {}
