//! The lagging Recording API: a recording platform whose media and metadata become visible on
//! separate clocks, as servers on loopback.
//!
//! [`server::MockServer`] is the whole of it. [`service::Service`] is the platform, decided by
//! `racegate_model`; [`http`] its API, [`storage`] its S3 endpoint, [`ingest`] its media port.

mod archive;
pub mod clock;
pub mod gentle;
pub mod http;
pub mod ingest;
pub mod room;
#[cfg(feature = "cli")]
pub mod serve;
pub mod server;
pub mod service;
pub mod softphone;
pub mod storage;
pub mod synthetic;
pub mod targets;
pub mod traffic;
mod websocket;
#[cfg(feature = "wiremock")]
pub mod wiremock;
