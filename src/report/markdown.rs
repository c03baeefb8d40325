//! A report as Markdown, with links to the pictures beside it.

use racegate_model::summary::Summary;
use racegate_scenario::is_unprintable;

use super::content;
use super::document::{Align, Block, Cell, Document, Doubt, Severity, Table, Tone, VerdictLine};
use super::plot::PLOTS;

/// The report as `report.md`.
#[must_use]
pub fn render(summary: &Summary) -> String {
    written(&content::document(summary))
}

/// The answer, the expectations and one table as `summary.md`, for the step summary of a CI job.
#[must_use]
pub fn digest(summary: &Summary) -> String {
    written(&content::digest(summary))
}

fn written(document: &Document) -> String {
    let mut text = format!("# {}\n", escaped(&document.title));
    for block in &document.blocks {
        text.push('\n');
        match block {
            Block::Heading(name) => text.push_str(&format!("## {}\n", escaped(name))),
            Block::Subheading(name) => text.push_str(&format!("### {}\n", escaped(name))),
            Block::Text(cell) => text.push_str(&format!("{}\n", paragraph(cell))),
            Block::Table(one) => table(&mut text, one),
            Block::Verdicts(lines) => verdicts(&mut text, lines),
            Block::Doubts(doubts) => doubts.iter().for_each(|one| doubt(&mut text, one)),
            Block::Picture(name) => picture(&mut text, name),
        }
    }
    text
}

fn paragraph(cell: &Cell) -> String {
    let text = escaped(&cell.one_line());
    if cell.tone == Tone::Bad {
        format!("**{text}**")
    } else {
        text
    }
}

fn table(text: &mut String, table: &Table) {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    text.push_str(&row(table
        .columns
        .iter()
        .map(|column| escaped(&column.name))
        .collect()));
    let rule = table.columns.iter().map(|column| match column.align {
        Align::Left => "---".to_owned(),
        Align::Right => "---:".to_owned(),
    });
    text.push_str(&row(rule.collect()));
    for cells in &table.rows {
        text.push_str(&row(cells
            .iter()
            .map(|cell| escaped(&cell.one_line()))
            .collect()));
    }
}

fn verdicts(text: &mut String, lines: &[VerdictLine]) {
    text.push_str(
        "| | expectation | verdict | observed | note |\n| --- | --- | --- | --- | --- |\n",
    );
    for line in lines {
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} |\n",
            line.sign(),
            code(&line.expression),
            line.word(),
            escaped(&line.observed),
            escaped(&line.note),
        ));
    }
}

fn doubt(text: &mut String, doubt: &Doubt) {
    let mark = match doubt.severity {
        Severity::Invalid => "**invalid:** ",
        Severity::Caution => "",
    };
    text.push_str(&format!(
        "- {mark}{} → {}\n",
        escaped(&doubt.reason),
        commands(&doubt.way_out)
    ));
}

fn picture(text: &mut String, name: &str) {
    let caption = PLOTS
        .iter()
        .find(|plot| plot.name == name)
        .map_or(name, |plot| plot.caption);
    text.push_str(&format!("![{}]({name}.svg)\n", escaped(caption)));
}

/// Our own words, whose backquotes are meant as such.
fn commands(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(at, part)| {
            if at % 2 == 1 {
                code(part)
            } else {
                escaped(part)
            }
        })
        .collect()
}

/// Text as code; a table's bars must be escaped even there.
fn code(text: &str) -> String {
    let text = one_line(text).replace('|', "\\|");
    if text.contains('`') {
        format!("`` {text} ``")
    } else {
        format!("`{text}`")
    }
}

/// Text that Markdown and HTML leave alone.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in one_line(text).chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '\\' | '|' | '*' | '_' | '`' | '~' | '#' => {
                safe.push('\\');
                safe.push(letter);
            }
            '(' if safe.ends_with(']') => safe.push_str("\\("),
            letter => safe.push(letter),
        }
    }
    safe
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|letter| if is_unprintable(letter) { ' ' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_text() {
        assert_eq!(escaped("a|b\n<script>"), "a\\|b &lt;script>");
        assert_eq!(escaped("[x](javascript:1)"), "[x]\\(javascript:1)");
        assert_eq!(code("a`b|c"), "`` a`b\\|c ``");
    }
}
