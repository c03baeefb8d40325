//! The API over real sockets: its contract, hostile input, jobs, webhooks, and the client.
#![expect(clippy::unwrap_used, reason = "everything here is a test")]

mod access;
mod analytics;
mod bodies;
mod browsers;
mod channels;
mod client;
mod contract;
mod control;
mod direct;
mod document;
mod elsewhere;
mod faults;
mod fuzz;
mod hostile;
mod jobs;
mod keeping;
mod links;
mod mistakes;
mod more;
mod platform;
mod product;
mod refusals;
mod reset;
mod shapes;
mod support;
mod webhooks;

use mock_api::service::{ServiceConfig, TenantConfig};
use mock_api::storage::layout::RunEpoch;
