//! Pictures of many streams in one.
//!
//! [`layout`] says which input stands where.

pub mod layout;

/// One input of a mixer of pictures. Ids are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputId(pub u32);
