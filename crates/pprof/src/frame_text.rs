//! One frame as Go's traceback prints it: a line for the function, an indented one for the place.

use std::collections::HashMap;
use std::sync::Arc;

use leakscope_model::Frame;

/// Shares equal names between frames: a dump of 20,000 goroutines names the same functions again and again.
#[derive(Default)]
pub(crate) struct Names(HashMap<String, Arc<str>>);

impl Names {
    pub(crate) fn share(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return known.clone();
        }
        let shared: Arc<str> = name.into();
        self.0.insert(name.to_owned(), shared.clone());
        shared
    }

    /// The frame of `function` at the place that `place` names.
    pub(crate) fn frame(&mut self, function: &str, place: &str, inlined: bool) -> Option<Frame> {
        let (file, line) = file_and_line(place)?;
        Some(Frame { function: self.share(function), file: self.share(file), line, inlined })
    }
}

/// `main.(*T).f(0x1, {0x2, ...})` as name and arguments; the arguments never hold an opening bracket.
pub(crate) fn function_and_arguments(line: &str) -> Option<(&str, &str)> {
    let arguments = line.strip_suffix(')')?;
    let open = arguments.rfind('(')?;
    let name = arguments.get(..open)?;
    let named = !name.is_empty() && !name.starts_with(char::is_whitespace);
    named.then_some((name, arguments.get(open + 1..)?))
}

/// `/srv/main.go:12 +0x1d fp=0x… sp=0x… pc=0x…` as file and line.
fn file_and_line(place: &str) -> Option<(&str, u32)> {
    let place = place.trim_start_matches(['\t', ' ']);
    // A path may hold blanks and colons; the line number is what follows the last colon of the part before ` +0x`.
    let end = place.rfind(" +0x").unwrap_or(place.len());
    let end = place.get(..end)?.rfind(" fp=0x").unwrap_or(end);
    let (file, line) = place.get(..end)?.trim_end().rsplit_once(':')?;
    Some((file, line.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_places() {
        let parts = |line| function_and_arguments(line).unwrap();
        assert_eq!(
            parts("main.(*T).Do(0xc000010000, {0x1, ...})"),
            ("main.(*T).Do", "0xc000010000, {0x1, ...}")
        );
        assert_eq!(parts("main.walk[...](...)"), ("main.walk[...]", "..."));
        assert_eq!(parts("runtime.goexit({})"), ("runtime.goexit", "{}"));
        assert_eq!(function_and_arguments("\t/srv/main.go:12 (x)"), None);
        assert_eq!(file_and_line("\t/a dir/ma:in.go:12 +0x1d"), Some(("/a dir/ma:in.go", 12)));
        assert_eq!(file_and_line("\t/x.go:7 +0x1d fp=0xc1 sp=0xc2 pc=0x3"), Some(("/x.go", 7)));
        assert_eq!(file_and_line("\t/x.go:7"), Some(("/x.go", 7)));
        assert_eq!(file_and_line("\t??:?"), None);
    }
}
