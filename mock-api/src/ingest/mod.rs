//! The media ingest: where softphones call, and where their audio becomes recordings.
//!
//! Signalling is JSON-RPC over a WebSocket and lives on tokio; media is an [`Endpoint`](racegate_udp::Endpoint) on a shard of its
//! own thread. The two meet in [`Ingest`], through a bounded channel. The server offers and the caller answers, as at Genesys.

mod endpoint;
mod events;
#[cfg(test)]
mod fuzz;
mod handle;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod late;
mod parked;
#[cfg(test)]
mod reconnects;
pub mod rpc;
mod session;
mod shards;
mod signalling;
mod silent;
mod socket;
mod tape;
#[cfg(test)]
mod tests;

pub use endpoint::IngestEndpoint;
pub use events::{EndReason, EndedMedia, Kept, NoRoom, SessionEvents, Started, TakeNumber};
pub use handle::{End, Ingest, IngestCounters, IngestError, IngestSettings, Notice};
pub use shards::IngestShards;
pub use socket::{FRAME_MAX, serve_signalling, upgrade_signalling};
