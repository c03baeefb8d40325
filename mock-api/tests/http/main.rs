//! The API over real sockets: its contract, hostile input, jobs, webhooks, and the client.

mod client;
mod contract;
mod control;
mod faults;
mod hostile;
mod jobs;
mod platform;
mod product;
mod support;
mod webhooks;

use mock_api::service::{ServiceConfig, TenantConfig};
use mock_api::storage::layout::RunEpoch;
