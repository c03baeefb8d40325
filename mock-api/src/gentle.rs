//! The built-in scenario: what is played when nobody says otherwise.

use racegate_model::scenario::Scenario;
use racegate_scenario::{Diagnostics, Override, Source};

/// Its text.
const TEXT: &str = include_str!("gentle.toml");

/// The built-in scenario, changed by `overrides`.
///
/// # Errors
/// What is wrong with the overrides.
pub fn scenario(overrides: &[Override]) -> Result<Scenario, Diagnostics> {
    let source = Source::new("the built-in scenario", TEXT);
    racegate_scenario::parse(&source, overrides)
}
