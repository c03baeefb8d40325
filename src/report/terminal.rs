//! A report for people at a terminal.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, CellAlignment, Color, ContentArrangement, LineStyle, Table as Grid};
use racegate_model::outcome::OutcomeKind;
use racegate_model::summary::Summary;
use racegate_scenario::printable;

use super::content;
use super::document::{Align, Block, Cell, Document, Doubt, Severity, Table, Tone, VerdictLine};

/// What the terminal can show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// UTF-8 without colours: a file, a pipe, `NO_COLOR`.
    Plain,
    /// UTF-8 with colours.
    Ansi,
    /// Nothing but ASCII.
    Ascii,
}

/// Narrower pages are treated as this wide.
const WIDTH_MIN: usize = 40;
/// Space that a table puts around a cell.
const PADDING: usize = 2;

/// The report as text of at most `width` columns, where words allow it; ends with a newline.
#[must_use]
pub fn render(summary: &Summary, style: Style, width: usize) -> String {
    text_of(content::document(summary), style, width)
}

/// The answer and the expectations alone, as [`render`] shows them.
#[must_use]
pub fn digest(summary: &Summary, style: Style, width: usize) -> String {
    text_of(content::digest(summary), style, width)
}

fn text_of(document: Document, style: Style, width: usize) -> String {
    let page = Page {
        style,
        width: width.max(WIDTH_MIN),
    };
    let mut text = String::new();
    for block in document.blocks {
        page.block(&mut text, &block);
    }
    text
}

struct Page {
    style: Style,
    width: usize,
}

impl Page {
    fn block(&self, text: &mut String, block: &Block) {
        match block {
            Block::Heading(name) => {
                let name = self.clean(name);
                let rule = if self.style == Style::Ascii {
                    "="
                } else {
                    "━"
                };
                let left = self.width.min(100).saturating_sub(columns(&name) + 1);
                text.push('\n');
                text.push_str(&self.paint(&name, &["1"]));
                text.push(' ');
                text.push_str(&self.paint(&rule.repeat(left), &["2"]));
                text.push('\n');
            }
            Block::Subheading(name) => {
                text.push('\n');
                text.push_str(&self.paint(&self.clean(name), &["4"]));
                text.push('\n');
            }
            Block::Text(cell) => {
                for line in self.wrapped(&cell.one_line(), self.width) {
                    text.push_str(&self.paint(&line, tone_codes(cell.tone)));
                    text.push('\n');
                }
            }
            Block::Table(table) => self.table(text, table),
            Block::Verdicts(lines) => self.verdicts(text, lines),
            Block::Doubts(doubts) => doubts.iter().for_each(|doubt| self.doubt(text, doubt)),
            Block::Picture(_) => {}
        }
    }

    /// Draws a table whole if it fits, else with details below, else in pieces side by side.
    fn table(&self, text: &mut String, table: &Table) {
        let all: Vec<usize> = (0..table.columns.len()).collect();
        for detail in [Detail::Beside, Detail::Below] {
            if self.needed(table, &all, detail) <= self.width {
                self.grid(text, table, &all, detail);
                return;
            }
        }
        let stub: Vec<usize> = (0..table.stub.min(table.columns.len())).collect();
        let mut piece = stub.clone();
        for column in stub.len()..table.columns.len() {
            piece.push(column);
            if piece.len() > stub.len() + 1
                && self.needed(table, &piece, Detail::Below) > self.width
            {
                piece.pop();
                self.grid(text, table, &piece, Detail::Below);
                text.push('\n');
                piece.clone_from(&stub);
                piece.push(column);
            }
        }
        self.grid(text, table, &piece, Detail::Below);
    }

    /// Width of some columns of a table.
    fn needed(&self, table: &Table, chosen: &[usize], detail: Detail) -> usize {
        let widest = |column: usize| {
            let cells = table.rows.iter().filter_map(|row| row.get(column));
            let cells = cells.map(|cell| self.cell_text(cell, detail));
            let lines = cells.map(|text| text.lines().map(columns).max().unwrap_or(0));
            lines
                .max()
                .unwrap_or(0)
                .max(columns(&self.clean(&table.columns[column].name)))
        };
        chosen.iter().map(|column| widest(*column) + PADDING).sum()
    }

    fn grid(&self, text: &mut String, table: &Table, chosen: &[usize], detail: Detail) {
        let rule = if self.style == Style::Ascii {
            '-'
        } else {
            '─'
        };
        let mut grid = Grid::new();
        grid.load_style(NOTHING.header_separator(LineStyle::none().fill(rule)));
        let fits = self.needed(table, chosen, detail) <= self.width;
        // The library reserves room for lines between columns even where there are none.
        grid.set_content_arrangement(if fits {
            ContentArrangement::Disabled
        } else {
            ContentArrangement::Dynamic
        });
        grid.set_width(u16::try_from(self.width).unwrap_or(u16::MAX))
            .force_no_tty();
        if self.style == Style::Ansi {
            grid.enforce_styling();
        }
        let header = chosen.iter().map(|column| {
            let column = &table.columns[*column];
            let name = comfy_table::Cell::new(self.clean(&column.name));
            name.add_attribute(Attribute::Dim)
                .set_alignment(alignment(column.align))
        });
        grid.set_header(header.collect::<Vec<_>>());
        for row in &table.rows {
            let cells = chosen.iter().filter_map(|column| {
                let cell = row.get(*column)?;
                let align = alignment(table.columns[*column].align);
                let styled =
                    comfy_table::Cell::new(self.cell_text(cell, detail)).set_alignment(align);
                Some(coloured(styled, cell.tone))
            });
            grid.add_row(cells.collect::<Vec<_>>());
        }
        text.push_str(&grid.trim_fmt());
        text.push('\n');
    }

    fn cell_text(&self, cell: &Cell, detail: Detail) -> String {
        let (text, more) = (self.clean(&cell.text), self.clean(&cell.detail));
        match detail {
            _ if more.is_empty() => text,
            Detail::Beside => format!("{text} {more}"),
            Detail::Below => format!("{text}\n{more}"),
        }
    }

    fn verdicts(&self, text: &mut String, lines: &[VerdictLine]) {
        let sign = |line: &VerdictLine| match self.style {
            Style::Plain | Style::Ansi => line.sign(),
            Style::Ascii => match line.sign() {
                "✓" => "ok",
                "✗" => "FAIL",
                "–" => "-",
                other => other,
            },
        };
        let signs = lines
            .iter()
            .map(|line| columns(sign(line)))
            .max()
            .unwrap_or(0);
        let longest = lines
            .iter()
            .map(|line| columns(&self.clean(&line.expression)))
            .max();
        let longest = longest.unwrap_or(0).min(self.width.saturating_sub(30));
        for line in lines {
            let mark = sign(line);
            let pad = " ".repeat(signs - columns(mark) + 1);
            text.push_str(&format!(
                " {}{pad}",
                self.paint(mark, tone_codes(line.tone()))
            ));
            let expression = self.clean(&line.expression);
            let note = if line.note.is_empty() {
                String::new()
            } else {
                format!(" ({})", line.note)
            };
            let observed = if line.observed.is_empty() {
                String::new()
            } else {
                format!(": {}", line.observed)
            };
            let rest = self.clean(&format!("{}{observed}{note}", line.word()));
            let indent = " ".repeat(signs + 2);
            text.push_str(&expression);
            let used = indent.len() + longest.max(columns(&expression)) + 2;
            if used + columns(&rest) <= self.width {
                text.push_str(&" ".repeat(used - indent.len() - columns(&expression)));
                text.push_str(&self.paint(&rest, tone_codes(line.tone())));
                text.push('\n');
                continue;
            }
            text.push('\n');
            for part in self.wrapped(&rest, self.width - indent.len() - 2) {
                text.push_str(&format!(
                    "{indent}  {}\n",
                    self.paint(&part, tone_codes(line.tone()))
                ));
            }
        }
    }

    fn doubt(&self, text: &mut String, doubt: &Doubt) {
        let (mark, tone) = match doubt.severity {
            Severity::Invalid => ("!!", Tone::Bad),
            Severity::Caution => (" !", Tone::Doubtful),
        };
        let mut mark = self.paint(mark, tone_codes(tone));
        for line in self.wrapped(&doubt.reason, self.width - 4) {
            text.push_str(&format!(" {mark} {line}\n"));
            "  ".clone_into(&mut mark);
        }
        let arrow = if self.style == Style::Ascii {
            "-> "
        } else {
            "→ "
        };
        for line in self.wrapped(&format!("{arrow}{}", doubt.way_out), self.width - 4) {
            text.push_str(&format!("    {}\n", self.paint(&line, &["2"])));
        }
    }

    /// Lines of at most `width` columns, broken between words.
    fn wrapped(&self, text: &str, width: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in self.clean(text).split(' ').filter(|word| !word.is_empty()) {
            match lines.last_mut() {
                Some(line) if columns(line) + 1 + columns(word) <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines
    }

    /// The text without what a terminal would act upon, in its alphabet.
    fn clean(&self, text: &str) -> String {
        let shown = printable(text).replace(['\n', '\t'], " ");
        if self.style != Style::Ascii {
            return shown;
        }
        let mut ascii = String::with_capacity(text.len());
        for letter in shown.chars() {
            match letter {
                '·' | '–' | '—' => ascii.push('-'),
                '±' => ascii.push_str("+-"),
                '→' => ascii.push_str("->"),
                'µ' => ascii.push('u'),
                letter if letter.is_ascii() => ascii.push(letter),
                _ => ascii.push('?'),
            }
        }
        ascii
    }

    fn paint(&self, text: &str, codes: &[&str]) -> String {
        if self.style != Style::Ansi || codes.is_empty() || text.is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{}m{text}\u{1b}[0m", codes.join(";"))
    }
}

/// Where a cell's detail goes.
#[derive(Clone, Copy)]
enum Detail {
    Beside,
    Below,
}

/// Columns that a text takes: as many as it has letters, which holds for what racegate writes.
fn columns(text: &str) -> usize {
    text.chars().count()
}

const fn alignment(align: Align) -> CellAlignment {
    match align {
        Align::Left => CellAlignment::Left,
        Align::Right => CellAlignment::Right,
    }
}

const fn tone_codes(tone: Tone) -> &'static [&'static str] {
    match tone {
        Tone::Plain => &[],
        Tone::Faint => &["2"],
        Tone::Good | Tone::Outcome(OutcomeKind::Complete) => &["32"],
        Tone::Bad | Tone::Outcome(OutcomeKind::Incomplete) => &["1", "31"],
        Tone::Doubtful | Tone::Outcome(OutcomeKind::Abandoned) => &["33"],
        Tone::Outcome(OutcomeKind::Inconsistent | OutcomeKind::Rejected) => &["35"],
        Tone::Outcome(OutcomeKind::Skipped | OutcomeKind::Errored) => &["36"],
    }
}

/// The same colours for a table's cell.
fn coloured(cell: comfy_table::Cell, tone: Tone) -> comfy_table::Cell {
    match tone {
        Tone::Plain => cell,
        Tone::Faint => cell.add_attribute(Attribute::Dim),
        Tone::Good | Tone::Outcome(OutcomeKind::Complete) => cell.fg(Color::DarkGreen),
        Tone::Bad | Tone::Outcome(OutcomeKind::Incomplete) => {
            cell.fg(Color::DarkRed).add_attribute(Attribute::Bold)
        }
        Tone::Doubtful | Tone::Outcome(OutcomeKind::Abandoned) => cell.fg(Color::DarkYellow),
        Tone::Outcome(OutcomeKind::Inconsistent | OutcomeKind::Rejected) => {
            cell.fg(Color::DarkMagenta)
        }
        Tone::Outcome(OutcomeKind::Skipped | OutcomeKind::Errored) => cell.fg(Color::DarkCyan),
    }
}
