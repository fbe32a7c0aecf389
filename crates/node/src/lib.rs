//! The Node.js addon: conversion, errors and the event queue. No decisions are made here.
//!
//! JavaScript sends requests as JSON text and receives batches of messages as JSON text, the same text that a worker
//! in a child process exchanges over its socket. `ts/channel.ts` is the other half.

// The napi macros take only `pub` items and write glue that is unsafe by nature and has no place for docs.
#![allow(unsafe_code, missing_docs, unreachable_pub)]
// Without the macros' registration, which test builds leave out, nothing calls these items.
#![cfg_attr(test, allow(dead_code))]

mod capabilities;
mod image;
mod mixer;
mod ortc;
mod panics;
mod worker;
