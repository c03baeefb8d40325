//! A report as one HTML file that fetches nothing and runs nothing.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use racegate_model::summary::{ExpectationResult, Summary, Verdict};

use super::document::{Align, Block, Cell, Column, Doubt, Severity, Table, Tone, VerdictLine};
use super::glossary::{self, Group, Term};
use super::plot::Picture;
use super::{Origin, content};

const STYLE: &str = include_str!("html.css");
/// The place of the definitions.
const WORDS: &str = "words";
/// The browser refuses whatever the report might be made to ask for.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The report as `report.html`, with the pictures in it.
#[must_use]
pub fn render(summary: &Summary, origin: Option<&Origin>, pictures: &[Picture]) -> String {
    let document = content::document(summary);
    let body: Vec<String> = document
        .blocks
        .iter()
        .map(|one| block(one, pictures).into_string())
        .collect();
    // What stands before the first section is the head.
    let head = document
        .blocks
        .iter()
        .position(|one| matches!(one, Block::Heading(_)))
        .unwrap_or(body.len());
    let used = |term: &&Term| {
        let link = format!("href=\"#{}\"", term.anchor());
        body.iter().any(|one| one.contains(&link))
    };
    let terms: Vec<&Term> = glossary::TERMS.iter().filter(used).collect();
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
                    @for one in &body[..head] { (PreEscaped(one)) }
                    (banner(summary))
                    @if let Some(origin) = origin { (provenance(origin)) }
                    (contents(&document.blocks))
                    @for one in &body[head..] { (PreEscaped(one)) }
                    h2 id=(WORDS) { "Words" }
                    @for group in Group::ALL { (words(group, &terms)) }
                }
            }
        }
    };
    page.into_string()
}

/// Whether the expectations were met, in one line above everything else.
fn banner(summary: &Summary) -> Markup {
    let count = |verdict: Verdict| {
        let of_it = |one: &&ExpectationResult| one.verdict == verdict;
        summary.expect.iter().filter(of_it).count()
    };
    let (all, met, failed) = (
        summary.expect.len(),
        count(Verdict::Pass),
        count(Verdict::Fail),
    );
    let tone = if failed > 0 || !summary.valid {
        Tone::Bad
    } else if met == all {
        Tone::Good
    } else {
        Tone::Doubtful
    };
    html! { @if all > 0 {
        p class={ "banner " (class(tone)) } {
            a href="#expectations" { (met) " of " (all) " expectations met" }
            @if failed > 0 { ", " (failed) " failed" }
            @if met + failed < all { ", " (all - met - failed) " undecided" }
        }
    } }
}

/// What was run, where and when, and how to run it again.
fn provenance(origin: &Origin) -> Markup {
    html! {
        dl.origin {
            @for (name, value) in &origin.facts { div { dt { (name) } dd { (value) } } }
            div.command { dt { "run it again" } dd { code { (origin.command) } } }
        }
        details {
            summary { "The scenario and the parameters of its gates" }
            pre tabindex="0" { (origin.scenario) }
        }
    }
}

/// Links to the sections.
fn contents(blocks: &[Block]) -> Markup {
    let names = blocks.iter().filter_map(|one| match one {
        Block::Heading(name) => Some(name),
        Block::Subheading(_)
        | Block::Text(_)
        | Block::Table(_)
        | Block::Verdicts(_)
        | Block::Doubts(_)
        | Block::Picture(_) => None,
    });
    html! {
        nav aria-label="Contents" { ul {
            @for name in names { li { a href={ "#" (place(name)) } { (name) } } }
            li { a href={ "#" (WORDS) } { "Words" } }
        } }
    }
}

/// The name of a section's place: its heading without what is counted.
fn place(heading: &str) -> String {
    let name = heading.split(':').next().unwrap_or(heading);
    name.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect::<Vec<_>>()
        .join("-")
}

fn block(block: &Block, pictures: &[Picture]) -> Markup {
    match block {
        Block::Heading(name) => html! { h2 id=(place(name)) { (name) } },
        Block::Subheading(name) => html! { h3 { (name) } },
        Block::Text(cell) => html! { p class=(class(cell.tone)) { (cell.one_line()) } },
        Block::Table(one) => table(one),
        Block::Verdicts(lines) => verdicts(lines),
        Block::Doubts(doubts) => html! { ul.doubts { @for one in doubts { (doubt(one)) } } },
        Block::Picture(name) => picture(pictures.iter().find(|picture| picture.name == *name)),
    }
}

fn table(table: &Table) -> Markup {
    let names: Vec<&str> = table.columns.iter().map(|one| one.name.as_str()).collect();
    html! {
        div.scroll role="group" tabindex="0" aria-label={ "Table: " (names.join(", ")) } { table {
            thead { tr { @for column in &table.columns {
                th scope="col" class=(side(column.align)) { (word(Group::Column, &column.name)) }
            } } }
            tbody { @for row in &table.rows {
                tr class=[row.first().filter(|cell| cell.text.is_empty()).map(|_| "more")] {
                    @for (cell, column) in row.iter().zip(&table.columns) {
                        (table_cell(cell, column))
                    }
                }
            } }
        } }
    }
}

fn table_cell(cell: &Cell, column: &Column) -> Markup {
    // Lists may be broken between words, numbers may not.
    let long = if cell.text.contains(", ") {
        " long"
    } else {
        ""
    };
    html! {
        td class={ (side(column.align)) (long) } {
            span class=(class(cell.tone)) {
                @match column.name.as_str() {
                    "outcome" => (word(Group::Outcome, &cell.text)),
                    "what held the last field" => (causes(&cell.text)),
                    _ => (cell.text),
                }
            }
            @if !cell.detail.is_empty() { " " span.detail { (cell.detail) } }
        }
    }
}

/// Causes and their counts, each cause with its definition.
fn causes(list: &str) -> Markup {
    html! { @for (at, part) in list.split(", ").enumerate() {
        @if at > 0 { ", " }
        @if let Some((cause, count)) = part.split_once(' ') {
            (word(Group::Cause, cause)) " " (count)
        } @else { (part) }
    } }
}

/// The definitions of those of `terms` that belong to a group.
fn words(group: Group, terms: &[&Term]) -> Markup {
    let mut own = terms.iter().filter(|term| term.group == group).peekable();
    html! { @if own.peek().is_some() {
        h3 { (group.title()) }
        dl.words { @for term in own {
            dt id=(term.anchor()) { (term.name) }
            dd { (term.text) }
        } }
    } }
}

/// A word that leads to its definition, if it has one.
fn word(group: Group, name: &str) -> Markup {
    html! { @if let Some(term) = glossary::find(group, name) {
        a.term href={ "#" (term.anchor()) } title=(term.text) { (name) }
    } @else { (name) } }
}

fn verdicts(lines: &[VerdictLine]) -> Markup {
    html! {
        div.scroll role="group" tabindex="0" aria-label="Table: expectations" { table {
            thead { tr {
                th scope="col" { span.unseen { "sign" } } th scope="col" { "expectation" } th scope="col" { "verdict" }
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
            div.scroll role="group" tabindex="0" aria-label={ "Picture: " (picture.caption) } {
                figure role="img" aria-label=(picture.caption) { (PreEscaped(&picture.svg)) }
            }
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
