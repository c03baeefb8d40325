//! A report as one HTML file that fetches nothing and runs nothing.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use racegate_model::summary::Summary;

use super::content;
use super::document::{Align, Block, Cell, Doubt, Severity, Table, Tone, VerdictLine};
use super::plot::Picture;

const STYLE: &str = include_str!("html.css");
/// The browser refuses whatever the report might be made to ask for.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The report as `report.html`, with the pictures in it.
#[must_use]
pub fn render(summary: &Summary, pictures: &[Picture]) -> String {
    let document = content::document(summary);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content=(summary.tool);
                title { (document.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (summary.scenario) }
                    @for one in &document.blocks { (block(one, pictures)) }
                }
            }
        }
    };
    page.into_string()
}

fn block(block: &Block, pictures: &[Picture]) -> Markup {
    match block {
        Block::Heading(name) => html! { h2 { (name) } },
        Block::Subheading(name) => html! { h3 { (name) } },
        Block::Text(cell) => html! { p class=(class(cell.tone)) { (cell.one_line()) } },
        Block::Table(one) => table(one),
        Block::Verdicts(lines) => verdicts(lines),
        Block::Doubts(doubts) => html! { ul.doubts { @for one in doubts { (doubt(one)) } } },
        Block::Picture(name) => picture(pictures.iter().find(|picture| picture.name == *name)),
    }
}

fn table(table: &Table) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { @for column in &table.columns {
                th scope="col" class=(side(column.align)) { (column.name) }
            } } }
            tbody { @for row in &table.rows {
                tr class=[row.first().filter(|cell| cell.text.is_empty()).map(|_| "more")] {
                    @for (cell, column) in row.iter().zip(&table.columns) {
                        (table_cell(cell, column.align))
                    }
                }
            } }
        } }
    }
}

fn table_cell(cell: &Cell, align: Align) -> Markup {
    // Lists may be broken between words, numbers may not.
    let long = if cell.text.contains(", ") {
        " long"
    } else {
        ""
    };
    html! {
        td class={ (side(align)) (long) } {
            span class=(class(cell.tone)) { (cell.text) }
            @if !cell.detail.is_empty() { " " span.detail { (cell.detail) } }
        }
    }
}

fn verdicts(lines: &[VerdictLine]) -> Markup {
    html! {
        div.scroll { table {
            thead { tr {
                th scope="col" {} th scope="col" { "expectation" } th scope="col" { "verdict" }
                th scope="col" { "observed" } th scope="col" { "note" }
            } }
            tbody { @for line in lines {
                tr {
                    td class=(class(line.tone())) aria-hidden="true" { (line.sign()) }
                    td { code { (line.expression) } }
                    td class=(class(line.tone())) { (line.word()) }
                    td { (line.observed) }
                    td.long { (line.note) }
                }
            } }
        } }
    }
}

fn doubt(doubt: &Doubt) -> Markup {
    let tone = match doubt.severity {
        Severity::Invalid => Tone::Bad,
        Severity::Caution => Tone::Plain,
    };
    let parts: Vec<&str> = doubt.way_out.split('`').collect();
    html! {
        li {
            span class=(class(tone)) { (doubt.reason) }
            div.way-out { "→ " @for (at, part) in parts.iter().enumerate() {
                @if at % 2 == 1 { code { (part) } } @else { (part) }
            } }
        }
    }
}

fn picture(picture: Option<&Picture>) -> Markup {
    html! {
        @if let Some(picture) = picture {
            // The drawing library has escaped the texts of the SVG.
            figure role="img" aria-label=(picture.caption) { (PreEscaped(&picture.svg)) }
        }
    }
}

const fn side(align: Align) -> &'static str {
    match align {
        Align::Left => "left",
        Align::Right => "right",
    }
}

const fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Faint => "faint",
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Doubtful => "doubtful",
        Tone::Outcome(outcome) => outcome.name(),
    }
}
