//! `unsafe` stands in one file, behind safe signatures.

mod sources;

use std::fs;

const ADDRESS: &str = "crates/target/src/sys.rs";

#[test]
fn unsafe_code_stands_in_sys_alone() {
    let lines = sources::lines();
    let blocks = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "allow(unsafe_code"];
    let wrong: Vec<String> = lines
        .iter()
        .filter(|line| line.file != ADDRESS && blocks.iter().any(|block| line.code.contains(block)))
        .map(|line| format!("{}:{}: {}", line.file, line.number, line.code.trim()))
        .collect();
    assert!(wrong.is_empty(), "unsafe code outside {ADDRESS}:\n{}", wrong.join("\n"));
}

/// The compiler holds it too: every crate takes the workspace's `forbid`, and `target`, which cannot, denies.
#[test]
fn every_crate_takes_the_lints() {
    for entry in fs::read_dir(sources::root().join("crates")).expect("crates/ is there") {
        let manifest = entry.expect("crates/ can be listed").path().join("Cargo.toml");
        let text = fs::read_to_string(&manifest).expect("a crate has a manifest");
        let lints = if manifest.ends_with("target/Cargo.toml") {
            text.contains("unsafe_code = \"deny\"")
        } else {
            text.contains("[lints]\nworkspace = true")
        };
        assert!(lints, "{} does not take the workspace's lints", manifest.display());
    }
}
