//! What a panic prints: nothing for a worker's thread, whose owner is told by `died`; the usual text elsewhere.

use std::panic;
use std::sync::Once;
use std::thread;

use millrace_engine::THREAD_NAME_PREFIX;

static INSTALLED: Once = Once::new();

/// Installs the hook once for the process, on top of whatever hook is there.
pub(crate) fn quiet_worker_threads() {
    INSTALLED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let of_a_worker = thread::current().name().is_some_and(|name| name.starts_with(THREAD_NAME_PREFIX));
            if !of_a_worker {
                before(info);
            }
        }));
    });
}
