//! Types made from descriptors, for those that debug information leaves out.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use leakscope_model::Addr;
use leakscope_target::TargetMemory;

use super::kinds::{ARRAY, CHAN, FUNC, INTERFACE, MAP, POINTER, SLICE, STRING, STRUCT, UNSAFE_POINTER};
use super::listed::{TypeData, listed};
use super::method_tables::Method;
use super::naming::Names;
use super::reading::{Descriptors, Head, Signature};
use crate::dwarf::number_kind;
use crate::layout::Layout;
use crate::moduledata::ModuleData;
use crate::types::{Field, GoType, Kind, Role, TypeId, Types};

/// More types than any program has; memory that pretends to hold more is not believed further.
const MAX_TYPES: usize = 1 << 20;
/// Fields of all of them together.
const MAX_FIELDS: usize = 1 << 22;
/// What a type is called whose descriptor cannot be read.
const UNKNOWN: &str = "<unspecified>";

/// The types of debug information, and behind them those that only the runtime describes.
#[derive(Debug, Default)]
pub struct DescribedTypes {
    types: Arc<Types>,
    ids: HashMap<Addr, Option<TypeId>>,
    methods: Vec<Method>,
}

impl DescribedTypes {
    /// Reads the `wanted` descriptors and all that they lead to, and adds to `base` those that it does not have:
    /// what `known` gives an id in `base` is not read, and a type without a name in the source is taken from there
    /// if it is called the same.
    ///
    /// Of a stripped program `base` is empty and `known` knows nothing. Addresses where no descriptor can be are
    /// left out ([`DescribedTypes::type_at`] tells); one that breaks off inside leaves its type opaque.
    pub fn read(
        memory: &dyn TargetMemory,
        layout: &Layout,
        modules: &[ModuleData],
        base: &Arc<Types>,
        known: &dyn Fn(Addr) -> Option<TypeId>,
        wanted: impl IntoIterator<Item = Addr>,
    ) -> DescribedTypes {
        let descriptors = Descriptors { memory, layout, modules };
        let given = |at| known(at).and_then(|id| base.get(id)).map(|ty| ty.name.clone());
        let mut build = Build {
            descriptors,
            known,
            names: Names::new(descriptors, &given),
            types: Types::extending(base.clone()),
            ids: HashMap::new(),
            queue: VecDeque::new(),
            same: HashMap::new(),
            headers: HashMap::new(),
            fields: 0,
            base,
            indexed: false,
        };
        for at in wanted {
            build.enter(at);
        }
        build.complete();
        build.types.link_containers();
        DescribedTypes { types: Arc::new(build.types), ids: build.ids, methods: Vec::new() }
    }

    /// Every type that the program lists, and `others` if they are types: all that it can tell of its types without
    /// debug information. `base` and `known` are as for [`DescribedTypes::read`].
    pub fn read_listed(
        memory: &dyn TargetMemory,
        layout: &Layout,
        modules: &[ModuleData],
        base: &Arc<Types>,
        known: &dyn Fn(Addr) -> Option<TypeId>,
        others: impl IntoIterator<Item = Addr>,
    ) -> DescribedTypes {
        let memory = &TypeData::new(memory, modules);
        let wanted = listed(memory, layout, modules).into_iter().chain(others);
        let mut read = DescribedTypes::read(memory, layout, modules, base, known, wanted);
        read.methods = read.find_methods(&Descriptors { memory, layout, modules });
        read
    }

    /// The methods whose code the program's types name; only of types that were listed
    /// ([`DescribedTypes::read_listed`]).
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    fn find_methods(&self, descriptors: &Descriptors<'_>) -> Vec<Method> {
        let mut of: Vec<(Addr, TypeId)> =
            self.ids.iter().filter_map(|(at, id)| Some((*at, (*id)?))).collect();
        of.sort_unstable();
        let mut methods: Vec<Method> = Vec::new();
        for (at, receiver) in of {
            let table = descriptors.head(at).ok().and_then(|head| descriptors.method_table(&head));
            methods.extend(table.into_iter().flatten().filter_map(|method| {
                let Signature { parameters, results, .. } = descriptors.signature(&method.signature)?;
                let types =
                    |all: Vec<Addr>| all.into_iter().map(|at| self.type_at(at)).collect::<Option<Vec<_>>>();
                let mut parameters = types(parameters)?;
                parameters.insert(0, receiver);
                Some(Method { code: method.code, parameters, results: types(results)? })
            }));
        }
        // Wrappers that the linker found to be alike share their code.
        methods.sort_by_key(|method| method.code);
        methods.dedup_by_key(|method| method.code);
        methods
    }

    /// Every type; more can be added to this table in turn.
    pub fn types(&self) -> &Arc<Types> {
        &self.types
    }

    /// The type whose descriptor lies here; `None` where none does, and where nobody asked.
    pub fn type_at(&self, descriptor: Addr) -> Option<TypeId> {
        self.ids.get(&descriptor).copied().flatten()
    }
}

/// Types while they are being made: each gets its id when it is first met, and its parts when its turn comes,
/// the first first: copies are made of those that were wanted before others.
pub(super) struct Build<'a> {
    pub(super) descriptors: Descriptors<'a>,
    known: &'a dyn Fn(Addr) -> Option<TypeId>,
    names: Names<'a>,
    pub(super) types: Types,
    ids: HashMap<Addr, Option<TypeId>>,
    queue: VecDeque<(Head, TypeId)>,
    /// The types that go by their own name: not the headers of maps and channels.
    same: HashMap<Arc<str>, TypeId>,
    /// Headers of maps by key and element, and of channels by element.
    pub(super) headers: HashMap<(Option<TypeId>, TypeId), TypeId>,
    fields: usize,
    base: &'a Types,
    /// Whether the types of `base` are among `same` and `headers`: from the first type on that is to be made.
    indexed: bool,
}

impl Build<'_> {
    fn index(&mut self) {
        self.indexed = true;
        for (id, ty) in self.base.iter() {
            match ty.kind {
                Kind::Map { key, elem, header } => self.headers.entry((Some(key), elem)).or_insert(header),
                Kind::Chan { elem, header } => self.headers.entry((None, elem)).or_insert(header),
                _ => &mut TypeId(0),
            };
            if ty.role == Role::Plain {
                self.same.entry(ty.name.clone()).or_insert(id);
            }
        }
    }

    /// The id of the type whose descriptor lies at `at`; `None` where none can.
    fn enter(&mut self, at: Addr) -> Option<TypeId> {
        if let Some(id) = self.ids.get(&at) {
            return *id;
        }
        let id = (self.known)(at).or_else(|| self.enter_new(at));
        self.ids.insert(at, id);
        id
    }

    fn enter_new(&mut self, at: Addr) -> Option<TypeId> {
        let head = self.descriptors.plausible_head(at).filter(|_| self.ids.len() < MAX_TYPES)?;
        if !self.indexed {
            self.index();
        }
        let name = self.names.of(&head);
        if let Some(&id) = self.same.get(&name).filter(|id| self.is_same(&head, **id)) {
            return Some(id);
        }
        let id = self.push(name, head.size, Kind::Opaque)?;
        self.queue.push_back((head, id));
        Some(id)
    }

    /// Whether a type that is called the same is the same: two of one name in the source may be declared in two
    /// functions.
    fn is_same(&self, head: &Head, id: TypeId) -> bool {
        let Some(ty) = self.types.get(id).filter(|ty| ty.size == head.size && !head.is_named()) else {
            return false;
        };
        let elem_is_known = |structure, path| {
            let elem = self.descriptors.addr(head.at, structure, path);
            let named = |at| self.descriptors.head(at).is_ok_and(|head| head.is_named());
            elem.is_some_and(|at| (self.known)(at).is_some() || !named(at))
        };
        match (head.kind, &ty.kind) {
            (ARRAY, Kind::Array { .. }) => elem_is_known("abi.ArrayType", "abi.ArrayType.Elem"),
            (POINTER, Kind::Pointer { .. }) => elem_is_known("abi.PtrType", "abi.PtrType.Elem"),
            (SLICE, Kind::Slice { .. }) => elem_is_known("abi.SliceType", "abi.SliceType.Elem"),
            (CHAN, Kind::Chan { .. }) | (FUNC, Kind::Func) | (INTERFACE, Kind::Interface { .. }) => true,
            (MAP, Kind::Map { .. }) | (STRUCT, Kind::Struct { .. }) => true,
            _ => false,
        }
    }

    fn complete(&mut self) {
        while let Some((head, id)) = self.queue.pop_front() {
            let mut kind = self.kind(&head).unwrap_or(Kind::Opaque);
            self.chain_buckets(id, &mut kind);
            self.set_kind(id, kind);
        }
    }

    /// A bucket of a map leads to the next one of its kind, which its descriptor hides behind an `unsafe.Pointer`
    /// (`cmd/compile/internal/reflectdata`, `MapBucketType`).
    fn chain_buckets(&mut self, id: TypeId, kind: &mut Kind) {
        let Kind::Struct { fields } = kind else { return };
        let is_bucket = self.types.get(id).is_some_and(|ty| ty.name.starts_with("map.bucket["));
        let Some(last) = fields.last_mut().filter(|last| is_bucket && &*last.name == "overflow") else {
            return;
        };
        let hides = matches!(self.types.get(last.ty).map(|ty| &ty.kind), Some(Kind::UnsafePointer));
        if let Some(pointer) = hides.then(|| self.pointer_to(id)).flatten() {
            last.ty = pointer;
        }
    }

    /// The id of a type that another one is made of; an opaque one where there is no descriptor.
    pub(super) fn part(&mut self, at: Addr) -> Option<TypeId> {
        match self.enter(at) {
            Some(id) => Some(id),
            None => self.named(UNKNOWN, 0, Kind::Opaque),
        }
    }

    fn kind(&mut self, head: &Head) -> Option<Kind> {
        let at = head.at;
        let mut part = |structure, path| {
            let at = self.descriptors.addr(at, structure, path)?;
            self.part(at)
        };
        Some(match head.kind {
            ARRAY => Kind::Array {
                elem: part("abi.ArrayType", "abi.ArrayType.Elem")?,
                len: self.descriptors.uint(at, "abi.ArrayType", "abi.ArrayType.Len")?,
            },
            CHAN => {
                let elem = part("abi.ChanType", "abi.ChanType.Elem")?;
                Kind::Chan { elem, header: self.channel_header(elem)? }
            }
            FUNC => Kind::Func,
            INTERFACE => Kind::Interface { empty: self.descriptors.method_list(at)?.1 == 0 },
            MAP => self.map(at)?,
            POINTER => Kind::Pointer { elem: part("abi.PtrType", "abi.PtrType.Elem")? },
            SLICE => Kind::Slice { elem: part("abi.SliceType", "abi.SliceType.Elem")? },
            STRING => Kind::String,
            STRUCT => Kind::Struct { fields: self.struct_fields(head)? },
            UNSAFE_POINTER => Kind::UnsafePointer,
            number => number_kind(number),
        })
    }

    fn struct_fields(&mut self, head: &Head) -> Option<Vec<Field>> {
        let records = self.descriptors.fields(head.at)?;
        self.fields += records.len();
        if self.fields > MAX_FIELDS || records.iter().any(|field| field.offset > head.size) {
            return None;
        }
        let fields = records.into_iter().map(|field| {
            Some(Field { name: field.name.text.into(), offset: field.offset, ty: self.part(field.ty)? })
        });
        let mut fields: Vec<Field> = fields.collect::<Option<_>>()?;
        fields.sort_by_key(|field| field.offset);
        Some(fields)
    }

    /// Adds a type.
    pub(super) fn push(&mut self, name: Arc<str>, size: u64, kind: Kind) -> Option<TypeId> {
        let ty = GoType { name: name.clone(), size, kind, role: Role::Plain, runtime_type: None };
        let id = self.types.push(ty)?;
        self.same.entry(name).or_insert(id);
        Some(id)
    }

    /// The type of this name; added where there is none.
    pub(super) fn named(&mut self, name: &str, size: u64, kind: Kind) -> Option<TypeId> {
        match self.same.get(name) {
            Some(id) => Some(*id),
            None => self.push(name.into(), size, kind),
        }
    }

    pub(super) fn set_kind(&mut self, id: TypeId, kind: Kind) {
        if let Some(ty) = self.types.own_mut(id) {
            ty.kind = kind;
        }
    }
}
