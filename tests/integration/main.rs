//! The registry engine as its callers see it: real folders, real concurrency.

mod registry;
mod uploads;
