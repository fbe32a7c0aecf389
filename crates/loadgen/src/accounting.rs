//! What a process uses of the machine, by /proc, and who runs where.

use std::fs;
use std::io;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

/// CPU time and memory of one process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// CPU time of all its threads in ns, exact.
    pub(crate) cpu_ns: u64,
    /// Share of it that was not the kernel's, by the clock's ticks since the process began.
    user_ticks: u64,
    system_ticks: u64,
    /// Resident memory in bytes.
    pub(crate) resident: u64,
}

impl Usage {
    /// Reads the usage of a process up to this moment.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn of(process: u32) -> io::Result<Self> {
        let (user_ticks, system_ticks) = ticks(&fs::read_to_string(format!("/proc/{process}/stat"))?)?;
        let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
        Ok(Self { cpu_ns: cpu_ns(process)?, user_ticks, system_ticks, resident: resident(&rollup) })
    }

    /// What was used between `earlier` and this moment; memory may have shrunk to 0.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
            user_ticks: self.user_ticks - earlier.user_ticks,
            system_ticks: self.system_ticks - earlier.system_ticks,
            resident: self.resident.saturating_sub(earlier.resident),
        }
    }

    /// CPU time outside the kernel in ns: the exact total, divided as the ticks say.
    pub(crate) fn user_ns(&self) -> u64 {
        let ticks = (self.user_ticks + self.system_ticks).max(1);
        self.cpu_ns * self.user_ticks / ticks
    }
}

/// Nanoseconds that the scheduler gave to the threads that live.
fn cpu_ns(process: u32) -> io::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        sum += text.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or_default();
    }
    Ok(sum)
}

/// User and system time, the 14th and 15th field; the second may hold spaces and ends with a parenthesis.
fn ticks(stat: &str) -> io::Result<(u64, u64)> {
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let mut fields = after_name.split_whitespace().skip(11).map(|field| field.parse().unwrap_or_default());
    match (fields.next(), fields.next()) {
        (Some(user), Some(system)) => Ok((user, system)),
        _ => Err(io::Error::other("/proc/PID/stat cannot be read")),
    }
}

fn resident(rollup: &str) -> u64 {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}

/// Datagrams that the kernel dropped because the socket on `port` was full.
pub(crate) fn kernel_drops(port: u16) -> u64 {
    let text = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let is_ours = |line: &&str| {
        let local = line.split_whitespace().nth(1).and_then(|address| address.split_once(':'));
        local.is_some_and(|(_, hex)| u16::from_str_radix(hex, 16) == Ok(port))
    };
    let drops = |line: &str| line.split_whitespace().last().and_then(|count| count.parse::<u64>().ok());
    text.lines().skip(1).filter(is_ours).filter_map(drops).sum()
}

/// Confines this process to one core; on a machine that has no such core it runs anywhere.
pub(crate) fn stay_on(core: usize) {
    let mut cores = CpuSet::new();
    if cores.set(core).is_ok() {
        let _ = sched_setaffinity(Pid::from_raw(0), &cores);
    }
}

/// Allows as many open sockets as the system lets us.
pub(crate) fn open_many_files() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_has_used_time_and_memory() {
        let before = Usage::of(std::process::id()).unwrap();
        let sum: u64 = (0..3_000_000u64).map(std::hint::black_box).sum();
        let used = Usage::of(std::process::id()).unwrap().since(&before);
        assert!(sum > 0 && used.cpu_ns > 100_000 && before.resident > 1 << 20);
        assert!(used.user_ns() <= used.cpu_ns);
    }

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 1 1 0 -1 4194560 1 2 3 4 55 66 0 0 20 0";
        assert_eq!(ticks(stat).unwrap(), (55, 66));
        assert!(ticks("7 (a) S").is_err());
    }
}
