//! Takes the gzip wrapping off, within a bound.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;

use crate::error::PprofError;

/// The unpacked bytes: `packed` itself unless it is gzip.
pub(crate) fn unpack(packed: &[u8], limit: u64) -> Result<Cow<'_, [u8]>, PprofError> {
    if !packed.starts_with(&[0x1f, 0x8b]) {
        return match packed.len() as u64 <= limit {
            true => Ok(Cow::Borrowed(packed)),
            false => Err(PprofError::TooBig { limit }),
        };
    }
    let mut rest = packed;
    let mut unpacked = Vec::new();
    let outcome = MultiGzDecoder::new(&mut rest).take(limit.saturating_add(1)).read_to_end(&mut unpacked);
    let len = packed.len() as u64;
    let offset = len - rest.len() as u64;
    match outcome {
        Ok(_) if unpacked.len() as u64 <= limit => Ok(Cow::Owned(unpacked)),
        Ok(_) => Err(PprofError::TooBig { limit }),
        Err(err) if err.kind() == ErrorKind::UnexpectedEof => {
            Err(PprofError::Gzip { what: "ends", offset, len })
        }
        Err(_) => Err(PprofError::Gzip { what: "is damaged", offset, len }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_bomb_is_refused_before_it_unfolds() {
        let bomb = gz(&vec![0; 50 << 20]);
        assert!(bomb.len() < 1 << 20);
        assert_eq!(unpack(&bomb, 1 << 20), Err(PprofError::TooBig { limit: 1 << 20 }));
    }

    #[test]
    fn half_a_stream_says_where_it_ends() {
        let whole = gz(b"a profile, or so it seems; long enough to be cut in two");
        let half = &whole[..whole.len() / 2];
        let err = unpack(half, 1 << 20).unwrap_err();
        assert_eq!(
            err.to_string(),
            format!("half a profile: the gzip stream ends at byte {0} of {0}; ask for it again", half.len())
        );
        assert_eq!(
            &*unpack(&whole, 1 << 20).unwrap(),
            b"a profile, or so it seems; long enough to be cut in two"
        );
    }
}
