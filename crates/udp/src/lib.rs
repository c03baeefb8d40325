//! Batched UDP for the live engine: sockets, a timing wheel, and run-to-completion shards.
//!
//! A syscall costs more than encrypting the packet it carries, so datagrams travel in batches and one socket speaks for
//! thousands of callers, each from its own source address. This is the only crate of the workspace with `unsafe`.

mod batch;
mod cpu;
mod heap;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(not(target_os = "linux"), test))]
mod plain;
mod ring;
mod shard;
mod socket;
mod wheel;

pub use batch::{BATCH, DATAGRAM_MAX, Datagram, RecvBatch, SendBatch, SendCount};
pub use cpu::{Class, Placement, place, prefetch, thread_cpu_time};
pub use heap::heap_in_use;
pub use shard::{
    Endpoint, Shard, ShardError, ShardMeter, ShardReport, Station, StationReport, TICK, stall,
};
pub use socket::{BatchSocket, BindError, SocketBuffers};
pub use wheel::Wheel;
