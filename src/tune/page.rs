//! `tune.html`: the answer on one page, which needs nothing else.

use maud::{DOCTYPE, PreEscaped, html};

use super::lags::Lags;
use super::say::{gate_table, sentence};
use super::search::Found;
use super::snippets::snippets;
use crate::report::Picture;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;\
padding:0 1rem;color:#1f2428}pre{background:#f5f6f8;padding:.8rem;overflow:auto}\
svg{max-width:100%;height:auto}.lead{font-size:1.2rem}table{border-collapse:collapse}\
td,th{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #e1e4e8}";

/// The page.
#[must_use]
pub fn page(lags: &Lags, found: &Found, pictures: &[Picture]) -> String {
    let rows = found.front.iter().step_by(4);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "Which back-off?" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Which back-off?" }
                p.lead { (sentence(found)) }
                @for broken in &found.broken { p { strong { (broken) } } }
                p { "From " (lags.source) ", " (lags.recordings) " recordings." }
                @for picture in pictures { (PreEscaped(&picture.svg)) }
                h2 { "Gate" }
                pre { (gate_table("tuned", &found.chosen, lags.reads)) }
                h2 { "What another price would buy" }
                table {
                    tr {
                        th { "a call is worth" } th { "first delay" } th { "gap" }
                        th { "multiplier" } th { "cap" } th { "checks" } th { "calls" }
                        th { "delay" }
                    }
                    @for fit in rows {
                        tr {
                            td { (format!("{:.2} s", fit.price.seconds())) }
                            td { (format!("{:.2} s", fit.family.first)) }
                            td { (format!("{:.2} s", fit.family.gap)) }
                            td { (format!("{:.3}", fit.family.multiplier)) }
                            td { (format!("{:.2} s", fit.family.cap)) }
                            td { (fit.attempts) }
                            td { (format!("{:.2}", fit.cost.calls)) }
                            td { (format!("{:.2} s", fit.cost.delay_when_found())) }
                        }
                    }
                }
                h2 { "Code" }
                @for snippet in snippets(&found.chosen) {
                    h3 { (snippet.title) }
                    pre { (snippet.code) }
                }
            }
        }
    }
    .into_string()
}
