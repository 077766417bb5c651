//! Source positions and retaining paths on one line.

use leakscope_model::{PathStep, Via};

/// `interceptor.go:41` with the folder that holds it: enough to find it, short enough to read.
pub(crate) fn position(file: &str, line: u32) -> String {
    let mut parts = file.rsplit('/');
    let name = parts.next().unwrap_or(file);
    let short = match parts.next() {
        Some(folder) if !folder.is_empty() => format!("{folder}/{name}"),
        _ => name.to_owned(),
    };
    if line == 0 { short } else { format!("{short}:{line}") }
}

/// A path as a Go programmer would write it: `main.server → .baseCtx → .children[…]`.
pub fn path_line(path: &[PathStep]) -> String {
    path.iter().map(step).collect::<Vec<_>>().join(" → ")
}

/// One step's name as it hangs on the one before.
pub(crate) fn step(step: &PathStep) -> String {
    match step.via {
        Via::Field if !step.name.starts_with(['.', '[']) => format!(".{}", step.name),
        _ => step.name.clone(),
    }
}

/// What a step hangs by, for people.
pub(crate) fn via(via: Via) -> &'static str {
    match via {
        Via::Global => "package variable",
        Via::Field => "field",
        Via::Element => "element",
        Via::Key => "map key",
        Via::Value => "map value",
        Via::Captured => "captured by the closure",
        Via::Local => "local variable",
        Via::Stack => "on a goroutine's stack",
        Via::Special => "runtime record",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_keep_one_folder() {
        assert_eq!(
            position("/home/me/cases/grpc-context/interceptor.go", 41),
            "grpc-context/interceptor.go:41"
        );
        assert_eq!(position("main.go", 0), "main.go");
        assert_eq!(position("/main.go", 3), "main.go:3");
    }

    #[test]
    fn a_path_reads_like_go() {
        let step = |name: &str, via| PathStep { name: name.into(), via, ty: String::new(), addr: None };
        let path = [
            step("main.server", Via::Global),
            step("baseCtx", Via::Field),
            step("children", Via::Field),
            step("[…]", Via::Key),
        ];
        assert_eq!(path_line(&path), "main.server → .baseCtx → .children → […]");
    }
}
