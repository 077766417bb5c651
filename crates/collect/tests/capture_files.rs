//! Captures on disk: there and back, torn, damaged, on a full disk.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test with files")]

use std::fs;
use std::io::Read;
use std::path::Path;

use leakscope_collect::{Capture, CaptureError, FileKind, PartKind, TargetFacts};
use proptest::prelude::*;

/// A capture of three parts; the second does not compress.
fn sample() -> Capture {
    let target = TargetFacts { pid: Some(7), name: "/srv/orders".to_owned(), ..TargetFacts::default() };
    let mut capture = Capture::new("leakscope 0.1.0", target);
    let mut noise = 1u32;
    let random = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    });
    capture.add(PartKind::GoroutineDump, "goroutine?debug=2", b"goroutine 1 [running]:\n".to_vec());
    capture.add(PartKind::HeapProfile, "heap?gc=1", random.take(100_000).collect());
    capture.add(PartKind::Os, "/proc/7", b"{}".to_vec());
    capture
}

fn packed(capture: &Capture) -> Vec<u8> {
    let mut file = Vec::new();
    capture.write(&mut file).unwrap();
    file
}

#[test]
fn a_capture_goes_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.leakscope");
    let capture = sample();
    capture.write_to(&path).unwrap();
    assert_eq!(Capture::open(&path).unwrap(), capture);
    assert_eq!(FileKind::of_file(&path).unwrap(), FileKind::Capture);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    assert_eq!(capture.parts_of(PartKind::HeapProfile).count(), 1);
}

/// What other tools see: a plain gzipped tar, its table of contents in JSON with these very names.
#[test]
fn it_is_a_gzipped_tar_with_a_manifest() {
    let file = packed(&sample());
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&file[..]));
    let mut names = Vec::new();
    let mut manifest = String::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        names.push(entry.path().unwrap().display().to_string());
        if names.len() == 1 {
            entry.read_to_string(&mut manifest).unwrap();
        }
    }
    assert_eq!(names, ["manifest.json", "parts/0", "parts/1", "parts/2"]);
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["schema"], "leakscope.capture/1");
    assert_eq!(manifest["target"]["name"], "/srv/orders");
    assert_eq!(manifest["parts"][0]["kind"], "goroutine-dump");
    assert_eq!(manifest["parts"][0]["bytes"], 23);
    // crc32 of "goroutine 1 [running]:\n", by `python3 -c 'import zlib; print(zlib.crc32(b"..."))'`.
    assert_eq!(manifest["parts"][0]["crc32"], 4_028_075_699_u32);
    assert!(manifest["taken_at"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_torn_file_keeps_what_lies_before_the_tear() {
    let file = packed(&sample());
    let torn = Capture::read(&file[..file.len() / 2]).unwrap();
    assert_eq!(torn.parts.len(), 1);
    assert_eq!(torn.parts[0].bytes, b"goroutine 1 [running]:\n");
    assert_eq!(torn.gaps.len(), 2);
    assert!(torn.gaps[0].reason.starts_with("heap?gc=1 (100000 bytes, taken "), "{}", torn.gaps[0].reason);
    assert!(
        torn.gaps[1].reason.contains("is lost: the file is cut off or damaged"),
        "{}",
        torn.gaps[1].reason
    );
}

#[test]
fn damage_inside_one_part_loses_that_part_alone() {
    let mut capture = sample();
    capture.parts[1].bytes[5000] ^= 1;
    let read = Capture::read(&packed(&capture)[..]).unwrap();
    assert_eq!(read.parts.len(), 2);
    assert_eq!(read.gaps.len(), 1);
    assert!(read.gaps[0].reason.contains("its bytes are damaged; capture again"));
}

#[test]
fn other_files_and_later_formats_are_named() {
    let err = Capture::read(&b"hello"[..]).unwrap_err().to_string();
    assert!(
        err.starts_with("not a capture: ") && err.ends_with("name a file written by `leakscope capture`"),
        "{err}"
    );
    let mut later = sample();
    later.manifest.schema = "leakscope.capture/2".to_owned();
    let err = Capture::read(&packed(&later)[..]).unwrap_err();
    assert!(matches!(err, CaptureError::Schema { .. }));
    assert!(err.to_string().contains("leakscope.capture/2"), "{err}");
    let err = Capture::open(Path::new("/nowhere/a.leakscope")).unwrap_err();
    assert_eq!(err.to_string(), "/nowhere/a.leakscope: opening it");
}

#[test]
fn a_full_disk_says_how_much_is_needed_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.leakscope");
    // The name that the file has until it is whole; every write to it finds the disk full.
    let partial = folder.path().join(format!(".a.leakscope.{}.partial", std::process::id()));
    std::os::unix::fs::symlink("/dev/full", &partial).unwrap();
    fs::write(&path, "an older capture").unwrap();
    let err = sample().write_to(&path).unwrap_err();
    let CaptureError::DiskFull { needed, .. } = &err else { panic!("{err:?}") };
    assert!((100_025..120_000).contains(needed), "{needed}");
    assert!(err.to_string().starts_with(&format!("{}: the disk is full", path.display())), "{err}");
    assert_eq!(fs::read(&path).unwrap(), b"an older capture");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the partial file is gone");
}

#[test]
fn kinds_of_files() {
    for (start, kind) in [
        (&b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0"[..], FileKind::Core),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0", FileKind::Elf),
        (b"go 1.26 trace\0\0\0", FileKind::Trace),
        (b"\x1f\x8b\x08\0\0\0\0\0\0", FileKind::Profile),
        (b"goroutine 1 [running]:\n", FileKind::GoroutineText),
        (b"", FileKind::Unknown),
    ] {
        assert_eq!(FileKind::of_start(start), kind);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = (Capture::read(&bytes[..]), FileKind::of_start(&bytes));
    }

    #[test]
    fn no_tear_and_no_damage_panics(cut in 0.0f64..1.0, at in 0.0f64..1.0, byte: u8) {
        let mut file = packed(&sample());
        let at = (at * file.len() as f64) as usize;
        file[at] = byte;
        file.truncate((cut * file.len() as f64) as usize);
        if let Ok(capture) = Capture::read(&file[..]) {
            prop_assert_eq!(capture.parts.len() + capture.gaps.len(), capture.manifest.parts.len());
        }
    }
}
