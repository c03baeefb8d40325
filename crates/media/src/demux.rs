//! Which session a datagram belongs to, when all sessions share one port.

use std::net::SocketAddr;

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

/// Sessions by the addresses that their peers send from, and by ufrag until an address is known.
///
/// A binding request is routed by its ufrag even from a known address: callers reuse addresses, and the new call's request then
/// moves the address away from the old call. Several addresses may lead to one session. The tables are hashed, because every packet
/// goes through one; nothing iterates over them.
#[derive(Debug, Default)]
pub struct Demux {
    sessions: HashMap<String, Session>,
    addresses: HashMap<SocketAddr, usize>,
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
            if self.addresses.get(&address) == Some(&session.key) {
                self.addresses.remove(&address);
            }
        }
    }

    /// Finds the session that a datagram is for, and learns nothing: whether a binding request is genuine only the session can tell.
    #[must_use]
    pub fn find(&self, source: SocketAddr, bytes: &[u8]) -> Route {
        let named = binding_ufrag(bytes).and_then(|ufrag| self.sessions.get(ufrag));
        let key = named.map(|session| session.key);
        let known = || self.addresses.get(&source).copied();
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
                if self.addresses.get(&oldest) == Some(&session.key) {
                    self.addresses.remove(&oldest);
                }
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
            .get(&source)
            .map_or(Route::Unknown, |key| Route::Session(*key))
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
        assert!(demux.addresses.is_empty());
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
