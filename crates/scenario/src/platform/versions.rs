//! `[platform.versions]`: values that change after they are there.

use racegate_model::distribution::Distribution;
use racegate_model::field::FieldSet;
use racegate_model::scenario::VersionsSpec;
use racegate_model::time::{Duration, Probability};

use super::fields;
use crate::distribution;
use crate::reader::{Field, Table};

/// How long ephemeral values stay, where nothing is said.
const KEPT: Duration = Duration::from_secs(60);

/// Reads the table, if there is one.
pub(super) fn read(platform: &mut Table<'_>) -> Option<VersionsSpec> {
    platform.get("versions")?;
    let mut table = platform.table("versions");
    let provisional = table.or("provisional", Probability::ZERO, Field::probability);
    let named = |field: &Field<'_>| Some(fields(field));
    let versions = VersionsSpec {
        provisional,
        fields: if provisional == Probability::ZERO {
            table.or("fields", FieldSet::EMPTY, named)
        } else {
            let given = table.need("fields", "[\"start_time\", \"end_time\"]");
            given.map(|field| fields(&field)).unwrap_or_default()
        },
        corrected: table.or("corrected", None, |field| match field.node.text() {
            Some("never") => Some(None),
            _ => distribution::read(field).map(Some),
        }),
        ephemeral: table.or("ephemeral", FieldSet::EMPTY, named),
        kept: table.or("kept", Distribution::constant(KEPT), distribution::read),
    };
    table.finish();
    Some(versions)
}
