//! Texts from outside, made fit for a terminal.

use std::borrow::Cow;

/// Whether a terminal would act upon a character in place of showing it: control characters (line
/// feed and tab too), and what turns the direction of a line or breaks it.
#[must_use]
pub fn is_unprintable(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            // Marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX #9),
            // line and paragraph separators, the byte-order mark.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}

/// `text` with a sign in the place of each character that a terminal would act upon; lines stay.
/// The sign takes as many bytes, so places in the text stay where they are.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    let kept = |letter: char| matches!(letter, '\n' | '\t') || !is_unprintable(letter);
    // A carriage return that ends a line is no letter of it.
    let harmless = |text: &str| text.chars().all(|letter| kept(letter) || letter == '\r');
    if harmless(text) && !text.replace("\r\n", "").contains('\r') {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let ends_line = letter == '\r' && letters.peek() == Some(&'\n');
        shown.push(match letter.len_utf8() {
            _ if ends_line || kept(letter) => letter,
            1 => '?',
            2 => '\u{bf}',
            _ => char::REPLACEMENT_CHARACTER,
        });
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_upon_is_left_and_no_byte_moves() {
        for code in (0..0x3000).chain(0xfe00..0x1_0000).chain(0xe0000..0xe0080) {
            let Some(letter) = char::from_u32(code) else {
                continue;
            };
            let text = format!("a{letter}b");
            let shown = printable(&text);
            assert_eq!(shown.len(), text.len(), "U+{code:04X}");
            let middle = shown.chars().nth(1).unwrap();
            assert!(
                !is_unprintable(middle) || "\n\t".contains(middle),
                "U+{code:04X}"
            );
        }
        assert_eq!(printable("\u{1b}[31mred\u{9b}0m"), "?[31mred\u{bf}0m");
        assert_eq!(printable("ok\r\nline\rover"), "ok\r\nline?over");
    }

    #[test]
    fn plain_text_of_any_script_stays_as_it_is() {
        for text in ["Größe · 5 µs", "שלום", "日本語", "🙂\n\tb\r\n"] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        }
    }
}
