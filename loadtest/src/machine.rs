//! What ran where: the machine, the commit, and what a process has used.
use anyhow::{Context as _, Result};
use std::process::Command;
use std::time::Duration;

/// Clock ticks a second in /proc (`USER_HZ`, 100 on every Linux that is used).
const TICKS_PER_SECOND: f64 = 100.0;

/// The processor, its cores, the kernel and the build, in one line.
pub fn description() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let build = if cfg!(debug_assertions) { "dev build" } else { "release build" };
    format!("{}, {cores} cores, Linux {}, {build}", model.unwrap_or("unknown processor"), kernel.trim())
}

/// The commit that the working directory is at, with a `+` when it has changes; "unknown" outside a checkout.
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| !changes.is_empty());
    git(&["rev-parse", "--short=12", "HEAD"])
        .map_or_else(|| "unknown".into(), |commit| commit + if changed { "+" } else { "" })
}

/// CPU time that a process has used, its kernel time included.
pub fn cpu_time(process: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The program's name, in brackets, may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')').context("no name in stat")?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).context("no time in stat");
    Ok(Duration::from_secs_f64((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND))
}

/// CPU time that the threads which a process has now have used, kernel time included, to the nanosecond. For processes whose threads do not
/// come and go.
pub fn cpu_time_exact(process: u32) -> Result<Duration> {
    let mut used = Duration::ZERO;
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may end while the others are read.
        let Ok(schedstat) = std::fs::read_to_string(task?.path().join("schedstat")) else { continue };
        used +=
            Duration::from_nanos(schedstat.split(' ').next().unwrap_or_default().parse::<u64>().context("schedstat")?);
    }
    Ok(used)
}

/// Memory that a process holds (resident set), in bytes.
pub fn resident_bytes(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS in status")?;
    let kilobytes = line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    Ok(kilobytes.context("no number in VmRSS")? * 1024)
}

/// UDP datagrams that were received in this network namespace, and those dropped at a full socket buffer, since it exists.
pub fn datagrams() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return (0, 0) };
    let value = |wanted: &str| {
        let place = names.split(' ').position(|name| name == wanted)?;
        values.split(' ').nth(place)?.parse::<u64>().ok()
    };
    let dropped = value("RcvbufErrors").unwrap_or(0);
    (value("InDatagrams").unwrap_or(0) + dropped, dropped)
}

/// Lets this process, and those that it starts, have as many open files as the machine allows; says how many that is.
///
/// # Errors
/// When the machine allows fewer than `needed`, with what to do.
pub fn open_files(needed: u64) -> Result<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    anyhow::ensure!(
        allowed >= needed,
        "this machine lets a process have {allowed} open files, and {needed} are needed: each connection is a socket. Raise the hard limit \
         (`ulimit -Hn`, LimitNOFILE of the service), or take fewer devices with --set"
    );
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(limit.current.unwrap_or(u64::MAX));
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_use_is_seen() {
        let before = cpu_time(std::process::id()).unwrap();
        let before_exact = cpu_time_exact(std::process::id()).unwrap();
        let until = std::time::Instant::now() + Duration::from_millis(300);
        let mut sum = 0_u64;
        while std::time::Instant::now() < until {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(cpu_time(std::process::id()).unwrap() - before >= Duration::from_millis(50));
        assert!(cpu_time_exact(std::process::id()).unwrap() - before_exact >= Duration::from_millis(50));
        assert!(resident_bytes(std::process::id()).unwrap() > 1_000_000);
    }

    #[test]
    fn a_datagram_is_counted() {
        let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let before = datagrams();
        socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        socket.recv(&mut [0; 8]).unwrap();
        assert!(datagrams().0 > before.0);
    }

    #[test]
    fn too_many_files_are_refused_with_what_to_do() {
        assert!(open_files(16).unwrap() >= 16);
        let error = open_files(1 << 60).unwrap_err().to_string();
        assert!(error.contains("ulimit"), "{error}");
    }
}
