//! A trace as it is streamed: observations of bounded size, and what is odd about it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use racegate_model::draws::hash_bytes;
use racegate_model::survival::{Observation, Observations};

use super::columns::{Columns, FieldColumns, Layout};
use super::instants::{self, Format, Nanos};
use super::rows::{self, Rows, RowsError};

/// Mistakes that are shown of a file; more are counted.
const SHOWN: usize = 10;
/// Recordings that are remembered as seen: 32 MB at most.
const REMEMBERED: usize = 1 << 20;
/// Share of negative lags that passes for noise of the clocks.
const NEGATIVE_SHARE: f64 = 0.01;

/// How a trace is to be read.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TraceOptions {
    /// Which column means what.
    pub columns: Columns,
    /// Fields that count; all if there is none.
    pub fields: Vec<String>,
    /// Added to every lag, in seconds: by how much the platform's clock is behind.
    pub skew: f64,
}

/// What a trace holds.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Trace {
    /// Session end → all fields that count.
    pub metadata: Observations,
    /// Session end → media object.
    pub media: Observations,
    /// Session end → each field by itself; the name is empty where there is only one.
    pub fields: BTreeMap<String, Observations>,
    /// The same as `metadata`, as a log reads that keeps only the instant of the successful look.
    pub naive: Observations,
    /// Rows read.
    pub rows: u64,
    /// What a reader of the result should know.
    pub notes: Vec<String>,
}

/// Why a trace cannot be used. Every message says the way out.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be opened or read.
    #[error("{name}: {reason}")]
    Unreadable {
        /// The file.
        name: String,
        /// Why.
        reason: String,
    },
    /// A column that is needed is missing.
    #[error("{name}: {reason}\n  its columns are: {header}\n  {help}")]
    Columns {
        /// The file.
        name: String,
        /// What is missing.
        reason: String,
        /// The columns that there are.
        header: String,
        /// What to write.
        help: String,
    },
    /// Values are wrong.
    #[error("{name}: {count} values cannot be used\n{shown}")]
    Values {
        /// The file.
        name: String,
        /// How many.
        count: u64,
        /// The first of them, a line each.
        shown: String,
    },
    /// Lags are negative.
    #[error(
        "{name}: {count} of {rows} lags are negative, the longest {longest:.3} s: the two clocks \
         differ, or columns are mixed up\n  correct the clocks, give --skew {longest:.3}s to add \
         to every lag, or exchange the columns with --column"
    )]
    Negative {
        /// The file.
        name: String,
        /// How many are negative.
        count: u64,
        /// Of how many.
        rows: u64,
        /// The most negative, in seconds, without its sign.
        longest: f64,
    },
    /// No row holds a lag.
    #[error(
        "{name}: none of its {rows} rows holds a lag\n  a row needs the session's end and an \
         instant in `visible`, in `first_with` or in `last_without`; see docs/trace-format.md"
    )]
    NoLags {
        /// The file.
        name: String,
        /// Rows.
        rows: u64,
    },
}

/// Reads a trace from a file, or from stdin if its name is `-`.
///
/// # Errors
/// Why it cannot be used, all wrong values at once.
pub fn read(path: &Path, options: &TraceOptions) -> Result<Trace, TraceError> {
    let name = path.display().to_string();
    let unreadable = |reason: String| TraceError::Unreadable {
        name: name.clone(),
        reason,
    };
    let input: Box<dyn BufRead> = if name == "-" {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
        Box::new(BufReader::with_capacity(1 << 16, file))
    };
    let mut rows = rows::open(input).map_err(|error| unreadable(error.to_string()))?;
    let layout = layout(&name, rows.as_ref(), options)?;
    let mut reader = Reader::new(layout, options);
    let read = rows.for_each(&mut |line, value| reader.row(line, value));
    read.map_err(|error: RowsError| unreadable(error.to_string()))?;
    reader.finish(name)
}

fn layout(name: &str, rows: &dyn Rows, options: &TraceOptions) -> Result<Layout, TraceError> {
    let mut layout = Layout::find(rows.header(), &options.columns);
    let missing = |reason: String, help: &str| TraceError::Columns {
        name: name.to_owned(),
        reason,
        header: rows.header().join(", "),
        help: help.to_owned(),
    };
    if layout.fields.is_empty() && layout.media.is_none() {
        return Err(missing(
            "no column says when something became visible".to_owned(),
            "call one `visible` (exact), or two `last_without` and `first_with` (the looks around \
             it), or say --column visible=NAME; see docs/trace-format.md",
        ));
    }
    for field in &options.fields {
        if !layout.fields.contains_key(field) {
            return Err(missing(
                format!("there is no column of the field `{field}`"),
                "call its columns FIELD.visible, or FIELD.last_without and FIELD.first_with",
            ));
        }
    }
    if !options.fields.is_empty() {
        layout
            .fields
            .retain(|field, _| options.fields.contains(field));
    }
    Ok(layout)
}

/// What a row says of one field.
#[derive(Clone, Copy)]
enum Seen {
    /// Nothing at all.
    Nothing,
    Between(f64, f64),
}

struct Reader<'a> {
    layout: Layout,
    options: &'a TraceOptions,
    formats: BTreeMap<usize, Format>,
    trace: Trace,
    wrong: Vec<String>,
    wrong_count: u64,
    negative: u64,
    longest: f64,
    reversed: u64,
    silent: u64,
    seen: BTreeSet<u64>,
    duplicates: u64,
    arm: Option<String>,
}

impl<'a> Reader<'a> {
    fn new(layout: Layout, options: &'a TraceOptions) -> Self {
        Self {
            layout,
            options,
            formats: BTreeMap::new(),
            trace: Trace::default(),
            wrong: Vec::new(),
            wrong_count: 0,
            negative: 0,
            longest: 0.0,
            reversed: 0,
            silent: 0,
            seen: BTreeSet::new(),
            duplicates: 0,
            arm: None,
        }
    }

    fn row(&mut self, line: u64, value: &rows::Value<'_>) {
        let text = |column: Option<usize>| {
            value(column?).filter(|text| !text.is_empty() && text != "null" && text != "never")
        };
        // Another arm of the same run has the same recordings on another platform.
        if let Some(arm) = text(self.layout.arm)
            && *self.arm.get_or_insert_with(|| arm.clone()) != arm
        {
            return;
        }
        if let Some(recording) = text(self.layout.recording) {
            let hash = hash_bytes(recording.as_bytes());
            if self.seen.len() < REMEMBERED && !self.seen.insert(hash) {
                self.duplicates += 1;
                return;
            }
        }
        self.trace.rows += 1;
        let ended = match self.layout.ended {
            None => None,
            Some(column) => match text(Some(column)) {
                Some(text) => match self.instant(line, column, &text) {
                    Some(instant) => Some(instant),
                    None => return,
                },
                None => {
                    self.refuse(line, column, "is empty: every row needs the session's end");
                    return;
                }
            },
        };
        if let Some(column) = self.layout.media
            && let Some(text) = text(Some(column))
            && let Some(lag) = self.lag(line, column, &text, ended)
        {
            self.trace.media.add(Observation::exact(lag));
        }
        self.metadata(line, &text, ended);
    }

    fn metadata(
        &mut self,
        line: u64,
        text: &dyn Fn(Option<usize>) -> Option<String>,
        ended: Option<Nanos>,
    ) {
        let (mut low, mut high, mut any) = (0.0_f64, 0.0_f64, false);
        for (field, columns) in self.layout.fields.clone() {
            match self.field(line, &columns, text, ended) {
                Seen::Between(from, to) => {
                    any = true;
                    (low, high) = (low.max(from), high.max(to));
                    let own = self.trace.fields.entry(field).or_default();
                    own.add(Observation::between(from, to));
                }
                Seen::Nothing => {}
            }
        }
        if any {
            self.trace.metadata.add(Observation::between(low, high));
            let naive = if high.is_finite() { high } else { low };
            self.trace.naive.add(if high.is_finite() {
                Observation::exact(naive)
            } else {
                Observation::beyond(naive)
            });
        } else if !self.layout.fields.is_empty() {
            self.silent += 1;
        }
    }

    fn field(
        &mut self,
        line: u64,
        columns: &FieldColumns,
        text: &dyn Fn(Option<usize>) -> Option<String>,
        ended: Option<Nanos>,
    ) -> Seen {
        let mut lag = |column: Option<usize>| {
            let column = column?;
            let text = text(Some(column))?;
            self.lag(line, column, &text, ended)
        };
        if let Some(exact) = lag(columns.visible) {
            return Seen::Between(exact, exact);
        }
        let (without, with) = (lag(columns.last_without), lag(columns.first_with));
        match (without, with) {
            (None, None) => Seen::Nothing,
            (Some(low), None) => Seen::Between(low, f64::INFINITY),
            (None, Some(high)) => Seen::Between(0.0, high),
            (Some(low), Some(high)) if low > high => {
                self.reversed += 1;
                if self.reversed == 1 {
                    let column = columns.first_with.unwrap_or(0);
                    self.refuse(line, column, "is before the last look without the field");
                }
                Seen::Nothing
            }
            (Some(low), Some(high)) => Seen::Between(low, high),
        }
    }

    /// Seconds from the session's end; a lag as it stands where there is no column of ends.
    fn lag(&mut self, line: u64, column: usize, text: &str, ended: Option<Nanos>) -> Option<f64> {
        let instant = self.instant(line, column, text)?;
        let format = self.formats.get(&column).copied();
        let nanos = match ended {
            Some(ended) if format != Some(Format::Duration) => instant - ended,
            None if format.is_some_and(Format::is_instant) => {
                self.refuse(
                    line,
                    column,
                    "is an instant, but no column says when sessions ended",
                );
                return None;
            }
            _ => instant,
        };
        let lag = nanos as f64 / 1e9 + self.options.skew;
        if lag < 0.0 {
            self.negative += 1;
            self.longest = self.longest.max(-lag);
        }
        Some(lag.max(0.0))
    }

    /// A value, in the format of its column's first one.
    fn instant(&mut self, line: u64, column: usize, text: &str) -> Option<Nanos> {
        let found = Format::of(text);
        let format = *self.formats.entry(column).or_insert(found);
        // A whole column of epochs may have some that are written with a fraction.
        if found != format {
            let reason = format!(
                "`{text}` looks like {}, the values before it like {}: one column has one unit",
                found.name(),
                format.name()
            );
            self.refuse(line, column, &reason);
            return None;
        }
        match instants::read(text, format) {
            Ok(instant) => Some(instant),
            Err(reason) => {
                self.refuse(line, column, &reason);
                None
            }
        }
    }

    fn refuse(&mut self, line: u64, column: usize, reason: &str) {
        self.wrong_count += 1;
        if self.wrong.len() < SHOWN {
            self.wrong
                .push(format!("  line {line}, column {}: {reason}", column + 1));
        }
    }

    fn finish(mut self, name: String) -> Result<Trace, TraceError> {
        if self.wrong_count > 0 {
            return Err(TraceError::Values {
                name,
                count: self.wrong_count,
                shown: self.wrong.join("\n"),
            });
        }
        let lags = self.trace.metadata.total() + self.trace.media.total();
        if lags == 0 {
            return Err(TraceError::NoLags {
                name,
                rows: self.trace.rows,
            });
        }
        if self.negative as f64 > NEGATIVE_SHARE * lags as f64 {
            return Err(TraceError::Negative {
                name,
                count: self.negative,
                rows: lags,
                longest: self.longest,
            });
        }
        self.remark();
        Ok(self.trace)
    }

    fn remark(&mut self) {
        let (negative, longest) = (self.negative, self.longest);
        let notes = &mut self.trace.notes;
        let mut note = |count: u64, text: String| {
            if count > 0 {
                notes.push(text);
            }
        };
        note(
            negative,
            format!("{negative} lags are negative by up to {longest:.3} s and count as 0 s"),
        );
        let again = self.duplicates;
        note(
            again,
            format!("{again} rows of recordings already seen were left out"),
        );
        let silent = self.silent;
        note(
            silent,
            format!("{silent} rows say nothing of the metadata and were left out"),
        );
        let full = self.seen.len() >= REMEMBERED;
        note(
            u64::from(full),
            format!("duplicates were looked for among the first {REMEMBERED} recordings only"),
        );
        let rounding = self.trace.metadata.rounding();
        note(
            u64::from(rounding > 0.0),
            format!(
                "lags were rounded by up to {:.3} % to keep memory bounded",
                rounding * 100.0
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traced(text: &str, options: &TraceOptions) -> Result<Trace, TraceError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        read(file.path(), options)
    }

    fn plain(text: &str) -> Result<Trace, TraceError> {
        traced(text, &TraceOptions::default())
    }

    #[test]
    fn a_row_holds_an_exact_lag_an_interval_or_a_bound() {
        let csv = "recording,ended,last_without,first_with,media\n\
                   a,2026-03-01T12:00:00Z,2026-03-01T12:00:01Z,2026-03-01T12:00:03Z,2026-03-01T12:00:00.5Z\n\
                   b,2026-03-01T12:00:00Z,,2026-03-01T12:00:01Z,\n\
                   c,2026-03-01T12:00:00Z,2026-03-01T12:00:15Z,,\n";
        let json = r#"{"recording": "a", "ended": 1772366400, "last_without": 1772366401, "first_with": 1772366403, "media": 1772366400.5}
{"recording": "b", "ended": 1772366400, "first_with": 1772366401}

{"recording": "c", "ended": 1772366400, "last_without": 1772366415}"#;
        for text in [csv, json] {
            let trace = plain(text).unwrap();
            let found: Vec<_> = trace
                .metadata
                .iter()
                .map(|one| (one.low, one.high))
                .collect();
            assert_eq!(found, [(0.0, 1.0), (1.0, 3.0), (15.0, f64::INFINITY)]);
            assert_eq!(trace.media.iter().next().map(|one| one.low), Some(0.5));
        }
    }

    #[test]
    fn lags_need_no_end_of_session_and_have_units() {
        let trace = plain("visible\n2.5s\n300ms\n").unwrap();
        let found: Vec<_> = trace.metadata.iter().map(|one| one.high).collect();
        assert_eq!(found, [0.3, 2.5]);
    }

    #[test]
    fn the_last_of_several_fields_counts() {
        let text = "ended,hold.visible,client_ip.visible\n100,101,103\n200,205,201\n";
        let trace = plain(text).unwrap();
        let found: Vec<_> = trace.metadata.iter().map(|one| one.high).collect();
        assert_eq!(found, [3.0, 5.0]);
        let only = TraceOptions {
            fields: vec!["hold".to_owned()],
            ..TraceOptions::default()
        };
        let found: Vec<_> = traced(text, &only)
            .unwrap()
            .metadata
            .iter()
            .map(|one| one.high)
            .collect();
        assert_eq!(found, [1.0, 5.0]);
    }

    #[test]
    fn every_kind_of_bad_trace_says_its_way_out() {
        for (text, part) in [
            ("", "it is empty"),
            ("PAR1....", "duckdb"),
            ("a,b\n1,2\n", "--column visible=NAME"),
            ("ended,visible\n", "none of its 0 rows"),
            (
                "ended,visible\n1772366400,1772366403\n1772366400,1772366403000\n",
                "one column has one unit",
            ),
            ("ended,visible\n1772366400,soon\n", "line 2, column 2"),
            ("ended,visible\n100,90\n100,101\n", "--skew 10.000s"),
            (
                "visible\n1772366403\n",
                "no column says when sessions ended",
            ),
            ("{\"visible\": 1}\n[2]\n", "line 2 is no JSON object"),
            (
                "ended,last_without,first_with\n100,105,103\n",
                "before the last look",
            ),
        ] {
            let error = plain(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn duplicates_and_a_little_skew_are_noted() {
        let mut text = String::from("recording,ended,visible\n");
        for k in 0..300 {
            text.push_str(&format!("r{k},100,10{}\n", k % 9));
        }
        text.push_str("r7,100,107\nlate,100,99.9\n");
        let trace = plain(&text).unwrap();
        assert_eq!(trace.metadata.total(), 301);
        let notes = trace.notes.join("; ");
        assert!(
            notes.contains("1 rows of recordings already seen"),
            "{notes}"
        );
        assert!(
            notes.contains("1 lags are negative by up to 0.100 s"),
            "{notes}"
        );
    }
}
