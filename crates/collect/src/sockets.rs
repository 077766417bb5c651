//! The TCP sockets on which a process listens, by `/proc` alone.
//!
//! Authority: `proc_net(5)`: column 2 is the local address, 4 the state, 10 the inode.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// `TCP_LISTEN` of the kernel's state machine.
const LISTENING: &str = "0A";

/// Where the process of `/proc/PID` listens; the wildcard address becomes loopback.
pub(crate) fn listening(proc_pid: &Path) -> io::Result<Vec<SocketAddr>> {
    let inodes = socket_inodes(proc_pid)?;
    let mut addresses = BTreeSet::new();
    for table in ["net/tcp", "net/tcp6"] {
        // Without IPv6 there is no tcp6.
        let text = fs::read_to_string(proc_pid.join(table)).unwrap_or_default();
        let rows = text.lines().skip(1).filter_map(row);
        addresses
            .extend(rows.filter(|(_, inode)| inodes.contains(inode)).map(|(address, _)| reachable(address)));
    }
    Ok(addresses.into_iter().collect())
}

/// The inodes of the sockets among the open files.
fn socket_inodes(proc_pid: &Path) -> io::Result<BTreeSet<u64>> {
    let mut inodes = BTreeSet::new();
    for entry in fs::read_dir(proc_pid.join("fd"))? {
        // A file closed since the listing is none of ours any more.
        let Ok(link) = entry.and_then(|entry| fs::read_link(entry.path())) else { continue };
        let name = link.to_string_lossy().into_owned();
        let inode = name.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        inodes.extend(inode.and_then(|inode| inode.parse::<u64>().ok()));
    }
    Ok(inodes)
}

/// The local address and inode of a listening socket.
fn row(line: &str) -> Option<(SocketAddr, u64)> {
    let mut columns = line.split_whitespace();
    let local = columns.nth(1)?;
    let state = columns.nth(1)?;
    let inode = columns.nth(5)?.parse().ok()?;
    (state == LISTENING).then_some((address(local)?, inode))
}

/// `0100007F:17AC` as 127.0.0.1:6060: words of the host's byte order, so little-endian here.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word =
        |index: usize| u32::from_str_radix(ip.get(index * 8..index * 8 + 8)?, 16).ok().map(u32::to_le_bytes);
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn reachable(address: SocketAddr) -> SocketAddr {
    // `::` takes IPv4 too unless the program forbids it; Go's `:6060` listens there.
    match address.ip().is_unspecified() {
        true => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        false => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_kernels_tables() {
        let listening = "   0: 0100007F:17AC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 \
                         4711 1 0000000000000000 100 0 0 10 0";
        assert_eq!(row(listening), Some(("127.0.0.1:6060".parse().unwrap(), 4711)));
        let established = listening.replace(" 0A ", " 01 ");
        assert_eq!(row(&established), None);
        assert_eq!(address("00000000000000000000000001000000:0050"), "[::1]:80".parse().ok());
        assert_eq!(address("0000000000000000FFFF00000100007F:0050"), "127.0.0.1:80".parse().ok());
        assert_eq!(reachable(address("00000000:0050").unwrap()), "127.0.0.1:80".parse().unwrap());
        assert_eq!(address("0100:00"), None);
    }
}
