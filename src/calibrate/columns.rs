//! Which column of a trace means what.

use std::collections::BTreeMap;

/// What a column can mean, and the column's name unless told otherwise.
pub(super) const ROLES: [(&str, &str); 7] = [
    ("recording", "recording"),
    ("ended", "ended"),
    ("media", "media"),
    ("visible", "visible"),
    ("last_without", "last_without"),
    ("first_with", "first_with"),
    ("arm", "arm"),
];

/// Names of the columns, by role.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Columns {
    names: BTreeMap<&'static str, String>,
}

impl Default for Columns {
    fn default() -> Self {
        let names = ROLES.map(|(role, name)| (role, name.to_owned()));
        Self {
            names: names.into(),
        }
    }
}

impl Columns {
    /// Takes `ROLE=COLUMN` from the command line.
    ///
    /// # Errors
    /// What is wrong with it, and what roles there are.
    pub fn set(&mut self, assignment: &str) -> Result<(), String> {
        let roles = || ROLES.map(|(role, _)| role).join(", ");
        let Some((role, column)) = assignment.split_once('=') else {
            return Err(format!(
                "--column {assignment}: write ROLE=COLUMN; the roles are {}",
                roles()
            ));
        };
        let Some((role, _)) = ROLES.iter().find(|(known, _)| *known == role) else {
            return Err(format!(
                "--column {assignment}: there is no role {role}; the roles are {}",
                roles()
            ));
        };
        self.names.insert(role, column.to_owned());
        Ok(())
    }

    /// The columns of a run's `recordings.csv`.
    #[must_use]
    pub fn of_run() -> Self {
        let mut columns = Self::default();
        for (role, name) in [
            ("ended", "ended_s"),
            ("media", "media_s"),
            ("visible", "get_s"),
        ] {
            columns.names.insert(role, name.to_owned());
        }
        columns
    }

    /// The column of a role.
    pub(super) fn name(&self, role: &str) -> &str {
        self.names.get(role).map_or("", String::as_str)
    }
}

/// Where the columns of one metadata field are; each may be missing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct FieldColumns {
    pub(super) visible: Option<usize>,
    pub(super) last_without: Option<usize>,
    pub(super) first_with: Option<usize>,
}

/// Where everything is in a trace with these columns.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Layout {
    pub(super) recording: Option<usize>,
    pub(super) arm: Option<usize>,
    pub(super) ended: Option<usize>,
    pub(super) media: Option<usize>,
    /// By field; the name is empty for the metadata as a whole.
    pub(super) fields: BTreeMap<String, FieldColumns>,
}

impl Layout {
    /// Finds the columns: those of a field are called `FIELD.visible` and so on.
    pub(super) fn find(header: &[String], columns: &Columns) -> Self {
        let place = |role: &str| header.iter().position(|name| name == columns.name(role));
        let mut fields: BTreeMap<String, FieldColumns> = BTreeMap::new();
        for (index, name) in header.iter().enumerate() {
            for role in ["visible", "last_without", "first_with"] {
                let field = if name == columns.name(role) {
                    ""
                } else if let Some(field) = name.strip_suffix(role) {
                    match field.strip_suffix('.') {
                        Some(field) if !field.is_empty() => field,
                        _ => continue,
                    }
                } else {
                    continue;
                };
                let found = fields.entry(field.to_owned()).or_default();
                match role {
                    "visible" => found.visible = Some(index),
                    "last_without" => found.last_without = Some(index),
                    _ => found.first_with = Some(index),
                }
            }
        }
        Self {
            recording: place("recording"),
            arm: place("arm"),
            ended: place("ended"),
            media: place("media"),
            fields,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_role_and_by_field() {
        let header = [
            "call_end",
            "hold.last_without",
            "hold.first_with",
            "visible",
        ]
        .map(String::from);
        let mut columns = Columns::default();
        columns.set("ended=call_end").unwrap();
        let layout = Layout::find(&header, &columns);
        assert_eq!(layout.ended, Some(0));
        assert_eq!(layout.fields["hold"].first_with, Some(2));
        assert_eq!(layout.fields[""].visible, Some(3));
    }

    #[test]
    fn an_unknown_role_is_refused_with_those_that_there_are() {
        let refused = Columns::default().set("end=x").unwrap_err();
        assert!(refused.contains("ended, media"), "{refused}");
    }
}
