//! The time slice of a thread (sched(7); `sched_setattr(2)`, Linux 6.12 for threads of the default policy).

use std::mem::size_of;

use libc::{c_long, c_uint, sched_attr};

/// Sets the time slice of the calling thread, 0 for the system's default, if the default policy rules it; a refusal changes
/// nothing.
pub(crate) fn set_time_slice(ns: u64) {
    let Some(mut attributes) = attributes().filter(|attributes| attributes.sched_policy == libc::SCHED_OTHER as u32)
    else {
        return;
    };
    attributes.sched_runtime = ns;
    set(&attributes);
}

/// What rules the calling thread.
#[allow(unsafe_code)]
fn attributes() -> Option<sched_attr> {
    // SAFETY: all fields are integers, of which zero is a value.
    let mut attributes: sched_attr = unsafe { std::mem::zeroed() };
    let size = size_of::<sched_attr>() as c_uint;
    // SAFETY: the kernel writes at most `size` bytes to `attributes`, which outlives the call; 0 is the calling thread.
    let answer: c_long = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0 as c_uint) };
    (answer == 0).then_some(attributes)
}

#[allow(unsafe_code)]
fn set(attributes: &sched_attr) {
    // SAFETY: the kernel reads as many bytes of `attributes` as its `size` says, which the kernel wrote there itself and
    // which are at most those of the struct; 0 is the calling thread. It changes how the thread is scheduled, nothing else.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const *attributes, 0 as c_uint) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_of_the_default_policy_gets_the_slice_it_asks_for_and_keeps_the_rest() {
        let Some(before) = attributes().filter(|before| before.sched_policy == libc::SCHED_OTHER as u32) else {
            return;
        };
        // Before 6.12 there are none to ask for, and the kernel says 0.
        let is_known = before.sched_runtime != 0;
        set_time_slice(200_000);
        let after = attributes().unwrap();
        assert_eq!(after.sched_runtime, if is_known { 200_000 } else { before.sched_runtime });
        set_time_slice(0);
        assert!(!is_known || attributes().is_some_and(|attributes| attributes.sched_runtime != 200_000));
        assert_eq!((after.sched_policy, after.sched_nice), (before.sched_policy, before.sched_nice));
    }
}
