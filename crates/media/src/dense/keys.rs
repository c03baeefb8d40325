//! Keys of a session whose audio is handled elsewhere: those of its reports.

use super::receive::Drop;
use super::srtp::Master;

/// Keys of both directions, and the state of SRTCP. Reports are rare, so their transforms are made when one is due.
#[derive(Debug)]
pub(super) struct Keys {
    send: Master,
    receive: Master,
    /// Index of the next SRTCP packet.
    index: u32,
    /// The highest index received, and a bit for each of the 64 up to it.
    highest: Option<u32>,
    window: u64,
}

impl Keys {
    pub(super) fn new(send: Master, receive: Master) -> Self {
        Self {
            send,
            receive,
            index: 0,
            highest: None,
            window: 0,
        }
    }

    /// Seals a compound packet; each gets the next index.
    pub(super) fn seal(&mut self, compound: &[u8]) -> Vec<u8> {
        let sealed = self.send.rtcp().seal_rtcp(compound, self.index);
        self.index = (self.index + 1) & 0x7fff_ffff;
        sealed
    }

    /// Opens an SRTCP packet, once.
    pub(super) fn open(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Drop> {
        let opened = self.receive.rtcp().open_rtcp(bytes);
        let (compound, index) = opened.ok_or(Drop::Forged)?;
        let highest = *self.highest.get_or_insert(index);
        if let Some(ahead) = index.checked_sub(highest) {
            if ahead == 0 && self.window & 1 == 1 {
                return Err(Drop::Replayed);
            }
            self.window = self.window.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = Some(index);
        } else {
            let behind = highest - index;
            if behind >= 64 {
                return Err(Drop::Stale);
            }
            if (self.window >> behind) & 1 == 1 {
                return Err(Drop::Replayed);
            }
            self.window |= 1 << behind;
        }
        Ok(compound)
    }
}
