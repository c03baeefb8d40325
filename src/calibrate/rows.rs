//! A trace's rows, one after the other: CSV or one JSON object a line.

use std::collections::VecDeque;
use std::io::{BufRead, Read};

/// A row's value by column, if it has one.
pub(super) type Value<'a> = dyn Fn(usize) -> Option<String> + 'a;

/// What is done with each row: the number of its line, and its values.
pub(super) type Each<'a> = dyn FnMut(u64, &Value<'_>) + 'a;

/// Rows with the same columns.
pub(super) trait Rows {
    /// Names of the columns.
    fn header(&self) -> &[String];

    /// Calls `each` with the number of the line and the values in the order of the header; empty
    /// where there is none.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is none of the format.
    fn for_each(&mut self, each: &mut Each<'_>) -> Result<(), RowsError>;
}

/// Why rows cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowsError {
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("it is no CSV: {0}")]
    Csv(#[from] csv::Error),
    #[error("line {line} is no JSON object: {reason}")]
    Json { line: u64, reason: String },
    #[error("it is empty")]
    Empty,
    #[error(
        "it is a Parquet file, which is not read; convert it, e.g. with \
         duckdb -c \"COPY (FROM 'trace.parquet') TO 'trace.csv'\""
    )]
    Parquet,
}

/// A comma, semicolon or tab separated table, or JSON lines, by the first bytes.
pub(super) fn open(mut input: impl BufRead + 'static) -> Result<Box<dyn Rows>, RowsError> {
    let start = input.fill_buf()?;
    if start.starts_with(b"PAR1") {
        return Err(RowsError::Parquet);
    }
    let text = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start);
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        None => Err(RowsError::Empty),
        Some(b'{') => JsonRows::open(input).map(|rows| Box::new(rows) as Box<dyn Rows>),
        Some(_) => {
            let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let delimiter = delimiter(line);
            CsvRows::open(input, delimiter).map(|rows| Box::new(rows) as Box<dyn Rows>)
        }
    }
}

/// The separator that the header has most of.
fn delimiter(header: &[u8]) -> u8 {
    let count = |separator: u8| header.iter().filter(|byte| **byte == separator).count();
    [b',', b';', b'\t']
        .into_iter()
        .max_by_key(|separator| (count(*separator), *separator == b','))
        .unwrap_or(b',')
}

struct CsvRows<R> {
    header: Vec<String>,
    reader: csv::Reader<R>,
}

impl<R: Read> CsvRows<R> {
    fn open(input: R, delimiter: u8) -> Result<Self, RowsError> {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .trim(csv::Trim::All)
            .flexible(true)
            .from_reader(input);
        let header = reader.headers()?.iter();
        let header = header
            .map(|name| name.trim_start_matches('\u{feff}').to_owned())
            .collect();
        Ok(Self { header, reader })
    }
}

impl<R: Read> Rows for CsvRows<R> {
    fn header(&self) -> &[String] {
        &self.header
    }

    fn for_each(&mut self, each: &mut Each<'_>) -> Result<(), RowsError> {
        let mut row = csv::StringRecord::new();
        while self.reader.read_record(&mut row)? {
            let line = row.position().map_or(0, csv::Position::line);
            each(line, &|column| row.get(column).map(str::to_owned));
        }
        Ok(())
    }
}

/// Lines whose keys make the header: one object need not have them all.
const HEADER_LINES: usize = 1_000;

struct JsonRows<R> {
    header: Vec<String>,
    input: R,
    /// Lines that were read for the header.
    read: VecDeque<String>,
}

impl<R: BufRead> JsonRows<R> {
    fn open(mut input: R) -> Result<Self, RowsError> {
        let mut read = VecDeque::new();
        let mut header: Vec<String> = Vec::new();
        let mut line = String::new();
        while read.len() < HEADER_LINES && input.read_line(&mut line)? > 0 {
            let number = read.len() as u64 + 1;
            if !line.trim().is_empty() {
                for (name, _) in flattened(&line, number)? {
                    if !header.contains(&name) {
                        header.push(name);
                    }
                }
            }
            read.push_back(std::mem::take(&mut line));
        }
        Ok(Self {
            header,
            input,
            read,
        })
    }

    /// The next line, if there is one.
    fn line(&mut self) -> Result<Option<String>, RowsError> {
        if let Some(line) = self.read.pop_front() {
            return Ok(Some(line));
        }
        let mut line = String::new();
        Ok((self.input.read_line(&mut line)? > 0).then_some(line))
    }
}

type Values = Vec<(String, Option<String>)>;

/// The values of an object, those of objects in it as `outer.inner`.
fn flattened(line: &str, number: u64) -> Result<Values, RowsError> {
    use serde_json::Value as Json;
    fn walk(prefix: &str, value: Json, values: &mut Values) {
        match value {
            Json::Object(entries) => {
                for (key, value) in entries {
                    let name = if prefix.is_empty() {
                        key
                    } else {
                        format!("{prefix}.{key}")
                    };
                    walk(&name, value, values);
                }
            }
            Json::Null => values.push((prefix.to_owned(), None)),
            Json::String(text) => values.push((prefix.to_owned(), Some(text))),
            Json::Bool(_) | Json::Number(_) | Json::Array(_) => {
                values.push((prefix.to_owned(), Some(value.to_string())));
            }
        }
    }
    let wrong = |reason: String| RowsError::Json {
        line: number,
        reason,
    };
    let text = line.trim_start_matches('\u{feff}');
    let value: Json = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    if !value.is_object() {
        return Err(wrong("it is another JSON value".to_owned()));
    }
    let mut values = Vec::new();
    walk("", value, &mut values);
    Ok(values)
}

impl<R: BufRead> Rows for JsonRows<R> {
    fn header(&self) -> &[String] {
        &self.header
    }

    fn for_each(&mut self, each: &mut Each<'_>) -> Result<(), RowsError> {
        let mut number = 0;
        while let Some(line) = self.line()? {
            number += 1;
            if line.trim().is_empty() {
                continue;
            }
            let values = flattened(&line, number)?;
            each(number, &|column| {
                let name = self.header.get(column)?;
                let found = values.iter().find(|(key, _)| key == name)?;
                found.1.clone()
            });
        }
        Ok(())
    }
}
