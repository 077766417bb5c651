//! Finds the pprof endpoint of a process by itself, through its listening sockets.
//!
//! Each port is asked one question, `GET /debug/pprof/cmdline`; the answer must be the command line of that
//! very process. Ports that speak another protocol see one request that they refuse, as they refuse a port scan,
//! and are left alone after [`PER_PORT`].

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use leakscope_model::Gap;

use crate::endpoint::PprofEndpoint;
use crate::error::HttpError;
use crate::http::HttpLimits;
use crate::sockets::listening;

/// How long one port may take to answer.
pub const PER_PORT: Duration = Duration::from_millis(700);
/// How long all ports together may take.
pub const ALL_PORTS: Duration = Duration::from_secs(5);
/// The port that most services give to pprof; asked first.
const USUAL_PORT: u16 = 6060;

/// What the search found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Discovery {
    /// The endpoint; `None` if no port has one.
    pub endpoint: Option<PprofEndpoint>,
    /// Every address that was asked, and why it is not the endpoint.
    pub refused: Vec<(SocketAddr, String)>,
    /// Why the search was not complete.
    pub gaps: Vec<Gap>,
}

/// Searches the listening sockets of process `pid`.
pub fn discover(pid: u32) -> Discovery {
    let proc_pid = PathBuf::from(format!("/proc/{pid}"));
    let mut found = Discovery::default();
    let mut gap = |reason: String| found.gaps.push(Gap::new("pprof", reason));
    if !same_network(&proc_pid) {
        gap(format!("process {pid} is in another network namespace: name its endpoint with --pprof URL"));
        return found;
    }
    let mut addresses = match listening(&proc_pid) {
        Ok(addresses) => addresses,
        Err(err) => {
            gap(format!(
                "the sockets of process {pid} cannot be listed ({err}): name its endpoint with --pprof URL"
            ));
            return found;
        }
    };
    addresses.sort_by_key(|address| (address.port() != USUAL_PORT, address.port()));
    let command_line = fs::read(proc_pid.join("cmdline")).unwrap_or_default();
    found.ask_all(&addresses, &command_line);
    found
}

impl Discovery {
    fn ask_all(&mut self, addresses: &[SocketAddr], command_line: &[u8]) {
        let begun = Instant::now();
        for &address in addresses {
            if ALL_PORTS < begun.elapsed() {
                let reason =
                    format!("not every port was asked within {} s: name the endpoint", ALL_PORTS.as_secs());
                self.gaps.push(Gap::new("pprof", reason));
                return;
            }
            match ask(address, command_line) {
                Ok(endpoint) => {
                    self.endpoint = Some(endpoint);
                    return;
                }
                Err(reason) => self.refused.push((address, reason)),
            }
        }
    }
}

fn ask(address: SocketAddr, command_line: &[u8]) -> Result<PprofEndpoint, String> {
    let endpoint = PprofEndpoint::of_url(&format!("http://{address}"));
    let limits = HttpLimits { connect: PER_PORT, total: PER_PORT, bytes: 1 << 20 };
    match endpoint.command_line(&limits) {
        Ok(answer) if same_words(&answer, command_line) => Ok(endpoint),
        Ok(_) => Err("it answers for another process".to_owned()),
        Err(HttpError::Status { status, .. }) => Err(format!("HTTP, but no pprof: status {status}")),
        Err(HttpError::Hangs { .. }) => Err("no answer to HTTP".to_owned()),
        Err(err) => Err(err.to_string()),
    }
}

/// `os.Args` joined by NUL, as net/http/pprof.Cmdline writes it, against `/proc/PID/cmdline`, which ends in NUL.
fn same_words(answer: &[u8], command_line: &[u8]) -> bool {
    let trimmed = |text: &[u8]| text.strip_suffix(b"\0").unwrap_or(text).to_vec();
    !command_line.is_empty() && trimmed(answer) == trimmed(command_line)
}

fn same_network(proc_pid: &Path) -> bool {
    let theirs = fs::read_link(proc_pid.join("ns/net"));
    match (theirs, fs::read_link("/proc/self/ns/net")) {
        (Ok(theirs), Ok(ours)) => theirs == ours,
        // Not allowed to see it: the sockets will tell.
        _ => true,
    }
}
