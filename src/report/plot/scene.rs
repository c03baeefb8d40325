//! A picture as a list of marks: what is drawn, without knowing how.
//!
//! Scenes are plain values, so that tests can ask whether texts overlap or leave the page, and so
//! that one drawing gives both the SVG and the PNG.

use super::canvas::text_width;
use super::palette::Colour;

/// Space that a line of text takes, as a multiple of its size.
pub(super) const LINE_HEIGHT: f64 = 1.35;

/// A place on the page; x to the right, y down.
pub(super) type Point = (f64, f64);

/// Which point of a text its place is; always on the baseline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Anchor {
    Left,
    Middle,
    Right,
}

/// How a line is interrupted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dash {
    Solid,
    Dashed,
    Dotted,
}

impl Dash {
    /// Lengths of stroke and gap for a line of that width.
    fn pattern(self, width: f64) -> Option<(f64, f64)> {
        match self {
            Self::Solid => None,
            Self::Dashed => Some((7.0 + width, 5.0)),
            Self::Dotted => Some((width.max(2.0), 3.0 + width)),
        }
    }
}

/// One thing on the page.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    /// A filled rectangle, from its upper left to its lower right corner.
    Rectangle {
        from: Point,
        to: Point,
        colour: Colour,
    },
    /// A filled polygon.
    Polygon { points: Vec<Point>, colour: Colour },
    /// A line through points.
    Line {
        points: Vec<Point>,
        width: f64,
        colour: Colour,
    },
    /// A filled circle.
    Circle {
        centre: Point,
        radius: f64,
        colour: Colour,
    },
    /// One line of text.
    Text {
        at: Point,
        anchor: Anchor,
        size: f64,
        colour: Colour,
        text: String,
    },
}

/// A picture.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) marks: Vec<Mark>,
}

impl Scene {
    /// An empty page.
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            marks: Vec::new(),
        }
    }

    /// Adds a filled rectangle.
    pub(super) fn rectangle(&mut self, from: Point, to: Point, colour: Colour) {
        if to.0 > from.0 && to.1 > from.1 {
            self.marks.push(Mark::Rectangle { from, to, colour });
        }
    }

    /// Adds a filled polygon.
    pub(super) fn polygon(&mut self, points: Vec<Point>, colour: Colour) {
        self.marks.push(Mark::Polygon { points, colour });
    }

    /// Adds a line; dashes are cut here, because not every backend knows them.
    pub(super) fn line(&mut self, points: &[Point], width: f64, dash: Dash, colour: Colour) {
        if points.len() < 2 {
            return;
        }
        match dash.pattern(width) {
            None => self.marks.push(Mark::Line {
                points: points.to_vec(),
                width,
                colour,
            }),
            Some((stroke, gap)) => {
                for points in cut(points, stroke, gap) {
                    self.marks.push(Mark::Line {
                        points,
                        width,
                        colour,
                    });
                }
            }
        }
    }

    /// Adds a filled circle.
    pub(super) fn circle(&mut self, centre: Point, radius: f64, colour: Colour) {
        self.marks.push(Mark::Circle {
            centre,
            radius,
            colour,
        });
    }

    /// Adds a text.
    pub(super) fn text(
        &mut self,
        at: Point,
        anchor: Anchor,
        size: f64,
        colour: Colour,
        text: &str,
    ) {
        if !text.is_empty() {
            self.marks.push(Mark::Text {
                at,
                anchor,
                size,
                colour,
                text: text.to_owned(),
            });
        }
    }

    /// Adds a text of several lines, broken between words; returns the baseline after the last.
    pub(super) fn paragraph(
        &mut self,
        at: Point,
        width: f64,
        size: f64,
        colour: Colour,
        text: &str,
    ) -> f64 {
        let mut y = at.1;
        for line in wrap(text, size, width) {
            self.text((at.0, y), Anchor::Left, size, colour, &line);
            y += size * LINE_HEIGHT;
        }
        y
    }
}

/// The text, cut with an ellipsis if it is wider than `width`.
pub(super) fn fit(text: &str, size: f64, width: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let mut kept: String = text.to_owned();
    while kept.pop().is_some() {
        let shorter = format!("{}…", kept.trim_end());
        if text_width(&shorter, size) <= width {
            return shorter;
        }
    }
    String::new()
}

/// Lines of at most `width`, broken between words.
pub(super) fn wrap(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let longer = lines.last().map(|line| format!("{line} {word}"));
        match (longer, lines.last_mut()) {
            (Some(longer), Some(last)) if text_width(&longer, size) <= width => *last = longer,
            _ => lines.push(fit(word, size, width)),
        }
    }
    lines
}

/// Cuts a line into strokes.
fn cut(points: &[Point], stroke: f64, gap: f64) -> Vec<Vec<Point>> {
    let mut strokes = Vec::new();
    let mut current: Vec<Point> = vec![points[0]];
    let (mut drawing, mut left) = (true, stroke);
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            if length < left {
                left -= length;
                break;
            }
            let share = left / length;
            from = (
                from.0 + (to.0 - from.0) * share,
                from.1 + (to.1 - from.1) * share,
            );
            if drawing {
                current.push(from);
                strokes.push(std::mem::take(&mut current));
            } else {
                current = vec![from];
            }
            drawing = !drawing;
            left = if drawing { stroke } else { gap };
        }
        if drawing {
            current.push(to);
        }
    }
    if drawing && current.len() > 1 {
        strokes.push(current);
    }
    strokes
}

/// Where a text is on the page: left, top, right, bottom.
#[cfg(test)]
pub(super) fn text_box(mark: &Mark) -> Option<(f64, f64, f64, f64)> {
    let Mark::Text {
        at,
        anchor,
        size,
        text,
        ..
    } = mark
    else {
        return None;
    };
    let width = text_width(text, *size);
    let left = match anchor {
        Anchor::Left => at.0,
        Anchor::Middle => at.0 - width / 2.0,
        Anchor::Right => at.0 - width,
    };
    Some((left, at.1 - size * 0.76, left + width, at.1 + size * 0.24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dashed_line_keeps_its_pattern_around_corners() {
        let strokes = cut(&[(0.0, 0.0), (10.0, 0.0), (10.0, 10.0)], 6.0, 6.0);
        assert_eq!(strokes.len(), 2);
        assert_eq!(strokes[0], [(0.0, 0.0), (6.0, 0.0)]);
        assert_eq!(strokes[1], [(10.0, 2.0), (10.0, 8.0)]);
    }

    #[test]
    fn long_words_are_cut_and_long_texts_broken() {
        assert_eq!(fit("short", 16.0, 200.0), "short");
        assert!(fit("a-very-long-gate-name-indeed", 16.0, 100.0).ends_with('…'));
        assert!(wrap("one two three four five six", 16.0, 100.0).len() > 1);
    }
}
