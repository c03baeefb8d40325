//! The kernel's own count of datagrams that it dropped because a receive buffer was full.

use std::io;

/// `RcvbufErrors` of this network namespace since boot, or `None` where the platform does not tell.
///
/// Take it before and after a run: a difference is a fault of the generator's machine, not of the platform under test.
///
/// # Errors
/// When the counter file exists and cannot be read.
pub fn receive_buffer_errors() -> io::Result<Option<u64>> {
    match std::fs::read_to_string("/proc/net/snmp") {
        Ok(text) => Ok(parse(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The file has a line of names and a line of values per protocol.
fn parse(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let names = lines.next()?;
    let values = lines.next()?;
    names
        .split_ascii_whitespace()
        .zip(values.split_ascii_whitespace())
        .find(|(name, _)| *name == "RcvbufErrors")
        .and_then(|(_, value)| value.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_found_by_its_name() {
        let text = "Tcp: A B\nTcp: 1 2\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\nUdp: 9 8 7 6 5 4\nUdpLite: RcvbufErrors\nUdpLite: 99\n";
        assert_eq!(parse(text), Some(5));
    }

    #[test]
    fn an_odd_file_gives_no_counter() {
        assert_eq!(parse(""), None);
        assert_eq!(parse("Udp: A\nUdp: 1\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_comes_while_nobody_receives_is_lost_and_counted_as_the_socket_s() {
        use std::net::{Ipv4Addr, SocketAddrV4};

        use crate::{BatchSocket, RecvBatch, SendBatch};

        let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let mut stalled = BatchSocket::bind(any).unwrap();
        let mut sender = BatchSocket::bind(any).unwrap();
        let before = receive_buffer_errors().unwrap().expect("Linux counts");
        // Far more than the largest buffer that is asked for: a datagram takes more room than it has bytes.
        let (mut sent, mut out) = (0, SendBatch::new());
        let least = 2 * stalled.buffers().receive / 1400 + 1000;
        while sent < least {
            for _ in 0..64 {
                out.push(None, stalled.local_addr(), &[7; 1400]);
            }
            sent += usize::try_from(sender.send(&mut out).sent).unwrap();
        }
        let (mut received, mut batch) = (0, RecvBatch::new());
        loop {
            match stalled.recv(&mut batch).unwrap() {
                0 => break,
                more => received += more,
            }
        }
        let lost = (sent - received) as u64;
        let counted = receive_buffer_errors().unwrap().expect("Linux counts") - before;
        assert!(lost > 0, "{received} of {sent} received");
        // Other sockets of the machine may have lost some, too.
        assert!(counted >= lost, "{counted} counted, {lost} lost");
    }
}
