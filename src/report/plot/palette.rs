//! Colours that colour-blind people can tell apart (Okabe and Ito), and who wears which.

use racegate_model::summary::Summary;

use super::scene::Dash;

/// A colour; alpha 1 is opaque.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Colour {
    pub(super) rgb: (u8, u8, u8),
    pub(super) alpha: f64,
}

impl Colour {
    const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self {
            rgb: (red, green, blue),
            alpha: 1.0,
        }
    }

    /// The same colour, partly transparent.
    pub(super) const fn faded(self, alpha: f64) -> Self {
        Self { alpha, ..self }
    }
}

/// The page. This and the next four are turned around by the stylesheet of the HTML report when the
/// reader prefers dark pages; see `html.css`.
pub(super) const PAPER: Colour = Colour::new(0xff, 0xff, 0xff);
/// Titles and values.
pub(super) const INK: Colour = Colour::new(0x1f, 0x24, 0x28);
/// Axis labels and notes.
pub(super) const MUTED: Colour = Colour::new(0x5f, 0x66, 0x6d);
/// Grid lines.
pub(super) const GRID: Colour = Colour::new(0xe1, 0xe4, 0xe8);
/// Shade of every other band.
pub(super) const BAND: Colour = Colour::new(0xf5, 0xf6, 0xf8);
/// Shade of the phase in which most calls arrive.
pub(super) const BAND_SPIKE: Colour = Colour::new(0xfd, 0xf0, 0xdc);

/// Blue, for what is no gate's.
pub(super) const BLUE: Colour = Colour::new(0x00, 0x72, 0xb2);
const VERMILLION: Colour = Colour::new(0xd5, 0x5e, 0x00);
const GREEN: Colour = Colour::new(0x00, 0x9e, 0x73);
const ORANGE: Colour = Colour::new(0xe6, 0x9f, 0x00);
const SKY: Colour = Colour::new(0x56, 0xb4, 0xe9);
const PURPLE: Colour = Colour::new(0xcc, 0x79, 0xa7);

/// Gates that wait for nothing are vermillion, the others take turns.
const TURNS: [Colour; 5] = [BLUE, GREEN, PURPLE, ORANGE, SKY];
const UNGATED: &str = "none";

/// A gate and how it is drawn in every picture.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) gate: String,
    pub(super) colour: Colour,
    pub(super) dash: Dash,
    /// Whether the gate waits for nothing, and so shows the race itself.
    pub(super) ungated: bool,
}

/// The colour of what is no gate, by its position.
pub(super) const fn turn(position: usize) -> Colour {
    const ALL: [Colour; 6] = [BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY];
    ALL[position % ALL.len()]
}

/// One look per gate, in the order of the scenario.
pub(super) fn looks(summary: &Summary) -> Vec<Look> {
    let mut looks: Vec<Look> = Vec::new();
    let (mut turn, mut ungated_seen) = (0, false);
    for gate in &summary.gates {
        if looks.iter().any(|look| look.gate == gate.name) {
            continue;
        }
        let ungated = gate.strategy == UNGATED;
        let (colour, dash) = if ungated && !ungated_seen {
            ungated_seen = true;
            (VERMILLION, Dash::Solid)
        } else {
            let dash = if turn < TURNS.len() {
                Dash::Solid
            } else {
                Dash::Dotted
            };
            turn += 1;
            (TURNS[(turn - 1) % TURNS.len()], dash)
        };
        looks.push(Look {
            gate: gate.name.clone(),
            colour,
            dash,
            ungated,
        });
    }
    looks
}

/// The arms, in the order of the summary.
pub(super) fn arms(summary: &Summary) -> Vec<&str> {
    let mut arms: Vec<&str> = Vec::new();
    for gate in &summary.gates {
        if !arms.contains(&gate.arm.as_str()) {
            arms.push(&gate.arm);
        }
    }
    arms
}
