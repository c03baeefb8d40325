//! Gates of an arm: a strategy, and what every gate can have beside it.

use super::ExportRequest;
use crate::gate::Strategy;
use crate::time::Duration;

/// One gate of an arm.
#[derive(Clone, PartialEq, Debug)]
pub struct GateSpec {
    /// Its name; unique within the arm; also the key of its draws.
    pub name: String,
    /// How it decides.
    pub strategy: Strategy,
    /// When its clock starts.
    pub start: GateStart,
    /// Repairs after the export: what is incomplete is exported again.
    pub repair: Option<Repair>,
    /// What its client sends along and asks for.
    pub request: ExportRequest,
}

/// When a gate's clock starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GateStart {
    /// At the session's end.
    SessionEnd,
    /// When the media object is in storage.
    Media,
}

/// Repair after the export.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repair {
    /// Exports of one recording at most, the first included.
    pub max_exports: u32,
    /// Sidecar read → approved again.
    pub delay: Duration,
}
