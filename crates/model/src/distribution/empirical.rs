//! A distribution given by what was observed: samples, or quantiles.

use super::DistributionError;
use super::law::Tails;
use crate::time::Duration;

/// An observed distribution: its quantile function is linear in pieces, with jumps.
#[derive(Clone, PartialEq, Debug)]
pub struct Empirical {
    pieces: Vec<Piece>,
}

/// One linear piece of the quantile function, from probability `start` to `end`. Nanoseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Piece {
    start: f64,
    end: f64,
    from: f64,
    to: f64,
    /// Integral of the quantile function from 0 to `start`.
    integral: f64,
}

impl Piece {
    fn mass(&self) -> f64 {
        self.end - self.start
    }

    /// Share of the piece that is at most `x`.
    fn share_below(&self, x: f64) -> f64 {
        if x >= self.to {
            1.0
        } else {
            ((x - self.from) / (self.to - self.from)).max(0.0)
        }
    }
}

impl Empirical {
    /// The linear pieces of the quantile function: probabilities and durations at both ends.
    pub fn pieces(&self) -> impl Iterator<Item = [(f64, Duration); 2]> {
        let nanos = |nanos: f64| Duration::from_secs_f64(nanos / 1e9);
        self.pieces.iter().map(move |piece| {
            [
                (piece.start, nanos(piece.from)),
                (piece.end, nanos(piece.to)),
            ]
        })
    }

    pub(super) fn from_samples(
        samples: impl IntoIterator<Item = Duration>,
    ) -> Result<Self, DistributionError> {
        let mut sorted: Vec<u64> = samples.into_iter().map(Duration::as_nanos).collect();
        if sorted.is_empty() {
            return Err(DistributionError::Empty { what: "sample" });
        }
        sorted.sort_unstable();
        let total = sorted.len() as f64;
        let mut seen = 0_usize;
        let steps = sorted.chunk_by(|a, b| a == b).map(|equal| {
            let start = seen as f64 / total;
            seen += equal.len();
            let value = equal[0] as f64;
            (start, seen as f64 / total, value, value)
        });
        Ok(Self::from_pieces(steps))
    }

    pub(super) fn from_quantiles(pairs: &[(f64, Duration)]) -> Result<Self, DistributionError> {
        let (Some(first), Some(last)) = (pairs.first(), pairs.last()) else {
            return Err(DistributionError::Empty { what: "quantile" });
        };
        let mut before: Option<(f64, Duration)> = None;
        for (index, &(quantile, value)) in pairs.iter().enumerate() {
            let rises = before.is_none_or(|(lower, _)| quantile > lower);
            if !rises || !(0.0..=1.0).contains(&quantile) {
                return Err(DistributionError::QuantileOrder {
                    index,
                    value: quantile,
                });
            }
            if before.is_some_and(|(_, shorter)| value < shorter) {
                return Err(DistributionError::QuantileFalls { index, value });
            }
            before = Some((quantile, value));
        }
        if first.0 > 0.0 || last.0 < 1.0 {
            return Err(DistributionError::QuantileEnds {
                first: first.0,
                last: last.0,
            });
        }
        let lines = pairs.windows(2).map(|pair| {
            let ((start, from), (end, to)) = (pair[0], pair[1]);
            (start, end, from.as_nanos() as f64, to.as_nanos() as f64)
        });
        Ok(Self::from_pieces(lines))
    }

    fn from_pieces(lines: impl Iterator<Item = (f64, f64, f64, f64)>) -> Self {
        let mut integral = 0.0;
        let pieces = lines.map(|(start, end, from, to)| {
            let piece = Piece {
                start,
                end,
                from,
                to,
                integral,
            };
            integral += (end - start) * (from + to) / 2.0;
            piece
        });
        Self {
            pieces: pieces.collect(),
        }
    }

    /// The value below which the share `below` lies, in nanoseconds.
    pub(super) fn quantile(&self, below: f64) -> f64 {
        let index = self.pieces.partition_point(|piece| piece.end < below);
        let piece = self.piece(index);
        let share = ((below - piece.start) / piece.mass()).clamp(0.0, 1.0);
        piece.from + share * (piece.to - piece.from)
    }

    /// Probabilities at most and above `x` nanoseconds.
    pub(super) fn tails(&self, x: f64) -> Tails {
        let index = self.pieces.partition_point(|piece| piece.to <= x);
        let Some(piece) = self.pieces.get(index) else {
            return Tails {
                below: 1.0,
                above: 0.0,
            };
        };
        let below = piece.start + piece.share_below(x) * piece.mass();
        Tails {
            below,
            above: 1.0 - below,
        }
    }

    /// Density at `x` nanoseconds, per nanosecond; jumps of the quantile function have none.
    pub(super) fn density(&self, x: f64) -> f64 {
        let index = self.pieces.partition_point(|piece| piece.to <= x);
        match self.pieces.get(index) {
            Some(piece) if piece.from <= x => piece.mass() / (piece.to - piece.from),
            _ => 0.0,
        }
    }

    /// Expectations of the values at most and above `x`, in nanoseconds.
    pub(super) fn partial_means(&self, x: f64) -> Tails {
        let index = self.pieces.partition_point(|piece| piece.to <= x);
        let last = self.piece(usize::MAX);
        let total = last.integral + last.mass() * (last.from + last.to) / 2.0;
        let Some(piece) = self.pieces.get(index) else {
            return Tails {
                below: total,
                above: 0.0,
            };
        };
        let share = piece.share_below(x);
        let reached = piece.from + share * (piece.to - piece.from);
        let below = piece.integral + share * piece.mass() * (piece.from + reached) / 2.0;
        Tails {
            below,
            above: total - below,
        }
    }

    fn piece(&self, index: usize) -> Piece {
        self.pieces[index.min(self.pieces.len() - 1)]
    }
}
