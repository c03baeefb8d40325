//! What a person sees while a run goes on.

use std::io::IsTerminal;
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressStyle};
use racegate_model::scenario::Scenario;

use crate::live::Progress;
use crate::output::{Notes, note};
use crate::plan::Plan;

/// One line of progress on a terminal; a line every ten seconds elsewhere.
pub(crate) struct Bar {
    bar: Option<ProgressBar>,
    notes: Notes,
    noted: Mutex<u64>,
}

/// Seconds between lines when stderr is not a terminal.
const NOTE_EVERY: u64 = 10;

impl Bar {
    /// A bar for a live run of `scenario`.
    pub(crate) fn new(scenario: &Scenario, notes: Notes) -> Self {
        let bar = (notes == Notes::Shown && std::io::stderr().is_terminal()).then(|| {
            let seconds = Plan::of(scenario).last_end.as_nanos() / 1_000_000_000;
            let bar = ProgressBar::new(seconds.max(1));
            let template = "{bar:30} {pos:>3}/{len} s  {msg}";
            bar.set_style(
                ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar()),
            );
            bar
        });
        Self {
            bar,
            notes,
            noted: Mutex::new(0),
        }
    }

    /// Shows how far the run is.
    pub(crate) fn show(&self, progress: &Progress) {
        let seconds = progress.elapsed.as_nanos() / 1_000_000_000;
        let text = format!(
            "{} calls begun, {} in progress, {} ended, {} of {} exports settled",
            progress.begun, progress.active, progress.ended, progress.settled, progress.expected
        );
        match &self.bar {
            Some(bar) => {
                bar.set_position(seconds);
                bar.set_message(text);
            }
            None if self.notes == Notes::Hidden => {}
            None => {
                // A poisoned lock only means that a line was lost.
                let Ok(mut noted) = self.noted.lock() else {
                    return;
                };
                if seconds >= *noted + NOTE_EVERY {
                    *noted = seconds;
                    note(&format!("{seconds:>4} s  {text}"));
                }
            }
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
