//! What a call of the runtime says of its arguments and results: the compiler passes it the types of both.
//!
//! The authority is cmd/compile/internal/typecheck/_builtin/runtime.go; the order of arguments is that of
//! registers (`ABIInternal`).

/// What an argument or a result is, by the type that the call names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A pointer to one value of it.
    One,
    /// A pointer to an array of such values.
    Many,
    /// A value of it: a map or channel.
    Value,
    /// A pointer to the bytes of a string.
    Text,
    /// A pointer to an array of bytes.
    Bytes,
}

/// What one function says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Says {
    /// Which argument is the type.
    pub(super) ty: Option<u8>,
    /// What its first result is.
    pub(super) result: Option<Meaning>,
    /// What one of its arguments is.
    pub(super) argument: Option<(u8, Meaning)>,
}

const fn says(ty: u8, result: Option<Meaning>, argument: Option<(u8, Meaning)>) -> Says {
    Says { ty: Some(ty), result, argument }
}

const fn gives(result: Meaning) -> Says {
    Says { ty: None, result: Some(result), argument: None }
}

/// Of a function whose name only starts like one that says something.
const NOTHING: Says = Says { ty: None, result: None, argument: None };

/// By the start of the name behind `runtime.`; the first that fits counts.
const FUNCTIONS: &[(&str, Says)] = {
    use Meaning::{Bytes, Many, One, Text, Value};
    &[
        ("newobject", says(0, Some(One), None)),
        // Also those for one size class each.
        ("mallocgc", says(1, Some(One), None)),
        ("newarray", says(0, Some(Many), None)),
        ("makeslicecopy", says(0, Some(Many), Some((3, Many)))),
        ("makeslice", says(0, Some(Many), None)),
        ("growslice", says(4, Some(Many), Some((0, Many)))),
        ("moveSliceNoScan", NOTHING),
        ("moveSliceNoCapNoScan", NOTHING),
        ("moveSlice", says(0, Some(Many), Some((1, Many)))),
        ("makechan", says(0, Some(Value), None)),
        ("makemap_small", NOTHING),
        ("makemap", says(0, Some(Value), None)),
        ("mapassign", says(0, None, Some((1, Value)))),
        ("mapaccess", says(0, None, Some((1, Value)))),
        ("mapdelete", says(0, None, Some((1, Value)))),
        ("mapiterinit", says(0, None, Some((1, Value)))),
        ("mapIterStart", says(0, None, Some((1, Value)))),
        ("mapclear", says(0, None, Some((1, Value)))),
        ("convT16", NOTHING),
        ("convT32", NOTHING),
        ("convT64", NOTHING),
        ("convTs", NOTHING),
        ("convT", says(0, Some(One), None)),
        ("concatstring", gives(Text)),
        ("concatbyte", gives(Bytes)),
        ("slicebytetostring", gives(Text)),
        ("slicerunetostring", gives(Text)),
        ("intstring", gives(Text)),
        ("stringtoslicebyte", gives(Bytes)),
    ]
};

/// What a call of the function of this full name says; `None` where it says nothing.
pub(super) fn of(name: &str) -> Option<Says> {
    let name = name.strip_prefix("runtime.")?;
    let found = FUNCTIONS.iter().find(|(start, _)| name.starts_with(start));
    // A closure or method is another function.
    found.map(|(_, says)| *says).filter(|_| !name.contains('.'))
}

/// Whether a function is one of the runtime.
pub(super) fn is_runtime(name: &str) -> bool {
    name.starts_with("runtime.") || name.starts_with("internal/runtime/")
}

/// Whether a call of it leaves every register but one as it was.
pub(super) fn keeps_registers(name: &str) -> bool {
    name.starts_with("runtime.gcWriteBarrier") || name.starts_with("gcWriteBarrier")
}

/// Whether a call of it does not come back to where it was made.
pub(super) fn never_returns(name: &str) -> bool {
    let own = name.strip_prefix("runtime.").unwrap_or_default();
    ["panic", "goPanic", "gopanic", "throw", "fatal", "goexit"].iter().any(|start| own.starts_with(start))
}

/// The type whose pointer a method of this name has as its receiver, `main.Server` of `main.(*Server).Close`;
/// `None` for functions and for closures in methods.
///
/// Code of a generic type serves all types of one shape. Where the shape is that of a type without a name of its own,
/// `go.shape.string`, it is named as if it served that one; it may be that no such type is there.
pub(super) fn receiver(name: &str) -> Option<String> {
    let (package, rest) = name.split_once(".(*")?;
    let (own, method) = rest.rsplit_once(").")?;
    let plain = !method.contains(['.', '-', '[']) && !package.contains('[');
    plain.then(|| format!("{package}.{own}").replace("go.shape.", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_name_does_not_pass_for_the_shorter() {
        assert_eq!(of("runtime.makemap_small").unwrap().result, None);
        assert_eq!(of("runtime.makemap").unwrap().result, Some(Meaning::Value));
        assert_eq!(of("runtime.mallocgcSmallScanNoHeaderSC7").unwrap().ty, Some(1));
        assert_eq!(of("runtime.growsliceNoAlias").unwrap().argument, Some((0, Meaning::Many)));
        assert_eq!(of("runtime.(*mheap).alloc"), None);
        assert_eq!(of("main.newobject"), None);
    }

    #[test]
    fn a_method_tells_its_receiver() {
        assert_eq!(receiver("net/http.(*Server).Serve").as_deref(), Some("net/http.Server"));
        assert_eq!(receiver("main.(*Set[go.shape.int]).Add").as_deref(), Some("main.Set[int]"));
        for other in ["main.f", "main.T.M", "main.(*T).M.func1", "main.(*T).M-fm"] {
            assert_eq!(receiver(other), None, "{other}");
        }
    }
}
