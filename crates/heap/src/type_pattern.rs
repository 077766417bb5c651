//! Which types a person means: by name, by glob, by regular expression.

use std::borrow::Cow;

use regex::Regex;

/// What a person typed to name types.
#[derive(Debug, Clone)]
pub struct TypePattern {
    meaning: Meaning,
}

#[derive(Debug, Clone)]
enum Meaning {
    /// A name or a glob, in the form of [`plain`].
    Words(String),
    /// A regular expression; need not match the whole name.
    Regex(Regex),
}

impl TypePattern {
    /// A name, a glob, or a regular expression between slashes.
    ///
    /// `user.OrderCache` is the type of that name in any package whose path ends so; `OrderCache` in any package;
    /// a star in front, as in Go's pointers, changes nothing. Where no type goes by that name, `*` stands for
    /// whatever and `?` for one character: `*Cache`, `main.List[*]`. Blanks do not count. The only error is that of
    /// a broken regular expression, with what is wrong in it.
    pub fn parse(text: &str) -> Result<TypePattern, String> {
        let inner = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        match inner.filter(|inner| !inner.is_empty()) {
            Some(inner) => TypePattern::regex(inner),
            None => Ok(TypePattern { meaning: Meaning::Words(plain(text)) }),
        }
    }

    /// A regular expression, in the syntax of the crate `regex` (much like Go's own).
    pub fn regex(text: &str) -> Result<TypePattern, String> {
        let regex = Regex::new(text).map_err(|error| error.to_string())?;
        Ok(TypePattern { meaning: Meaning::Regex(regex) })
    }

    /// For each name whether it is meant. A type that goes by the very name wins over all that a glob would match.
    pub fn choose<'n>(&self, names: impl Iterator<Item = &'n str>) -> Vec<bool> {
        let words = match &self.meaning {
            Meaning::Regex(regex) => {
                return names.map(|name| regex.is_match(name) || regex.is_match(&shortened(name))).collect();
            }
            Meaning::Words(words) => words,
        };
        let names: Vec<Vec<String>> = names.map(forms).collect();
        let pointed_at = words.strip_prefix('*').filter(|rest| !rest.is_empty()).unwrap_or(words);
        let is_named = |forms: &Vec<String>| forms.iter().any(|form| form == words || form == pointed_at);
        let named: Vec<bool> = names.iter().map(is_named).collect();
        let glob = words.contains(['*', '?']) && !named.contains(&true);
        if !glob {
            return named;
        }
        let pattern: Vec<char> = words.chars().collect();
        names.iter().map(|forms| forms.iter().any(|form| matches(&pattern, form))).collect()
    }
}

/// A name as it is compared: without blanks, and with `any` for the interface without methods.
fn plain(name: &str) -> String {
    let squeezed: String = name.chars().filter(|c| !c.is_whitespace()).collect();
    squeezed.replace("interface{}", "any")
}

/// The ways in which a person may write a type's name: with its package path, with the end of it, without paths, and
/// without packages.
fn forms(name: &str) -> Vec<String> {
    let whole = plain(name);
    let head = whole.find('[').unwrap_or(whole.len());
    let slashes = whole.match_indices('/').map(|(slash, _)| slash).filter(|slash| *slash < head);
    let mut forms: Vec<String> =
        slashes.filter_map(|slash| whole.get(slash + 1..)).map(str::to_owned).collect();
    let short = shortened(&whole).into_owned();
    let bare = without_packages(&short);
    // `List[user.Order]`: the generic type without its package, its argument with it.
    let brackets = short.find('[').unwrap_or(short.len());
    let half = without_packages(short.get(..brackets).unwrap_or_default())
        + short.get(brackets..).unwrap_or_default();
    forms.extend([whole, short, half, bare]);
    forms.dedup();
    forms
}

/// `[]example.org/shop/user.Order` → `[]user.Order`: every package path, in brackets too, down to its last element.
pub fn shortened(name: &str) -> Cow<'_, str> {
    if !name.contains('/') {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '/' => {
                let kept = out.rfind(|c| !is_of_path(c)).map_or(0, |at| at + char_len(&out, at));
                out.truncate(kept);
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn char_len(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
}

/// Whether a character may stand in a package path.
fn is_of_path(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '~' | '%' | '+' | '@')
}

/// `map[string]*user.Order` → `map[string]*Order`.
fn without_packages(short: &str) -> String {
    let mut out = String::with_capacity(short.len());
    let mut word = 0;
    for c in short.chars() {
        match c {
            // A point that belongs to a word ends the name of a package; `go.shape.int` has two.
            '.' if word < out.len() => out.truncate(word),
            c => {
                out.push(c);
                if !is_of_path(c) {
                    word = out.len();
                }
            }
        }
    }
    out
}

/// Whether the glob matches the whole name. Takes time of pattern × name at most.
fn matches(pattern: &[char], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut in_name) = (0, 0);
    // Where the last star stands, and how much of the name it was given.
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = name.get(in_name) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(p) if *p == '?' || p == c => {
                at += 1;
                in_name += 1;
            }
            _ => match star {
                Some((place, given)) => {
                    star = Some((place, given + 1));
                    at = place + 1;
                    in_name = given + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAMES: [&str; 9] = [
        "example.org/shop/user.OrderCache",
        "main.List[int]",
        "main.List[example.org/shop/user.Order]",
        "map[string]*example.org/shop/user.Order",
        "[]main.Item",
        "string bytes",
        "map[string]interface {}",
        "main.Pair[string,int]",
        "superuser.OrderCache",
    ];

    fn found(pattern: &TypePattern) -> Vec<&'static str> {
        let chosen = pattern.choose(NAMES.into_iter());
        NAMES.into_iter().zip(chosen).filter(|(_, meant)| *meant).map(|(name, _)| name).collect()
    }

    fn named(pattern: &str) -> Vec<&'static str> {
        found(&TypePattern::parse(pattern).unwrap())
    }

    #[test]
    fn types_are_found_as_people_write_them() {
        let cache = ["example.org/shop/user.OrderCache"];
        for pattern in [cache[0], "user.OrderCache", "*user.OrderCache", "shop/user.OrderCache"] {
            assert_eq!(named(pattern), cache, "{pattern}");
        }
        let both = ["example.org/shop/user.OrderCache", "superuser.OrderCache"];
        assert_eq!(named("OrderCache"), both, "whatever the package");
        assert_eq!(named("*.OrderCache"), both, "no type is called so, and a glob is");
        assert_eq!(named("user.?rder*"), cache);
        for pattern in ["ser.OrderCache", "rderCache", "user.Cache", "Order"] {
            assert!(named(pattern).is_empty(), "{pattern}");
        }
        assert_eq!(named("*"), NAMES, "a star alone is everything");
    }

    #[test]
    fn generic_instances_maps_and_slices_are_names_like_others() {
        assert_eq!(named("main.List[int]"), ["main.List[int]"]);
        let lists = ["main.List[int]", "main.List[example.org/shop/user.Order]"];
        assert_eq!(named("List[*]"), lists);
        assert_eq!(named("main.List[*]"), lists);
        assert_eq!(named("List[user.Order]"), lists[1..]);
        assert_eq!(named("List[Order]"), lists[1..]);
        assert_eq!(named("map[string]*user.Order"), NAMES[3..4]);
        assert_eq!(named("map[string]any"), NAMES[6..7]);
        assert_eq!(named("Pair[string, int]"), NAMES[7..8]);
        assert_eq!(named("[]main.Item"), NAMES[4..5]);
    }

    #[test]
    fn regular_expressions_stand_between_slashes() {
        assert_eq!(named("/^user\\.Order/"), NAMES[..1], "names without their paths are looked at too");
        assert_eq!(named("/List\\[(int|string)\\]$/"), NAMES[1..2]);
        assert_eq!(found(&TypePattern::regex("Cache$").unwrap()).len(), 2);
        assert!(TypePattern::parse("/(/").unwrap_err().contains("unclosed group"));
    }

    proptest! {
        #[test]
        fn any_glob_ends_and_a_name_means_itself(
            glob in "[*?ab.\\[\\]é ]{0,30}",
            name in "[ab][ab.\\[\\]/é ]{0,60}",
        ) {
            let names = || [name.as_str()].into_iter();
            prop_assert_eq!(TypePattern::parse(&glob).unwrap().choose(names()).len(), 1);
            prop_assert_eq!(TypePattern::parse(&format!(" *{}", name)).unwrap().choose(names()), [true]);
        }

        #[test]
        fn any_text_is_taken(pattern: String, name: String) {
            if let Ok(parsed) = TypePattern::parse(&pattern) {
                let _ = parsed.choose([name.as_str()].into_iter());
            }
        }
    }
}
