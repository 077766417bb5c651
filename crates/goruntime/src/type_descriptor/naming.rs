//! What types are called: the names that the linker gives them in debug information, made from descriptors.
//!
//! The authority is cmd/compile/internal/types/fmt.go (`LinkString`).

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Arc;

use hashbrown::HashMap;
use leakscope_model::Addr;

use super::kinds::{ARRAY, CHAN, FUNC, INTERFACE, MAP, MAPS, POINTER, SLICE, STRUCT, word};
use super::reading::{Descriptors, FieldRecord, Head, Text};

/// `reflect.RecvDir` and `reflect.SendDir`.
const RECEIVE_ONLY: u64 = 1;
const SEND_ONLY: u64 = 2;
/// Deeper nesting of pointers, slices and maps than any source has.
const MAX_DEPTH: usize = 64;
/// The longest name that is composed, in bytes.
const MAX_COMPOSED: usize = 1 << 14;
/// The package of types that stand for all of one shape, whose names are whole already.
const SHAPES: &str = "go.shape";
/// What stands for a type inside a name that would have no end.
const ELLIPSIS: &str = "…";

/// Gives types their names, each once.
pub(super) struct Names<'a> {
    descriptors: Descriptors<'a>,
    /// Names that are known from elsewhere.
    given: &'a dyn Fn(Addr) -> Option<Arc<str>>,
    known: RefCell<HashMap<Addr, Arc<str>>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(
        descriptors: Descriptors<'a>,
        given: &'a dyn Fn(Addr) -> Option<Arc<str>>,
    ) -> Names<'a> {
        Names { descriptors, given, known: RefCell::default() }
    }

    /// The name of the type whose head this is.
    ///
    /// A type that reflection made has no module; it is named by what it is made of, else by its kind.
    pub(super) fn of(&self, head: &Head) -> Arc<str> {
        self.name(head, 0)
    }

    fn at(&self, at: Addr, depth: usize) -> Option<Arc<str>> {
        if let Some(name) = self.known.borrow().get(&at) {
            return Some(name.clone());
        }
        Some(self.name(&self.descriptors.head(at).ok()?, depth))
    }

    fn name(&self, head: &Head, depth: usize) -> Arc<str> {
        if let Some(name) = self.known.borrow().get(&head.at) {
            return name.clone();
        }
        // Whoever comes back here while it is being made gets this.
        self.known.borrow_mut().insert(head.at, ELLIPSIS.into());
        let name = (self.given)(head.at).unwrap_or_else(|| self.made(head, depth));
        self.known.borrow_mut().insert(head.at, name.clone());
        name
    }

    fn made(&self, head: &Head, depth: usize) -> Arc<str> {
        if !head.is_named()
            && depth < MAX_DEPTH
            && let Some(name) = self.composed(head, depth + 1).filter(|name| name.len() <= MAX_COMPOSED)
        {
            return name.into();
        }
        let Some(text) = self.descriptors.text(head) else {
            return format!("{} made by reflect", word(head.kind)).into();
        };
        match self.descriptors.package_path(head).filter(|path| head.is_named() && path != SHAPES) {
            Some(path) => with_path(&text, &path).into(),
            None => text.into(),
        }
    }

    /// The name of a type that is written by naming others.
    fn composed(&self, head: &Head, depth: usize) -> Option<String> {
        let (read, at) = (&self.descriptors, head.at);
        let part = |structure, path| self.at(read.addr(at, structure, path)?, depth);
        Some(match head.kind {
            ARRAY => {
                let len = read.uint(at, "abi.ArrayType", "abi.ArrayType.Len")?;
                format!("[{len}]{}", part("abi.ArrayType", "abi.ArrayType.Elem")?)
            }
            CHAN => {
                let elem = part("abi.ChanType", "abi.ChanType.Elem")?;
                match read.uint(at, "abi.ChanType", "abi.ChanType.Dir")? {
                    RECEIVE_ONLY => format!("<-chan {elem}"),
                    SEND_ONLY => format!("chan<- {elem}"),
                    _ if elem.starts_with("<-") => format!("chan ({elem})"),
                    _ => format!("chan {elem}"),
                }
            }
            MAP => {
                let map = MAPS.iter().find(|map| read.layout.slot(map.key).is_some())?;
                format!("map[{}]{}", part(map.name, map.key)?, part(map.name, map.elem)?)
            }
            POINTER => format!("*{}", part("abi.PtrType", "abi.PtrType.Elem")?),
            SLICE => format!("[]{}", part("abi.SliceType", "abi.SliceType.Elem")?),
            STRUCT => self.structure(head, depth)?,
            FUNC => format!("func{}", self.signature(head, depth)?),
            INTERFACE => self.interface(head, depth)?,
            _ => return None,
        })
    }

    /// `struct { Name T; example.io/shop.hidden T "tag"; Embedded }`.
    fn structure(&self, head: &Head, depth: usize) -> Option<String> {
        let at = head.at;
        let fields = self.descriptors.fields(at)?;
        if let Some(name) = self.map_group(head, &fields, depth) {
            return Some(name);
        }
        let path = self.descriptors.literal_path(at, "abi.StructType", "abi.StructType.PkgPath");
        let mut name = "struct {".to_owned();
        for (index, FieldRecord { name: field, ty, .. }) in fields.iter().enumerate() {
            name.push_str(if index == 0 { " " } else { "; " });
            let ty = self.at(*ty, depth)?;
            if !is_implied(field, &ty) {
                name.push_str(&qualified(&field.text, path.as_deref()));
                name.push_str(if field.embedded { " = " } else { " " });
            }
            name.push_str(&ty);
            if let Some(tag) = &field.tag {
                let _ = write!(name, " {tag:?}");
            }
            if name.len() > MAX_COMPOSED {
                return None;
            }
        }
        name.push_str(if fields.is_empty() { "}" } else { " }" });
        Some(name)
    }

    /// `map.group[K]V`, `map.bucket[K]V`: structs without a name in the source.
    fn map_group(&self, head: &Head, fields: &[FieldRecord], depth: usize) -> Option<String> {
        let prefix = match &*fields.first()?.name.text {
            "ctrl" => "map.group[",
            "topbits" => "map.bucket[",
            _ => return None,
        };
        let (text, slots) = (self.descriptors.text(head)?, fields.get(1)?);
        let arguments = text.strip_prefix("noalg.").unwrap_or(&text).strip_prefix(prefix)?;
        let elem_of = |array| self.descriptors.addr(array, "abi.ArrayType", "abi.ArrayType.Elem");
        let (key, elem) = match fields.get(2) {
            Some(elems) => (elem_of(slots.ty)?, elem_of(elems.ty)?),
            None => match &self.descriptors.fields(elem_of(slots.ty)?)?[..] {
                [key, elem] => (key.ty, elem.ty),
                _ => return None,
            },
        };
        let (key, elem) = (self.at(key, depth)?, self.at(elem, depth)?);
        // Large keys and elements lie behind pointers, which the name does not show.
        let key = if arguments.starts_with('*') { &key } else { key.strip_prefix('*').unwrap_or(&key) };
        let pointer = closing_bracket(arguments).is_some_and(|rest| rest.starts_with('*'));
        let elem = if pointer { &elem } else { elem.strip_prefix('*').unwrap_or(&elem) };
        Some(format!("{prefix}{key}]{elem}"))
    }

    /// `(int, ...string) error`.
    fn signature(&self, head: &Head, depth: usize) -> Option<String> {
        let signature = self.descriptors.signature(head)?;
        let names = |types: &[Addr]| -> Option<Vec<Arc<str>>> {
            let mut room = MAX_COMPOSED;
            let named = types.iter().map(|ty| {
                let name = self.at(*ty, depth)?;
                room = room.checked_sub(name.len())?;
                Some(name)
            });
            named.collect()
        };
        let (parameters, results) = (names(&signature.parameters)?, names(&signature.results)?);
        let mut parameters: Vec<String> = parameters.iter().map(|name| name.to_string()).collect();
        if let Some(last) = parameters.last_mut().filter(|_| signature.variadic) {
            *last = format!("...{}", last.strip_prefix("[]").unwrap_or(last));
        }
        let results = match &results[..] {
            [] => String::new(),
            [one] => format!(" {one}"),
            more => format!(" ({})", more.join(", ")),
        };
        Some(format!("({}){results}", parameters.join(", ")))
    }

    /// `interface { Close() error; example.io/shop.order() int }`.
    fn interface(&self, head: &Head, depth: usize) -> Option<String> {
        if self.descriptors.method_list(head.at)?.1 == 0 {
            return Some("interface {}".to_owned());
        }
        let path = self.descriptors.literal_path(head.at, "abi.InterfaceType", "abi.InterfaceType.PkgPath");
        let mut name = "interface {".to_owned();
        for (index, method) in self.descriptors.methods(head.at)?.iter().enumerate() {
            name.push_str(if index == 0 { " " } else { "; " });
            let path = method.package.as_deref().or(path.as_deref());
            name.push_str(&qualified(&method.name, path));
            let ty = self.descriptors.head(method.ty).ok().filter(|ty| ty.kind == FUNC)?;
            name.push_str(self.name(&ty, depth).strip_prefix("func")?);
            if name.len() > MAX_COMPOSED {
                return None;
            }
        }
        name.push_str(" }");
        Some(name)
    }
}

/// Whether an embedded field's name is that of its type, and is therefore not written.
fn is_implied(field: &Text, ty: &str) -> bool {
    let ty = ty.strip_prefix('*').unwrap_or(ty);
    let head = ty.split('[').next().unwrap_or(ty);
    let own = head.rfind(['.', '/']).and_then(|dot| ty.get(dot + 1..)).unwrap_or(ty);
    let name = field.text.split('[').next().unwrap_or(&field.text);
    field.embedded && own.split(['[', '·']).next() == Some(name)
}

/// A name with its package before it, unless it starts with a capital.
fn qualified(name: &str, path: Option<&str>) -> String {
    match path {
        Some(path) if !path.is_empty() && !name.starts_with(char::is_uppercase) => {
            format!("{}.{name}", escaped(path))
        }
        _ => name.to_owned(),
    }
}

/// `grpc.Server` with the path `google.golang.org/grpc`; what stands in brackets is left as it is.
fn with_path(name: &str, path: &str) -> String {
    let head = name.find('[').and_then(|open| name.get(..open)).unwrap_or(name);
    let own = head.rfind('.').and_then(|dot| name.get(dot + 1..)).unwrap_or(name);
    format!("{}.{own}", escaped(path))
}

/// A path as the linker writes it: `gopkg.in/yaml%2ev3` (cmd/internal/objabi, `PathToPrefix`).
fn escaped(path: &str) -> String {
    let last = path.rfind('/').map_or(0, |slash| slash + 1);
    let mut out = String::with_capacity(path.len());
    for (at, byte) in path.bytes().enumerate() {
        let plain = byte > b' ' && byte < 0x7f && byte != b'%' && byte != b'"' && (byte != b'.' || at < last);
        if plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02x}");
        }
    }
    out
}

/// What follows the bracket that closes the one before `text`.
fn closing_bracket(text: &str) -> Option<&str> {
    let mut open = 1u32;
    text.char_indices().find_map(|(at, char)| {
        match char {
            '[' => open += 1,
            ']' => open -= 1,
            _ => {}
        }
        (open == 0).then(|| text.get(at + 1..)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gets_its_whole_path() {
        assert_eq!(with_path("grpc.Server", "google.golang.org/grpc"), "google.golang.org/grpc.Server");
        assert_eq!(with_path("cache.Set[main.Key]", "shop/cache"), "shop/cache.Set[main.Key]");
        assert_eq!(with_path("yaml.Node", "gopkg.in/yaml.v3"), "gopkg.in/yaml%2ev3.Node");
    }

    #[test]
    fn brackets_close_where_they_opened() {
        assert_eq!(closing_bracket("[4]int]*main.T"), Some("*main.T"));
        assert_eq!(closing_bracket("string"), None);
    }

    #[test]
    fn an_embedded_fields_name_is_not_written_twice() {
        let field = |name: &str| Text { text: name.to_owned(), embedded: true, ..Text::default() };
        assert!(
            is_implied(&field("Mutex"), "sync.Mutex")
                && is_implied(&field("Node"), "*gopkg.in/yaml%2ev3.Node")
        );
        assert!(is_implied(&field("Set"), "main.Set[main.Key]") && !is_implied(&field("Int"), "int"));
    }
}
