//! An ELF file of given sections, written byte by byte, without the crate under test or any it uses.

/// Bytes of an ELF header and of a section header.
const HEADER: u64 = 64;

/// An amd64 executable that has just these sections; they lie nowhere in memory.
pub(crate) fn elf_with(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut names = vec![0];
    let mut bodies = Vec::new();
    let mut headers = section_header([0; 5]);
    for (name, bytes) in sections {
        let body = [number(names.len()), 1, 0, HEADER + number(bodies.len()), number(bytes.len())];
        headers.extend(section_header(body));
        names.extend(name.as_bytes());
        names.push(0);
        bodies.extend_from_slice(bytes);
    }
    let name = number(names.len());
    names.extend(b".shstrtab\0");
    headers.extend(section_header([name, 3, 0, HEADER + number(bodies.len()), number(names.len())]));
    bodies.extend(names);

    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]); // ET_EXEC, EM_X86_64
    file.extend([0; 16]); // entry, program headers
    file.extend((HEADER + number(bodies.len())).to_le_bytes());
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 0, 0, 64, 0]);
    let last = u16::try_from(sections.len() + 1).unwrap_or(u16::MAX);
    file.extend((last + 1).to_le_bytes());
    file.extend(last.to_le_bytes());
    file.extend(bodies);
    file.extend(headers);
    file
}

fn section_header([name, kind, address, offset, size]: [u64; 5]) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(u32::try_from(name).unwrap_or(0).to_le_bytes());
    header.extend(u32::try_from(kind).unwrap_or(0).to_le_bytes());
    for word in [0, address, offset, size] {
        header.extend(word.to_le_bytes());
    }
    header.extend([0; 8]); // link, info
    header.extend(1u64.to_le_bytes());
    header.extend([0; 8]);
    header
}

fn number(len: usize) -> u64 {
    len as u64
}
