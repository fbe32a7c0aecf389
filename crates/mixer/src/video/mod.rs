//! Pictures of many streams in one.
//!
//! [`layout`] says which input stands where, [`compose`] draws it, of what [`scale`] and [`text`] make.

pub mod compose;
pub mod layout;
pub mod picture;
pub mod scale;
pub mod text;

/// One input of a mixer of pictures. Ids are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputId(pub u32);
