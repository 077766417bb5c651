//! Call stacks as Go prints them.

use std::fmt;
use std::sync::Arc;

/// One logical frame of a Go call stack: an inlined call is a frame of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame {
    /// The function as Go names it: `main.(*server).Handle.func1`.
    pub function: Arc<str>,
    /// The source file as the compiler wrote it.
    pub file: Arc<str>,
    /// The line in `file`, from 1; 0 where it is not known.
    pub line: u32,
    /// Whether the call was inlined into the frame that follows.
    pub inlined: bool,
}

impl Frame {
    /// Whether the function belongs to the Go runtime (`runtime.…` and its internal packages).
    pub fn is_runtime(&self) -> bool {
        let name = &*self.function;
        name.starts_with("runtime.") || name.starts_with("internal/runtime/") || name.starts_with("runtime/")
    }

    /// The import path of the function's package: `google.golang.org/grpc`.
    pub fn package(&self) -> &str {
        let name = &*self.function;
        let after_slash = name.rfind('/').map_or(0, |slash| slash + 1);
        let dot = name.get(after_slash..).and_then(|rest| rest.find('.')).map(|dot| after_slash + dot);
        dot.and_then(|end| name.get(..end)).unwrap_or(name)
    }

    /// Whether the package is part of the standard library: its first path element has no dot and it is not `main`.
    ///
    /// A module without a dot in its first element cannot be told from the standard library by name alone; the
    /// file decides then, since the standard library's files lie below `src/` of a Go root or carry no host.
    pub fn is_standard(&self) -> bool {
        let package = self.package();
        let first = package.split('/').next().unwrap_or(package);
        if package == "main" || first.contains('.') {
            return false;
        }
        let file = &*self.file;
        // `time.newTimer` and its like are written in package runtime and linked into another.
        let lies_in = |package: &str| {
            file.contains(&format!("/src/{package}/")) || file.starts_with(&format!("{package}/"))
        };
        file.is_empty() || lies_in(package) || lies_in("runtime")
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}", self.function, self.file, self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: &str) -> Frame {
        Frame { function: function.into(), file: file.into(), line: 1, inlined: false }
    }

    #[test]
    fn packages_and_the_standard_library() {
        let grpc = frame(
            "google.golang.org/grpc.(*Server).serveStreams",
            "/mod/google.golang.org/grpc@v1/server.go",
        );
        assert_eq!(grpc.package(), "google.golang.org/grpc");
        assert!(!grpc.is_standard());
        assert!(frame("net/http.(*conn).serve", "/usr/local/go/src/net/http/server.go").is_standard());
        assert!(frame("net/http.(*conn).serve", "net/http/server.go").is_standard());
        assert!(frame("time.newTimer", "runtime/time.go").is_standard());
        assert!(!frame("main.main", "/src/main/main.go").is_standard());
        assert!(!frame("orders/cache.Put", "/home/me/orders/cache/cache.go").is_standard());
        assert!(frame("runtime.gopark", "runtime/proc.go").is_runtime());
    }
}
