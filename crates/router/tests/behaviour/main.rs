//! What publishers and viewers see of a router, in virtual time.

mod binding;
mod call;
mod forwarding;
mod hostile;
mod key_frames;
mod loss;
mod reports;
mod transport_cc;
