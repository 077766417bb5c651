//! All that is known of the Go program in one process: [`Runtime::identify`].

use leakscope_model::{Addr, Bias, Frame, LinkAddr};
use leakscope_target::{Mapping, TargetMemory};

use crate::buildinfo::{BuildInfo, GoVersion};
use crate::dwarf::DebugInfo;
use crate::elf::{Arch, ElfImage};
use crate::error::RuntimeError;
use crate::file_memory::writable_ranges;
use crate::layout::resolve::resolve;
use crate::layout::{Layout, LayoutOrigin};
use crate::module_search;
use crate::moduledata::ModuleData;
use crate::names::{Names, StringTable};
use crate::pclntab::{FuncTable, PcHeader};
use crate::sanity::Checks;
use crate::symbols::RuntimeVariables;
use crate::type_descriptor::{DescribedTypes, TypeDescriptor};
use crate::unnamed_variables::Unnamed;
use crate::variables_by_code::version_text;

/// The Go program in a process: which Go built it, what its runtime looks like, and what its parts are called.
#[derive(Debug)]
pub struct Runtime<'b> {
    /// Which Go built it.
    pub version: GoVersion,
    /// How it was built; empty where the build information was taken out.
    pub build: BuildInfo,
    /// For which processor.
    pub arch: Arch,
    /// How far the loader moved it.
    pub bias: Bias,
    /// What the runtime's structures look like.
    pub layout: Layout,
    /// Where the layout comes from.
    pub layout_origin: LayoutOrigin,
    /// What the runtime's numbers mean.
    pub names: Names,
    /// The program and its plugins.
    pub modules: Vec<ModuleData>,
    /// The program's functions.
    pub functions: FuncTable<'b>,
    /// Types, variables and locals.
    pub debug: DebugInfo<'b>,
    /// Where the runtime's package variables stand.
    pub variables: RuntimeVariables,
    /// What could not be read and is therefore left out.
    pub gaps: Vec<RuntimeError>,
}

impl<'b> Runtime<'b> {
    /// Identifies the Go program whose executable is `elf` in the process with this memory and these mappings.
    ///
    /// Fails with [`RuntimeError::NotGo`] for a program of another kind, with [`RuntimeError::NoLayout`] for a
    /// release that cannot be read, with [`RuntimeError::NoShape`] where a stripped program's variables do not show
    /// which of them is the heap, and with [`RuntimeError::Sanity`] where the layout does not fit what the process
    /// holds.
    pub fn identify(
        elf: &'b [u8],
        memory: &dyn TargetMemory,
        mappings: &[Mapping],
    ) -> Result<Runtime<'b>, RuntimeError> {
        Runtime::identify_with(elf, None, memory, mappings)
    }

    /// As [`Runtime::identify`], with debug information from a separate file.
    pub fn identify_with(
        elf: &'b [u8],
        debug_file: Option<&'b [u8]>,
        memory: &dyn TargetMemory,
        mappings: &[Mapping],
    ) -> Result<Runtime<'b>, RuntimeError> {
        let image = ElfImage::parse(elf)?;
        let debug_image = debug_file.map(ElfImage::parse).transpose()?;
        let build = BuildInfo::read(&image).unwrap_or_default();
        let functions = FuncTable::locate(&image).map_err(|error| explain(error, &image, &build))?;
        let bias = image.bias(mappings, memory).ok_or_else(|| not_loaded(mappings))?;
        let debug = DebugInfo::read(debug_image.as_ref().unwrap_or(&image))?;
        let files: Vec<_> = std::iter::once(&image).chain(&debug_image).collect();
        let mut variables = RuntimeVariables::collect(&files, &debug, bias);
        let in_code = || version_text(image.arch, &functions, memory, bias);
        let version = version_of(&build, memory, &variables, in_code)?;
        let resolved = resolve(&version, image.arch, &debug)?;
        let (layout, layout_origin) = (resolved.layout, resolved.origin);
        let mut gaps: Vec<_> =
            resolved.caution.map(|text| caution(&layout_origin, text)).into_iter().collect();

        let first = first_module(memory, &variables, &image, bias)?;
        let (modules, broken) = ModuleData::read_all(memory, &layout, first)?;
        gaps.extend(broken);
        let functions = through_memory(&image, bias, &modules).unwrap_or(functions);
        if let Some(module) = modules.first() {
            let arch = image.arch;
            let unnamed = Unnamed { arch, functions: &functions, memory, layout: &layout, module };
            gaps.extend(unnamed.add_to(&mut variables)?);
        }
        let names = read_names(memory, &layout, &variables)?;
        let checks = Checks { memory, layout: &layout, origin: origin_text(&layout_origin) };
        modules.iter().try_for_each(|module| checks.module(module))?;
        checks.spans(variables.need("mheap_")?)?;
        checks.goroutines(variables.need("allgs")?, &names)?;
        gaps.extend(modules.iter().skip(1).map(plugin_gap));
        let arch = image.arch;
        Ok(Runtime {
            version,
            build,
            arch,
            bias,
            layout,
            layout_origin,
            names,
            modules,
            functions,
            debug,
            variables,
            gaps,
        })
    }

    /// The address in the process of a package variable of the runtime that the walk cannot do without, such as
    /// `mheap_`.
    pub fn variable(&self, name: &str) -> Result<Addr, RuntimeError> {
        self.variables.need(name)
    }

    /// The address that the linker gave to what lies at `addr` in the process.
    pub fn linked(&self, addr: Addr) -> LinkAddr {
        addr.unrelocate(self.bias)
    }

    /// The frames of the call that returns to `pc` in the process, innermost first ([`FuncTable::frames_returning_to`]).
    pub fn frames_returning_to(&self, pc: Addr) -> Vec<Frame> {
        self.functions.frames_returning_to(self.linked(pc))
    }

    /// Reads a runtime type descriptor (`abi.Type`) of the process: what there is to know of types that debug
    /// information does not name.
    pub fn describe_type(&self, memory: &dyn TargetMemory, at: Addr) -> Result<TypeDescriptor, RuntimeError> {
        TypeDescriptor::read(memory, &self.layout, &self.modules, at)
    }

    /// Every type of debug information, and behind them those that only these descriptors of the process tell.
    pub fn described_types(
        &self,
        memory: &dyn TargetMemory,
        wanted: impl IntoIterator<Item = Addr>,
    ) -> DescribedTypes {
        let known = |at| self.debug.type_of_runtime(self.linked(at));
        DescribedTypes::read(memory, &self.layout, &self.modules, &self.debug.types, &known, wanted)
    }
}

/// A layout that may not be this build's casts doubt on all; that of its own debug information does not.
fn caution(origin: &LayoutOrigin, text: String) -> RuntimeError {
    match origin {
        LayoutOrigin::NearestTable { .. } => RuntimeError::Tentative(text),
        LayoutOrigin::Table { .. } | LayoutOrigin::Dwarf => RuntimeError::Caution(text),
    }
}

/// Says what was seen instead of a Go program.
fn explain(error: RuntimeError, elf: &ElfImage<'_>, build: &BuildInfo) -> RuntimeError {
    let RuntimeError::NotGo(why) = error else { return error };
    if !build.version.is_empty() {
        return RuntimeError::NotGo(format!("{why}, although its build information says {}", build.version));
    }
    let comment = elf.section(".comment").unwrap_or_default();
    let maker = comment.split(|byte| *byte == 0).find(|text| !text.is_empty());
    let maker = maker.map(String::from_utf8_lossy).map(|maker| format!("; it was made by {maker}"));
    RuntimeError::NotGo(format!("{why}, and no Go build information{}", maker.unwrap_or_default()))
}

fn not_loaded(mappings: &[Mapping]) -> RuntimeError {
    RuntimeError::NotLoaded(format!("none of the process's {} mappings holds its code", mappings.len()))
}

/// The version by the build information, else by `runtime.buildVersion` in memory.
fn version_of(
    build: &BuildInfo,
    memory: &dyn TargetMemory,
    variables: &RuntimeVariables,
    in_code: impl FnOnce() -> Option<String>,
) -> Result<GoVersion, RuntimeError> {
    let variable = variables.find("buildVersion").filter(|_| build.version.is_empty());
    let text = match variable {
        Some(variable) => crate::names::read_string(memory, "buildVersion", variable.at)?.to_string(),
        None if build.version.is_empty() => in_code().unwrap_or_default(),
        None => build.version.clone(),
    };
    let said = if text.is_empty() { "no version".to_owned() } else { format!("the version {text:?}") };
    GoVersion::parse(&text).ok_or_else(|| {
        RuntimeError::NotGo(format!(
            "it has a Go function table, but {said}: how its runtime looks cannot be known; build it without \
             obfuscation, or with debug information"
        ))
    })
}

/// `runtime.firstmoduledata`, by name or by its shape.
fn first_module(
    memory: &dyn TargetMemory,
    variables: &RuntimeVariables,
    elf: &ElfImage<'_>,
    bias: Bias,
) -> Result<Addr, RuntimeError> {
    if let Some(variable) = variables.find("firstmoduledata") {
        return Ok(variable.at);
    }
    let ranges =
        writable_ranges(elf).into_iter().map(|(at, len)| (at.relocate(bias), len)).collect::<Vec<_>>();
    let found = module_search::search(memory, &ranges);
    match found.as_slice() {
        [only] => Ok(only.at),
        _ => Err(RuntimeError::NoShape { name: "runtime.firstmoduledata", places: found.len() }),
    }
}

/// The function table that the process itself points at, with the places that it says.
fn through_memory<'b>(elf: &ElfImage<'b>, bias: Bias, modules: &[ModuleData]) -> Option<FuncTable<'b>> {
    let module = modules.first()?;
    let bytes = elf.bytes_at(module.pc_header.unrelocate(bias))?;
    let header = PcHeader::parse(bytes).ok()?;
    Some(FuncTable::new(header, module.text_layout(bias), elf.segments()))
}

fn read_names(
    memory: &dyn TargetMemory,
    layout: &Layout,
    variables: &RuntimeVariables,
) -> Result<Names, RuntimeError> {
    let table = |name: &str| {
        let variable = variables.find(name)?;
        Some(StringTable { at: variable.at, size: variable.size })
    };
    Names::read(memory, layout, table("gStatusStrings"), table("waitReasonStrings"))
}

/// A plugin's functions are in a file of their own, which nobody handed to us.
fn plugin_gap(module: &ModuleData) -> RuntimeError {
    RuntimeError::Caution(format!(
        "the functions of the plugin whose text starts at {} are not named",
        module.text.start
    ))
}

fn origin_text(origin: &LayoutOrigin) -> String {
    match origin {
        LayoutOrigin::Dwarf => "from its debug information".to_owned(),
        LayoutOrigin::Table { file } => format!("from our table {file}"),
        LayoutOrigin::NearestTable { file } => format!("from our table {file}, the nearest"),
    }
}
