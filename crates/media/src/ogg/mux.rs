//! Writes a call's packets into an Ogg/Opus file that keeps the call's time.

use super::{BEGIN, END, PAGE_HEADER, PRE_SKIP, SEGMENTS_MAX, crc};
use crate::toc::{SAMPLE_RATE, concealment, duration_of};

/// A page is closed after a second of audio: more pages cost space, fewer cost memory.
const PAGE_SAMPLES: u64 = SAMPLE_RATE as u64;

/// A page is closed before its packets are longer than this, in bytes: a second at 48 kbit/s is 6,000,
/// and this much is held for each call that goes on.
const BODY_MAX: usize = 4096;

/// A jump in RTP time beyond this is a new time base, not a gap: filling it would let one packet write megabytes.
const GAP_MAX: u64 = 60 * SAMPLE_RATE as u64;

/// A recording stops growing here, in bytes; at speech rates that is five hours.
const SIZE_MAX: usize = 64 << 20;

/// Byte 0 of a packet of 20 ms of SILK, wideband, mono: what a recording without audio has one of.
const WIDEBAND_20_MS: u8 = 9 << 3;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Muxed {
    /// Written, after this many samples of concealment in place of what did not come.
    Written {
        /// Samples filled in before it.
        gap: u64,
    },
    /// Left out: empty (browsers send padding), or not an Opus packet.
    NotAudio,
    /// Left out: its time has been written already.
    Late,
    /// Left out: the recording has reached its largest size.
    Full,
}

/// Takes the pages of a recording as they are closed.
pub trait PageSink {
    /// Takes a page: its header, with the checksum, and its body.
    fn page(&mut self, header: &[u8], body: &[u8]);
}

impl PageSink for Vec<u8> {
    fn page(&mut self, header: &[u8], body: &[u8]) {
        self.extend_from_slice(header);
        self.extend_from_slice(body);
    }
}

/// An Ogg/Opus recording that hands every page over when it is closed, and so holds a second of audio or 4 KiB, whichever is less,
/// whatever the call's length.
///
/// A gap in RTP time is filled with empty packets that ask the decoder for concealment: RFC 7845 (section 4.1) forbids to let the
/// granule position run ahead of the packets, and players differ in what they do when it does.
#[derive(Debug)]
pub struct OpusPages {
    serial: u32,
    page: u32,
    segments: Vec<u8>,
    body: Vec<u8>,
    /// Bytes handed over.
    written: usize,
    /// Samples written, which is the granule position.
    samples: u64,
    page_start: u64,
    /// RTP time of sample 0.
    base: Option<u64>,
    last_toc: u8,
    concealed: u64,
}

impl OpusPages {
    /// A recording, whose two header pages go to `sink` at once. `comments` are name and value, such as `("CONVERSATION_ID", …)`.
    #[must_use]
    pub fn new(serial: u32, comments: &[(&str, &str)], sink: &mut impl PageSink) -> Self {
        let mut pages = Self {
            serial,
            page: 0,
            segments: Vec::new(),
            body: Vec::new(),
            written: 0,
            samples: 0,
            page_start: 0,
            base: None,
            last_toc: WIDEBAND_20_MS,
            concealed: 0,
        };
        let mut head = b"OpusHead\x01\x01".to_vec();
        head.extend(PRE_SKIP.to_le_bytes());
        head.extend(SAMPLE_RATE.to_le_bytes());
        head.extend([0; 3]);
        pages.append(&head);
        pages.close_page(BEGIN, sink);
        let mut tags = b"OpusTags".to_vec();
        push_text(&mut tags, "racegate");
        tags.extend(u32::try_from(comments.len()).unwrap_or(0).to_le_bytes());
        for (name, value) in comments {
            // One header page is enough for what we write; a value from outside must not need a second one.
            push_text(&mut tags, &format!("{name}={}", prefix(value, 1024)));
        }
        pages.append(&tags);
        pages.close_page(0, sink);
        pages
    }

    /// Adds a packet with its RTP time in samples, extended over wrap-arounds.
    pub fn push(&mut self, time: u64, packet: &[u8], sink: &mut impl PageSink) -> Muxed {
        let Some(duration) = duration_of(packet).filter(|_| packet.len() <= 2048) else {
            return Muxed::NotAudio;
        };
        if self.written >= SIZE_MAX {
            return Muxed::Full;
        }
        let base = *self.base.get_or_insert(time);
        let position = time.wrapping_sub(base);
        let backwards = self.samples.wrapping_sub(position);
        let forwards = position.wrapping_sub(self.samples);
        let gap = if forwards <= GAP_MAX {
            self.conceal(forwards, sink)
        } else if backwards <= GAP_MAX {
            return Muxed::Late;
        } else {
            self.base = Some(time.wrapping_sub(self.samples));
            0
        };
        self.write(packet, u64::from(duration), sink);
        self.last_toc = packet[0];
        Muxed::Written { gap }
    }

    /// Samples written so far, concealment included.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Samples of concealment among them.
    #[must_use]
    pub fn concealed(&self) -> u64 {
        self.concealed
    }

    /// The ends of the page's tables that grow, where the next packet goes: a driver of many recordings may want them in the cache
    /// before.
    #[must_use]
    pub fn tails(&self) -> [&[u8]; 2] {
        [&self.body, &self.segments].map(|table| &table[table.len().saturating_sub(1)..])
    }

    /// Bytes held for the page that grows.
    #[must_use]
    pub fn held(&self) -> usize {
        self.body.capacity() + self.segments.capacity()
    }

    /// Closes the recording with a page that says so.
    ///
    /// What is shorter than the samples that a decoder drops at the start gets concealment to that
    /// length: decoders refuse a stream without a packet, and a length below zero.
    pub fn finish(mut self, sink: &mut impl PageSink) {
        let heard = self.samples.max(u64::from(PRE_SKIP));
        while self.samples < heard {
            let packet = [concealment(self.last_toc)];
            self.write(
                &packet,
                u64::from(duration_of(&packet).unwrap_or(960)),
                sink,
            );
        }
        // The end is trimmed, by RFC 7845 (section 4.4).
        self.samples = heard;
        self.close_page(END, sink);
    }

    /// Fills a gap with whole frames of the kind that was last heard.
    fn conceal(&mut self, gap: u64, sink: &mut impl PageSink) -> u64 {
        let packet = [concealment(self.last_toc)];
        let frame = u64::from(duration_of(&packet).unwrap_or(960));
        let frames = gap / frame;
        for _ in 0..frames {
            self.write(&packet, frame, sink);
        }
        self.concealed += frames * frame;
        frames * frame
    }

    fn write(&mut self, packet: &[u8], duration: u64, sink: &mut impl PageSink) {
        // Closed before the packet that would overfill it, not after the one that filled it: so a last packet is always there to
        // carry the end mark.
        let full = self.samples - self.page_start >= PAGE_SAMPLES
            || self.body.len() + packet.len() > BODY_MAX
            || self.segments.len() + packet.len() / 255 + 1 > SEGMENTS_MAX;
        if full {
            self.close_page(0, sink);
        }
        // At once, because growth by doubling ends beyond what is ever held.
        self.body.reserve_exact(BODY_MAX - self.body.len());
        self.append(packet);
        self.samples += duration;
    }

    /// A packet is as many segments of 255 bytes as it fills, and a shorter one, which may be empty.
    fn append(&mut self, packet: &[u8]) {
        self.segments
            .resize(self.segments.len() + packet.len() / 255, 255);
        self.segments
            .push(u8::try_from(packet.len() % 255).unwrap_or(0));
        self.body.extend_from_slice(packet);
    }

    fn close_page(&mut self, flags: u8, sink: &mut impl PageSink) {
        let mut header = [0; PAGE_HEADER + SEGMENTS_MAX];
        let len = PAGE_HEADER + self.segments.len();
        header[..5].copy_from_slice(b"OggS\0");
        header[5] = flags;
        header[6..14].copy_from_slice(&self.samples.to_le_bytes());
        header[14..18].copy_from_slice(&self.serial.to_le_bytes());
        header[18..22].copy_from_slice(&self.page.to_le_bytes());
        header[26] = u8::try_from(self.segments.len()).unwrap_or(u8::MAX);
        header[PAGE_HEADER..len].copy_from_slice(&self.segments);
        let header = &mut header[..len];
        let crc = crc::update(crc::update(0, header), &self.body);
        header[22..26].copy_from_slice(&crc.to_le_bytes());
        sink.page(header, &self.body);
        self.written += len + self.body.len();
        self.segments.clear();
        self.body.clear();
        self.page += 1;
        self.page_start = self.samples;
    }
}

/// A growing Ogg/Opus file in memory.
#[derive(Debug)]
pub struct OpusMuxer {
    pages: OpusPages,
    out: Vec<u8>,
}

impl OpusMuxer {
    /// A file with its two header pages. `comments` are name and value, such as `("CONVERSATION_ID", …)`.
    #[must_use]
    pub fn new(serial: u32, comments: &[(&str, &str)]) -> Self {
        let mut out = Vec::new();
        let pages = OpusPages::new(serial, comments, &mut out);
        Self { pages, out }
    }

    /// Adds a packet with its RTP time in samples, extended over wrap-arounds.
    pub fn push(&mut self, time: u64, packet: &[u8]) -> Muxed {
        self.pages.push(time, packet, &mut self.out)
    }

    /// Samples written so far, concealment included.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.pages.samples()
    }

    /// Samples of concealment among them.
    #[must_use]
    pub fn concealed(&self) -> u64 {
        self.pages.concealed()
    }

    /// Closes the file and hands it over.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.pages.finish(&mut self.out);
        self.out
    }
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend(u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
    out.extend(text.bytes());
}

/// At most `max` bytes of `text`, cut between characters.
fn prefix(text: &str, max: usize) -> &str {
    let cut = (0..=max.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    &text[..cut.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ogg::read;

    /// A 20 ms SILK packet of `len` bytes.
    fn packet(len: usize, fill: u8) -> Vec<u8> {
        let mut packet = vec![fill; len];
        packet[0] = 9 << 3;
        packet
    }

    /// What the `ogg` crate makes of a file: packets, the last granule position, and whether the last packet ends the stream.
    fn reference(file: &[u8]) -> (Vec<Vec<u8>>, u64, bool) {
        let mut reader = ogg::PacketReader::new(std::io::Cursor::new(file));
        let (mut packets, mut granule, mut end) = (Vec::new(), 0, false);
        while let Some(packet) = reader.read_packet().unwrap() {
            granule = packet.absgp_page();
            end = packet.last_in_stream();
            packets.push(packet.data);
        }
        (packets, granule, end)
    }

    #[test]
    fn another_implementation_reads_back_what_was_written() {
        let mut muxer = OpusMuxer::new(7, &[("CONVERSATION_ID", "abc")]);
        let lens = [1, 2, 100, 254, 255, 256, 509, 510, 511, 1275];
        let sent: Vec<_> = (0..200_u8)
            .map(|n| packet(lens[usize::from(n) % lens.len()], n))
            .collect();
        for (n, packet) in (0..).zip(&sent) {
            assert_eq!(
                muxer.push(5_000 + n * 960, packet),
                Muxed::Written { gap: 0 }
            );
        }
        let file = muxer.finish();
        let (packets, granule, end) = reference(&file);
        assert_eq!(packets[2..], sent);
        assert!(packets[0].starts_with(b"OpusHead") && packets[1].starts_with(b"OpusTags"));
        assert_eq!((granule, end), (200 * 960, true));
        let own = read(&file).unwrap();
        assert_eq!((own.packets, own.samples, own.serial), (sent, 200 * 960, 7));
        assert_eq!(
            own.comments,
            [("CONVERSATION_ID".to_owned(), "abc".to_owned())]
        );
    }

    #[test]
    fn a_lost_second_is_a_second_of_concealment() {
        let mut muxer = OpusMuxer::new(1, &[]);
        muxer.push(u64::from(u32::MAX) - 959, &packet(50, 1));
        assert_eq!(
            muxer.push(u64::from(u32::MAX) + 1 + 48_000, &packet(50, 2)),
            Muxed::Written { gap: 48_000 }
        );
        assert_eq!(
            (muxer.samples(), muxer.concealed()),
            (48_000 + 2 * 960, 48_000)
        );
        let (packets, granule, _) = reference(&muxer.finish());
        assert_eq!(granule, 48_000 + 2 * 960);
        assert_eq!(packets.len(), 2 + 52);
        assert!(packets[3..53].iter().all(|packet| packet == &[9 << 3]));
    }

    #[test]
    fn padding_late_packets_and_wild_times_leave_the_file_whole() {
        let mut muxer = OpusMuxer::new(1, &[]);
        assert_eq!(muxer.push(0, &[]), Muxed::NotAudio);
        assert_eq!(muxer.push(0, &[3]), Muxed::NotAudio);
        assert_eq!(muxer.push(9600, &packet(9, 0)), Muxed::Written { gap: 0 });
        assert_eq!(muxer.push(9600, &packet(9, 0)), Muxed::Late, "a duplicate");
        assert_eq!(muxer.push(0, &packet(9, 0)), Muxed::Late);
        assert_eq!(
            muxer.push(u64::MAX / 2, &packet(9, 0)),
            Muxed::Written { gap: 0 },
            "a new time base"
        );
        assert_eq!(
            muxer.push(u64::MAX / 2 + 960, &packet(9, 0)),
            Muxed::Written { gap: 0 }
        );
        let (packets, granule, end) = reference(&muxer.finish());
        assert_eq!((packets.len(), granule, end), (5, 3 * 960, true));
    }

    #[test]
    fn a_recording_in_pages_is_the_file_and_holds_a_second() {
        let mut file = OpusMuxer::new(7, &[("A", "b")]);
        let mut out = Vec::new();
        let mut pages = OpusPages::new(7, &[("A", "b")], &mut out);
        for n in 0..500 {
            file.push(n * 960, &packet(100, 1));
            pages.push(n * 960, &packet(100, 1), &mut out);
            assert!(pages.body.len() <= 50 * 100, "at packet {n}");
        }
        pages.finish(&mut out);
        assert_eq!(out, file.finish());
    }

    #[test]
    fn a_page_holds_four_kilobytes_whatever_the_rate() {
        let mut out = Vec::new();
        let mut pages = OpusPages::new(7, &[], &mut out);
        let sent: Vec<_> = (0..200).map(|n| packet(200 + n % 7 * 300, 1)).collect();
        for (n, packet) in (0..).zip(&sent) {
            pages.push(n * 960, packet, &mut out);
            assert!(pages.held() <= BODY_MAX + 2 * SEGMENTS_MAX, "at packet {n}");
        }
        pages.finish(&mut out);
        let (packets, granule, end) = reference(&out);
        assert_eq!(packets[2..], sent);
        assert_eq!((granule, end), (200 * 960, true));
    }

    #[test]
    fn many_tiny_packets_split_into_pages() {
        let mut muxer = OpusMuxer::new(1, &[]);
        // 2.5 ms each: 400 in a second, more than a page has segments.
        for n in 0..1000 {
            muxer.push(n * 120, &[16 << 3, 1]);
        }
        let (packets, granule, end) = reference(&muxer.finish());
        assert_eq!((packets.len(), granule, end), (1002, 120_000, true));
    }

    #[test]
    fn a_call_without_audio_is_an_empty_file_with_a_packet_and_no_length() {
        let file = OpusMuxer::new(7, &[("CONVERSATION_ID", "abc")]).finish();
        let recording = read(&file).unwrap();
        assert_eq!(recording.packets, [[WIDEBAND_20_MS]]);
        assert_eq!(recording.samples, u64::from(PRE_SKIP));
        assert!(recording.complete);
        assert_eq!(reference(&file).1, u64::from(PRE_SKIP));
    }

    #[test]
    fn no_recording_is_shorter_than_what_a_decoder_drops() {
        // Packets of 2.5 ms of CELT, 120 samples each.
        for packets in 1..5_u64 {
            let mut muxer = OpusMuxer::new(7, &[]);
            for nth in 0..packets {
                muxer.push(nth * 120, &[28 << 3, 1, 2]);
            }
            let recording = read(&muxer.finish()).unwrap();
            assert_eq!(recording.samples, (packets * 120).max(u64::from(PRE_SKIP)));
            assert!(recording.packets.len() >= 3, "{packets}");
        }
    }
}
