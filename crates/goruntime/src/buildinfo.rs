//! What the linker wrote down about the build: Go version, experiments, module, settings (`debug/buildinfo`).

use std::fmt;

use leakscope_model::LinkAddr;

use crate::elf::ElfImage;
use crate::integers::{u8_at, uvarint_at};

/// What the blob starts with.
const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
/// The blob is aligned to this.
const ALIGN: usize = 16;
/// Bytes before its two strings.
const HEADER: usize = 32;
/// In the flags: the strings follow in place, as they do since Go 1.18.
const INLINE_STRINGS: u8 = 2;
/// Bytes of the marks before and behind the module information (`modload.infoStart`, `modload.infoEnd`).
const MARK: usize = 16;

/// A version of Go as the binary says it.
///
/// Order and meaning of versions matter in one place only, where a layout is chosen; all else asks the layout.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GoVersion {
    /// The 1 of `go1.26.6`.
    pub major: u32,
    /// The 26 of `go1.26.6`.
    pub minor: u32,
    /// The 6 of `go1.26.6`; 0 where there is none.
    pub patch: u32,
    /// What follows the numbers and is no experiment: `rc1`, `-custom`.
    pub suffix: String,
    /// What stands behind `X:`, in its order: `greenteagc`, `nogreenteagc`.
    pub experiments: Vec<String>,
    /// The whole, as the binary has it.
    pub text: String,
}

impl GoVersion {
    /// Reads `go1.26.6`, `go1.26.6-X:nogreenteagc`, `go1.25.5 X:greenteagc`, `go1.27rc1`,
    /// `devel go1.28-0123abcd Mon Jan 2 …`; `None` where no Go version stands.
    pub fn parse(text: &str) -> Option<GoVersion> {
        let start = text.find("go")?;
        let rest = text.get(start + 2..)?;
        let (name, experiments) = match rest.find("X:") {
            Some(at) => (rest.get(..at)?.trim_end_matches([' ', '-']), rest.get(at + 2..)?),
            None => (rest, ""),
        };
        let name = name.split_whitespace().next()?;
        let (major, after) = number(name)?;
        let (minor, after) = number(after.strip_prefix('.')?)?;
        let (patch, suffix) = after.strip_prefix('.').and_then(number).unwrap_or((0, after));
        let experiments = experiments.split_whitespace().next().unwrap_or_default().split(',');
        let experiments = experiments.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Some(GoVersion { major, minor, patch, suffix: suffix.to_owned(), experiments, text: text.to_owned() })
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The decimal number at the start of `text`, and what follows it.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

/// What `go version -m` prints of a binary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildInfo {
    /// The toolchain's version, as written.
    pub version: String,
    /// Import path of the main package (`path`); empty where the build had no module.
    pub path: String,
    /// Path and version of the main module (`mod`).
    pub module: Option<Module>,
    /// The modules that it was built with (`dep`), in order.
    pub dependencies: Vec<Module>,
    /// Settings (`build`), in order: `-ldflags`, `CGO_ENABLED`, `GOARCH`, `vcs.revision`.
    pub settings: Vec<(String, String)>,
}

/// A module of the build.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Module {
    /// Its path.
    pub path: String,
    /// Its version; `(devel)` for the main module of a local build.
    pub version: String,
}

impl BuildInfo {
    /// Finds and reads the blob of an executable; `None` where there is none with strings in place (Go 1.18 on).
    pub fn read(elf: &ElfImage<'_>) -> Option<BuildInfo> {
        let section = elf.section_range(".go.buildinfo").and_then(|(start, _)| elf.bytes_at(start));
        if let Some(info) = section.and_then(BuildInfo::find) {
            return Some(info);
        }
        // Without section names: it lies at the start of the writable data.
        let segments = elf.segments().iter().filter(|segment| segment.write).chain(elf.segments());
        segments
            .filter_map(|segment| elf.bytes_at(LinkAddr::new(segment.addr.get())))
            .find_map(BuildInfo::find)
    }

    /// The first blob in `bytes`, whose start is aligned as the linker aligns the blob.
    pub fn find(bytes: &[u8]) -> Option<BuildInfo> {
        let mut blobs = (0..bytes.len()).step_by(ALIGN).filter_map(|at| bytes.get(at..));
        blobs.find(|blob| blob.starts_with(MAGIC)).and_then(BuildInfo::parse)
    }

    /// Reads a blob from its magic on.
    pub fn parse(blob: &[u8]) -> Option<BuildInfo> {
        if !blob.starts_with(MAGIC) || u8_at(blob, 15)? & INLINE_STRINGS == 0 {
            return None;
        }
        let (version, next) = string_at(blob, HEADER)?;
        let mut info = BuildInfo { version: version.to_owned(), ..BuildInfo::default() };
        let (marked, _) = bytes_at(blob, next).unwrap_or_default();
        let text = marked.get(MARK..marked.len().saturating_sub(MARK)).unwrap_or_default();
        for line in std::str::from_utf8(text).unwrap_or_default().lines() {
            info.take_line(line);
        }
        Some(info)
    }

    /// A setting of the build by its key, such as `GOARCH`.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// One line of the module information (`debug.ParseBuildInfo`); kinds that are not known are passed over.
    fn take_line(&mut self, line: &str) {
        let Some((kind, rest)) = line.split_once('\t') else { return };
        let module = || {
            let mut columns = rest.split('\t').map(str::to_owned);
            Module { path: columns.next().unwrap_or_default(), version: columns.next().unwrap_or_default() }
        };
        match kind {
            "path" => self.path = rest.to_owned(),
            "mod" => self.module = Some(module()),
            "dep" => self.dependencies.push(module()),
            "=>" => {
                if let Some(replaced) = self.dependencies.last_mut() {
                    *replaced = module();
                }
            }
            "build" => self.settings.extend(setting(rest)),
            _ => {}
        }
    }
}

/// A line `key=value`, either part in quotes where it holds what would confuse (`debug.quoteKey`).
fn setting(line: &str) -> Option<(String, String)> {
    let end = match line.strip_prefix('"') {
        Some(quoted) => quoted.find('"')? + 2,
        None => line.find('=')?,
    };
    let (key, value) = line.split_at_checked(end)?;
    Some((unquoted(key), unquoted(value.strip_prefix('=')?)))
}

/// A value without its quotes; escapes other than those of a quote and a backslash stay as they are.
fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('`').and_then(|value| value.strip_suffix('`'));
    if let Some(raw) = inner {
        return raw.to_owned();
    }
    match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        Some(inner) => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => value.to_owned(),
    }
}

fn bytes_at(blob: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (len, start) = uvarint_at(blob, at)?;
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    Some((blob.get(start..end)?, end))
}

fn string_at(blob: &[u8], at: usize) -> Option<(&str, usize)> {
    let (bytes, end) = bytes_at(blob, at)?;
    Some((std::str::from_utf8(bytes).ok()?, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_with_experiments_in_both_spellings() {
        let version = |text| {
            let v = GoVersion::parse(text).unwrap();
            (v.major, v.minor, v.patch, v.suffix, v.experiments.join("+"))
        };
        assert_eq!(version("go1.26.6"), (1, 26, 6, String::new(), String::new()));
        assert_eq!(version("go1.26.6-X:nogreenteagc"), (1, 26, 6, String::new(), "nogreenteagc".to_owned()));
        assert_eq!(version("go1.25.5 X:greenteagc,jsonv2").4, "greenteagc+jsonv2");
        assert_eq!(version("go1.27rc1"), (1, 27, 0, "rc1".to_owned(), String::new()));
        assert_eq!(version("devel go1.28-0123abcd Mon Jan 2 15:04:05 2026 +0000").1, 28);
        assert_eq!(version("go1.22.5-custom").3, "-custom");
        assert_eq!(GoVersion::parse("gccgo"), None);
    }

    fn blob(version: &str, modinfo: &str) -> Vec<u8> {
        let mut blob = MAGIC.to_vec();
        blob.extend([8, 2]);
        blob.resize(HEADER, 0);
        blob.push(u8::try_from(version.len()).unwrap());
        blob.extend(version.bytes());
        let len = modinfo.len() + 2 * MARK;
        blob.extend([u8::try_from(len % 128).unwrap() | 0x80, u8::try_from(len / 128).unwrap()]);
        blob.extend([7; MARK]);
        blob.extend(modinfo.bytes());
        blob.extend([9; MARK]);
        blob
    }

    #[test]
    fn a_blob_and_its_quoted_settings() {
        let text = "path\tshop/orders\nmod\tshop\t(devel)\t\ndep\tgrpc\tv1.2.0\th1:x=\n=>\tfork\tv1.2.1\t\n\
                    build\t-ldflags=\"-s -w\"\nbuild\tGOARCH=amd64\n";
        let mut bytes = vec![0; 48];
        bytes.extend(blob("go1.26.6", text));
        let info = BuildInfo::find(&bytes).unwrap();
        assert_eq!((info.version.as_str(), info.path.as_str()), ("go1.26.6", "shop/orders"));
        assert_eq!(info.setting("-ldflags"), Some("-s -w"));
        assert_eq!(info.setting("GOARCH"), Some("amd64"));
        assert_eq!(info.dependencies.first().unwrap().path, "fork");
    }

    proptest! {
        #[test]
        fn no_blob_panics(tail: Vec<u8>, text: String) {
            let mut bytes = MAGIC.to_vec();
            bytes.extend(&tail);
            let _ = BuildInfo::find(&bytes);
            let _ = BuildInfo::find(&blob("go1.26", text.get(..100).unwrap_or_default()));
            let _ = (GoVersion::parse(&text), setting(&text));
        }
    }
}
