//! What a profile is not, half of one, and one written here by hand.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests end where a profile must read")]

use leakscope_pprof::{LabelValue, PprofError, Profile};
use proptest::prelude::*;

fn said(bytes: &[u8]) -> String {
    Profile::decode(bytes).unwrap_err().to_string()
}

/// A field of bytes: number, wire type 2.
fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}

/// A field of a small number: wire type 0.
fn number(field: u8, value: u8) -> Vec<u8> {
    vec![field << 3, value]
}

/// Two columns, one sample of an inlined and a nameless location, labels, the strings last.
fn by_hand() -> Vec<u8> {
    let line = |function, line| message(4, &[number(1, function), number(2, line)].concat());
    let label = |fields: &[Vec<u8>]| message(3, &fields.concat());
    [
        message(1, &[number(1, 1), number(2, 2)].concat()),
        message(1, &[number(1, 3), number(2, 2)].concat()),
        message(
            2,
            &[
                message(1, &[7, 9]), // locations, packed
                number(2, 5),        // values, one by one
                number(2, 6),
                label(&[number(1, 4), number(2, 5)]),
                label(&[number(1, 4), number(3, 77), number(4, 2)]),
            ]
            .concat(),
        ),
        message(4, &[number(1, 7), number(3, 0x40), line(1, 10), line(2, 20)].concat()),
        message(4, &[number(1, 9), number(3, 0x50)].concat()),
        message(5, &[number(1, 1), number(2, 6), number(4, 8)].concat()),
        message(5, &[number(1, 2), number(2, 7), number(4, 8)].concat()),
        ["", "objects", "count", "space", "key", "value", "main.inner", "main.outer", "main.go"]
            .iter()
            .flat_map(|string| message(6, string.as_bytes()))
            .collect(),
        number(14, 3),
    ]
    .concat()
}

#[test]
fn a_profile_written_by_hand() {
    let profile = Profile::decode(&by_hand()).unwrap();
    assert_eq!(profile.default_sample_type, Some(1));
    let sample = profile.samples().next().unwrap();
    assert_eq!(sample.values(), [5, 6]);
    let stack: Vec<(String, bool)> = sample.stack().map(|frame| (frame.to_string(), frame.inlined)).collect();
    assert_eq!(
        stack,
        [
            ("main.inner main.go:10".into(), true),
            ("main.outer main.go:20".into(), false),
            ("0x50 :0".into(), false)
        ]
    );
    assert_eq!(sample.labels()[0].value, LabelValue::Text("value".into()));
    assert_eq!(sample.number("key"), Some(77));
}

#[test]
fn half_a_profile_says_where_it_ends() {
    let whole = include_bytes!("recorded/heap.pb.gz");
    assert_eq!(
        said(&whole[..whole.len() / 2]),
        format!("half a profile: the gzip stream ends at byte {0} of {0}; ask for it again", whole.len() / 2)
    );
    let by_hand = by_hand();
    assert_eq!(
        said(&by_hand[..40]),
        "half a profile or none: field 4 at byte 36 of 40 cannot be read: it has 16 bytes, only 2 are there"
    );
    // Cut at the border of a field, only what is missing tells.
    let strings = by_hand.windows(9).position(|window| window == b"main.go\x70\x03").unwrap() - 2;
    assert_eq!(
        said(&by_hand[..strings]),
        "half a profile or a damaged one: location 7 refers to string 8, which is not there"
    );
}

#[test]
fn what_is_no_profile_says_what_it_is() {
    assert_eq!(said(b""), "empty: no profile was written; ask for it again");
    assert!(said(b"<html><body>").starts_with("a web page, not a profile: "));
    assert!(said(b"404 page not found\n").starts_with("text, not a profile: \"404 page not found\""));
    assert!(said(include_bytes!("recorded/heap-debug1.txt")).contains("ask for it without debug=1"));
    assert!(
        said(include_bytes!("recorded/goroutine-debug1.txt"))
            .starts_with("a goroutine profile as text (debug=1)")
    );
    assert!(said(include_bytes!("recorded/goroutine-debug2.txt")).starts_with("a goroutine dump (debug=2)"));
    assert!(said(b"go 1.26 trace\0\0\0").starts_with("an execution trace"));
    assert!(matches!(Profile::decode(&[0xff; 40]), Err(PprofError::Malformed { field: 0, offset: 0, .. })));
    assert_eq!(Profile::decode_within(&by_hand(), 10), Err(PprofError::TooBig { limit: 10 }));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = Profile::decode(&bytes);
    }

    #[test]
    fn no_damage_panics(damage in prop::collection::vec((0usize..170, any::<u8>()), 1..6), cut in 0usize..170) {
        let mut bytes = by_hand();
        damage.into_iter().for_each(|(at, byte)| if let Some(old) = bytes.get_mut(at) { *old = byte });
        bytes.truncate(bytes.len().saturating_sub(cut));
        if let Ok(profile) = Profile::decode(&bytes) {
            let _: usize = profile.samples().map(|sample| sample.stack().count() + sample.labels().len()).sum();
        }
    }
}
