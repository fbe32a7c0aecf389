//! What the process used of the machine. Workers of one process share its numbers.

use millrace_model::WorkerResourceUsage;

/// The numbers of getrusage(2); all zero where the system has none.
#[cfg(unix)]
pub(crate) fn of_this_process() -> WorkerResourceUsage {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;

    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return WorkerResourceUsage::default() };
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    WorkerResourceUsage {
        ru_utime: count(usage.user_time().num_milliseconds()),
        ru_stime: count(usage.system_time().num_milliseconds()),
        ru_maxrss: count(usage.max_rss()),
        ru_ixrss: count(usage.shared_integral()),
        ru_idrss: count(usage.unshared_data_integral()),
        ru_isrss: count(usage.unshared_stack_integral()),
        ru_minflt: count(usage.minor_page_faults()),
        ru_majflt: count(usage.major_page_faults()),
        ru_nswap: count(usage.full_swaps()),
        ru_inblock: count(usage.block_reads()),
        ru_oublock: count(usage.block_writes()),
        ru_msgsnd: count(usage.ipc_sends()),
        ru_msgrcv: count(usage.ipc_receives()),
        ru_nsignals: count(usage.signals()),
        ru_nvcsw: count(usage.voluntary_context_switches()),
        ru_nivcsw: count(usage.involuntary_context_switches()),
    }
}

/// The numbers of getrusage(2); all zero where the system has none.
#[cfg(not(unix))]
pub(crate) fn of_this_process() -> WorkerResourceUsage {
    WorkerResourceUsage::default()
}
