//! What a thread asks of the system's scheduler.

/// Time that a thread of a worker wants the processor for at a time, in ns: the shortest that Linux grants. It deals with
/// what came in less, and then sleeps.
#[cfg(target_os = "linux")]
const TIME_SLICE_NS: u64 = 100_000;

/// Asks for short time slices for the calling thread: beside busy threads it has the processor sooner after it was woken,
/// for less time at once and for no more in all. Linux grants it from 6.12 on, without a privilege; elsewhere nothing changes.
pub fn prefer_short_time_slices() {
    #[cfg(target_os = "linux")]
    crate::linux::set_time_slice(TIME_SLICE_NS);
}

/// Asks for the time slices that threads have by default: a thread begins with those of the thread that started it.
pub fn prefer_default_time_slices() {
    #[cfg(target_os = "linux")]
    crate::linux::set_time_slice(0);
}
