//! Which session a datagram belongs to, when all sessions share one port.

use std::net::{SocketAddr, SocketAddrV4};

use hashbrown::HashMap;

use crate::stun::{DatagramKind, binding_ufrag};

/// Addresses kept per session. A browser uses two (loopback and its network card); more is an attack or a very odd network.
const ADDRESSES_MAX: usize = 8;

/// Where a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// To the session with this key.
    Session(usize),
    /// To nobody: from an unknown address and no binding request for a known session.
    Unknown,
}

#[derive(Debug)]
struct Session {
    key: usize,
    addresses: Vec<SocketAddr>,
}

/// Who sends from where. Addresses of IPv4 are kept apart as plain numbers, because nearly every packet
/// comes from one: a third of the bytes, hashed in one step.
#[derive(Debug, Default)]
struct Addresses {
    v4: HashMap<u64, usize>,
    others: HashMap<SocketAddr, usize>,
}

impl Addresses {
    fn get(&self, address: SocketAddr) -> Option<usize> {
        match address {
            SocketAddr::V4(v4) => self.v4.get(&number_of(v4)).copied(),
            SocketAddr::V6(_) => self.others.get(&address).copied(),
        }
    }

    fn insert(&mut self, address: SocketAddr, key: usize) {
        match address {
            SocketAddr::V4(v4) => self.v4.insert(number_of(v4), key),
            SocketAddr::V6(_) => self.others.insert(address, key),
        };
    }

    /// Forgets an address if it still leads to `key`.
    fn remove(&mut self, address: SocketAddr, key: usize) {
        if self.get(address) != Some(key) {
            return;
        }
        match address {
            SocketAddr::V4(v4) => self.v4.remove(&number_of(v4)),
            SocketAddr::V6(_) => self.others.remove(&address),
        };
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.v4.len() + self.others.len()
    }
}

fn number_of(address: SocketAddrV4) -> u64 {
    u64::from(u32::from(*address.ip())) << 16 | u64::from(address.port())
}

/// Sessions by the addresses that their peers send from, and by ufrag until an address is known.
///
/// A binding request is routed by its ufrag even from a known address: callers reuse addresses, and the new call's request then
/// moves the address away from the old call. Several addresses may lead to one session. The tables are hashed, because every packet
/// goes through one; nothing iterates over them.
#[derive(Debug, Default)]
pub struct Demux {
    sessions: HashMap<String, Session>,
    addresses: Addresses,
}

impl Demux {
    /// No sessions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the session `key`, whose local ufrag is `ufrag`.
    pub fn insert(&mut self, ufrag: &str, key: usize) {
        let addresses = Vec::new();
        self.sessions
            .insert(ufrag.to_owned(), Session { key, addresses });
    }

    /// Forgets a session and the addresses that still lead to it.
    pub fn remove(&mut self, ufrag: &str) {
        let Some(session) = self.sessions.remove(ufrag) else {
            return;
        };
        for address in session.addresses {
            self.addresses.remove(address, session.key);
        }
    }

    /// Finds the session that a datagram is for, and learns nothing: whether a binding request is genuine only the session can tell.
    #[must_use]
    pub fn find(&self, source: SocketAddr, bytes: &[u8]) -> Route {
        let named = binding_ufrag(bytes).and_then(|ufrag| self.sessions.get(ufrag));
        let key = named.map(|session| session.key);
        let known = || self.addresses.get(source);
        key.or_else(known).map_or(Route::Unknown, Route::Session)
    }

    /// Learns that the session with that local ufrag answered a binding request from `source`: its media will come from there. The
    /// session keeps the newest addresses.
    pub fn learn(&mut self, ufrag: &str, source: SocketAddr) {
        let Some(session) = self.sessions.get_mut(ufrag) else {
            return;
        };
        if !session.addresses.contains(&source) {
            if session.addresses.len() >= ADDRESSES_MAX {
                let oldest = session.addresses.remove(0);
                self.addresses.remove(oldest, session.key);
            }
            session.addresses.push(source);
        }
        self.addresses.insert(source, session.key);
    }

    /// Routes a datagram, and learns its source if it is a binding request for a known session.
    pub fn route(&mut self, source: SocketAddr, bytes: &[u8]) -> Route {
        if DatagramKind::of(bytes) == DatagramKind::Stun
            && let Some(session) =
                binding_ufrag(bytes).and_then(|ufrag| self.sessions.get_mut(ufrag))
        {
            if !session.addresses.contains(&source) {
                if session.addresses.len() >= ADDRESSES_MAX {
                    return Route::Unknown;
                }
                session.addresses.push(source);
            }
            self.addresses.insert(source, session.key);
            return Route::Session(session.key);
        }
        self.addresses
            .get(source)
            .map_or(Route::Unknown, Route::Session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(ufrag: &str) -> Vec<u8> {
        let name = format!("{ufrag}:x");
        let mut bytes = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        bytes.extend([7; 12]);
        bytes.extend([0, 6, 0, u8::try_from(name.len()).unwrap()]);
        bytes.extend(name.bytes());
        bytes
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 64, 0, 1], port))
    }

    const MEDIA: [u8; 3] = [0x80, 111, 0];

    #[test]
    fn media_follows_the_address_that_a_binding_request_taught() {
        let mut demux = Demux::new();
        demux.insert("aaaa", 4);
        assert_eq!(demux.route(address(1), &MEDIA), Route::Unknown);
        assert_eq!(demux.route(address(1), &request("aaaa")), Route::Session(4));
        assert_eq!(demux.route(address(2), &request("aaaa")), Route::Session(4));
        assert_eq!(demux.route(address(1), &MEDIA), Route::Session(4));
        assert_eq!(demux.route(address(2), &MEDIA), Route::Session(4));
        assert_eq!(demux.route(address(3), &request("zzzz")), Route::Unknown);
        demux.remove("aaaa");
        assert_eq!(demux.route(address(1), &MEDIA), Route::Unknown);
    }

    #[test]
    fn a_new_call_from_a_reused_address_takes_it_over() {
        let mut demux = Demux::new();
        demux.insert("old", 1);
        demux.insert("new", 2);
        demux.route(address(1), &request("old"));
        assert_eq!(demux.route(address(1), &request("new")), Route::Session(2));
        demux.remove("old");
        assert_eq!(demux.route(address(1), &MEDIA), Route::Session(2));
    }

    #[test]
    fn an_unanswered_request_teaches_nothing_and_the_newest_addresses_are_kept() {
        let mut demux = Demux::new();
        demux.insert("aaaa", 4);
        assert_eq!(demux.find(address(1), &request("aaaa")), Route::Session(4));
        assert_eq!(demux.find(address(1), &MEDIA), Route::Unknown);
        for port in 1..=20 {
            demux.learn("aaaa", address(port));
        }
        assert_eq!(demux.find(address(20), &MEDIA), Route::Session(4));
        assert_eq!(demux.find(address(1), &MEDIA), Route::Unknown);
        assert_eq!(demux.addresses.len(), ADDRESSES_MAX);
        demux.learn("zzzz", address(99));
        demux.remove("aaaa");
        assert_eq!(demux.addresses.len(), 0);
    }

    #[test]
    fn addresses_of_both_families_lead_to_their_sessions() {
        let six = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 5));
        let mut demux = Demux::new();
        demux.insert("four", 4);
        demux.insert("six", 6);
        demux.route(address(5), &request("four"));
        demux.route(six, &request("six"));
        assert_eq!(demux.route(address(5), &MEDIA), Route::Session(4));
        assert_eq!(demux.route(six, &MEDIA), Route::Session(6));
        demux.remove("six");
        assert_eq!(demux.route(six, &MEDIA), Route::Unknown);
        assert_eq!(demux.addresses.len(), 1);
    }

    #[test]
    fn a_session_learns_a_bounded_number_of_addresses() {
        let mut demux = Demux::new();
        demux.insert("a", 1);
        let learned =
            (0..100).filter(|port| demux.route(address(*port), &request("a")) == Route::Session(1));
        assert_eq!(learned.count(), ADDRESSES_MAX);
    }
}
