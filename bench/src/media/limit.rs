//! The limit: the same packets through the same sockets, with nothing else.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use racegate_udp::{
    BATCH, BatchSocket, Class, Placement, RecvBatch, SendBatch, place, thread_cpu_time,
};

use super::BenchError;
use super::voice::FRAME_BYTES;

/// RTP header and GCM tag around a frame.
const OVERHEAD: usize = 12 + 16;

/// Callers, each with an address of its own: with few addresses the kernel's route cache would flatter the limit.
const CALLERS: u32 = 4_000;

/// Packets of one round.
const ROUND: usize = 100_000;

/// Rounds; the best one counts, because whatever else runs can only slow a round down.
const ROUNDS: usize = 5;

/// Processor time to send and receive one packet, in microseconds.
pub(super) fn udp_us(class: Class) -> Result<f64, BenchError> {
    let measured = std::thread::spawn(move || {
        let core = Some(0);
        // Where it is refused, the limit is measured without, as the rest is then.
        let _refused = place(Placement { core, class });
        let mut best = f64::INFINITY;
        for _ in 0..ROUNDS {
            best = best.min(round()?);
        }
        Ok(best)
    });
    measured
        .join()
        .unwrap_or_else(|payload| std::panic::resume_unwind(payload))
}

fn round() -> Result<f64, BenchError> {
    let mut callers = BatchSocket::bind_callers()?;
    let mut server = BatchSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
    let (mut out, mut batch) = (SendBatch::new(), RecvBatch::new());
    let packet = [0x80; FRAME_BYTES + OVERHEAD];
    let first = u32::from(Ipv4Addr::new(127, 80, 0, 1));
    let (mut sent, mut received, mut caller) = (0, 0, 0);
    let before = thread_cpu_time().unwrap_or_default();
    while sent < ROUND {
        for _ in 0..BATCH {
            let source = Ipv4Addr::from(first + caller);
            out.push(Some(source), server.local_addr(), &packet);
            caller = (caller + 1) % CALLERS;
        }
        sent += BATCH;
        callers.send(&mut out);
        while server.recv(&mut batch).unwrap_or(0) > 0 {
            received += batch.len();
        }
    }
    let used: Duration = thread_cpu_time().unwrap_or_default().saturating_sub(before);
    let packets = u32::try_from(received.max(1)).unwrap_or(u32::MAX);
    Ok(used.as_secs_f64() * 1e6 / f64::from(packets))
}
