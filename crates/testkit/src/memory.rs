//! A global allocator that knows how much the calling thread holds, for tests of what memory an input can cost.
//!
//! A test binary installs it: `#[global_allocator] static ALLOCATOR: MeasuringAllocator = MeasuringAllocator;`

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes allocated less bytes freed by this thread; below 0 when it frees what others allocated. Without a
    /// destructor and made at compile time, so that reading it allocates nothing.
    static HELD: Cell<i64> = const { Cell::new(0) };
    /// Most that `HELD` was since it was last set.
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, noting how many bytes each thread holds.
pub struct MeasuringAllocator;

/// Calls `work` and returns, beside its result, the most bytes that this thread held during it beyond those that it
/// held before. Without [`MeasuringAllocator`] installed that is always 0.
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let result = work();
    (result, usize::try_from(PEAK.get() - before).unwrap_or(0))
}

fn note(bytes: i64) {
    // A thread that is ending has no such values any more, and is of no interest.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: every call goes to the system's allocator unchanged; measuring touches no memory of the caller.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for MeasuringAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as i64);
        // SAFETY: the caller keeps the contract of `alloc`, which is the system allocator's own.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as i64);
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(new_size as i64 - layout.size() as i64);
        // SAFETY: `block` came from the system's allocator with this layout, because every other call here goes there.
        unsafe { System.realloc(block, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        note(-(layout.size() as i64));
        // SAFETY: as for `realloc`.
        unsafe { System.dealloc(block, layout) }
    }
}
