//! A real gRPC service: its pprof port found among its ports, its memory as the system tells it.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test with a process"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use leakscope_collect::{HttpLimits, OsFacts, PprofEndpoint, discover};

struct Service {
    child: Child,
    grpc: SocketAddr,
    http: SocketAddr,
    /// Held open: a Go program dies of writing to a closed pipe.
    _said: BufReader<ChildStdout>,
}

impl Service {
    fn start() -> Service {
        let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/leakscope");
        let cache = std::env::var_os("LEAKSCOPE_CACHE").map_or_else(home, PathBuf::from);
        let fixtures = std::env::var_os("LEAKSCOPE_FIXTURES");
        let folder = fixtures.map_or_else(|| cache.join("fixtures"), PathBuf::from);
        let exe = folder.join("grpc-context-go1.26.6");
        assert!(exe.exists(), "{} is missing: run ./test", exe.display());
        let mut child = Command::new(exe)
            .args(["-fixed", "-cache-mb", "1", "-price-mb", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(line.strip_prefix("READY ").unwrap()).unwrap();
        let address = |name: &str| ready[name].as_str().unwrap().parse().unwrap();
        Service { child, grpc: address("grpc"), http: address("http"), _said: said }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_pprof_port_is_found_and_the_grpc_port_is_not_harmed() {
    let service = Service::start();
    let begun = Instant::now();
    let found = discover(service.child.id());
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let endpoint = found.endpoint.clone().unwrap_or_else(|| panic!("{found:?}"));
    assert_eq!(endpoint.base(), format!("http://{}/debug/pprof/", service.http));
    assert_eq!(found.gaps, []);
    assert!(found.refused.iter().all(|(address, _)| *address == service.grpc), "{:?}", found.refused);

    // Asked by itself, the gRPC port is refused in time, and takes connections as before.
    let limits = HttpLimits { total: Duration::from_secs(2), ..HttpLimits::default() };
    let grpc = PprofEndpoint::of_url(&format!("http://{}", service.grpc));
    let err = grpc.heap(&limits).unwrap_err();
    assert!(err.to_string().contains(&service.grpc.to_string()), "{err}");
    TcpStream::connect_timeout(&service.grpc, Duration::from_secs(1)).unwrap();

    assert!(endpoint.heap(&limits).unwrap().starts_with(&[0x1f, 0x8b]));
    assert!(endpoint.goroutines(&limits).unwrap().starts_with(b"goroutine "));
    let trace = endpoint.trace(Duration::from_millis(100), &limits).unwrap();
    assert!(trace.starts_with(b"go 1.26 trace\0\0\0"));
}

#[test]
fn a_process_without_sockets_has_no_endpoint() {
    let found = discover(std::process::id());
    assert_eq!(found.endpoint, None);
    let gone = discover(u32::MAX);
    assert!(gone.gaps[0].reason.contains("name its endpoint with --pprof URL"), "{:?}", gone.gaps);
}

#[test]
fn the_systems_view_agrees_with_its_other_files() {
    let service = Service::start();
    let pid = service.child.id();
    let (facts, gaps) = OsFacts::of_process(pid);
    assert_eq!(gaps, []);
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    let resident: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    let rss = facts.rss.unwrap();
    // statm counts lazily too, by at most some pages a thread.
    assert!(rss.abs_diff(resident * 4096) < 4 << 20, "{rss} and {} pages", resident);
    let parts = facts.anonymous.unwrap() + facts.mapped_files.unwrap() + facts.shared.unwrap();
    assert!(rss.abs_diff(parts) < 4 << 20, "{rss} and {parts}");
    assert_eq!(facts.threads.unwrap(), fs::read_dir(format!("/proc/{pid}/task")).unwrap().count() as u64);
    assert!(2 <= facts.open_files.unwrap() && facts.open_files <= facts.open_files_limit);
    assert!(facts.uptime_seconds.unwrap() < 60.0);
    assert!(facts.ram_available < facts.ram && rss < facts.ram.unwrap());
}
