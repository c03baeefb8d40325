//! What the dense stack promises beyond what both stacks do.

#![expect(
    clippy::unwrap_used,
    reason = "a test may panic; clippy knows that only of test functions"
)]

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use racegate_media::dense::Drops;
use racegate_media::{
    Curve, DenseStack, Departure, DtlsVersion, Flow, Form, Frame, Peer, PeerEvent, PeerOutput,
    Recorder, RtcStack, Speech, Stack,
};
use support::{FRAME, Pair, Stacks, departure, pairings};

const SERVER: &str = "127.0.0.1:4000";
const CALLER: &str = "127.64.0.1:5000";

/// A dense server with that caller; the stack tells what was dropped.
fn dense_server(client: Box<dyn Stack>) -> (DenseStack, Stacks) {
    let stack = DenseStack::new().unwrap();
    let stacks = Stacks {
        name: "dense server",
        server: Box::new(stack.clone()),
        client,
    };
    (stack, stacks)
}

#[test]
fn forged_replayed_and_cut_packets_are_counted_and_harm_nobody() {
    let (stack, stacks) = dense_server(Box::new(DenseStack::new().unwrap()));
    let mut pair = Pair::new(&stacks);
    pair.establish();
    let clean = stack.drops();
    let speech = Speech::of("c", 0);
    let (source, local): (SocketAddr, SocketAddr) =
        (CALLER.parse().unwrap(), SERVER.parse().unwrap());
    for index in 0..50 {
        let payload = speech.frame(index);
        pair.client.send(pair.now, Frame { index, payload });
        let Some(PeerOutput::Transmit { bytes, .. }) = pair.client.poll_output() else {
            panic!("a frame is a datagram");
        };
        let mut forged = bytes.clone();
        *forged.last_mut().unwrap() ^= 1;
        for datagram in [&forged, &bytes, &bytes, &bytes[..11].to_vec()] {
            pair.server
                .handle_datagram(pair.now, source, local, datagram);
        }
        pair.tick(FRAME);
    }
    assert_eq!(pair.received.len(), 50);
    assert_eq!(departure(&pair.server_events), None);
    let expected = Drops {
        forged: 50,
        replayed: 50,
        malformed: 50,
        ..clean
    };
    assert_eq!(stack.drops(), expected);
}

#[test]
fn the_other_side_of_a_wrong_fingerprint_gets_no_session() {
    for (from, to) in [("server", 0), ("client", 1)] {
        let now = Instant::now();
        let stack = DenseStack::new().unwrap();
        let (mut server, offer) = stack.offer(now, SERVER.parse().unwrap()).unwrap();
        let spoil = |text: &str, wanted: bool| {
            let at = text.find("sha-256 ").unwrap() + 8;
            let flipped = if &text[at..=at] == "0" { "1" } else { "0" };
            let end = if wanted { flipped } else { &text[at..=at] };
            format!("{}{end}{}", &text[..at], &text[at + 1..])
        };
        let (client, answer) = stack
            .answer(now, CALLER.parse().unwrap(), &spoil(&offer, to == 0))
            .unwrap();
        server.accept_answer(now, &spoil(&answer, to == 1)).unwrap();
        let mut pair = Pair::between(now, server, client);
        for _ in 0..100 {
            pair.tick(Duration::from_millis(10));
        }
        let failed = [&pair.client_events, &pair.server_events][to];
        assert_eq!(departure(failed), Some(Departure::Failed), "{from}");
        assert!(pair.received.is_empty());
        let established = |event: &PeerEvent| matches!(event, PeerEvent::Established);
        assert!(!failed.iter().any(established), "{from}");
    }
}

#[test]
fn a_goodbye_after_the_handshake_is_forgotten_is_still_seen() {
    for stacks in pairings(DtlsVersion::V12) {
        if stacks.name.starts_with("str0m") {
            // str0m takes no notice of BYE, on purpose; its callers end by signalling or by losing consent.
            continue;
        }
        let mut pair = Pair::new(&stacks);
        pair.establish();
        pair.speak(Speech::of("c", 0), 0..250);
        pair.client.close(pair.now);
        pair.settle();
        let seen = departure(&pair.server_events);
        assert_eq!(seen, Some(Departure::Goodbye), "{}", stacks.name);
        assert_eq!(pair.received.len(), 250);
    }
}

#[test]
fn the_caller_hears_in_reports_what_got_lost() {
    let now = Instant::now();
    let stack = DenseStack::new().unwrap();
    let (server, offer) = stack.recorder(now, SERVER.parse().unwrap()).unwrap();
    let (client, answer) = stack.caller(now, CALLER.parse().unwrap(), &offer).unwrap();
    let (mut server, mut client) = (server, client);
    server.accept_answer(now, &answer).unwrap();
    let speech = Speech::of("c", 0);
    let (mut clock, mut index) = (now, 0);
    let (mut established, mut heard) = (false, 0);
    while clock - now < Duration::from_secs(12) {
        clock += FRAME;
        server.handle_timeout(clock);
        client.handle_timeout(clock);
        if established {
            let payload = speech.frame(index);
            racegate_media::Caller::send(&mut client, clock, Frame { index, payload });
            index += 1;
        }
        for _ in 0..8 {
            while let Some(output) = client.poll_output() {
                let PeerOutput::Transmit {
                    source,
                    destination,
                    bytes,
                } = output
                else {
                    established |= matches!(output, PeerOutput::Event(PeerEvent::Established));
                    continue;
                };
                let audio = bytes[0] == 0x80 && bytes[1] & 0x7f == 111;
                if !(audio && index % 10 == 3) {
                    server.handle_datagram(clock, source, destination, &bytes);
                }
            }
            while let Some(output) = server.poll_output() {
                match output {
                    PeerOutput::Transmit {
                        source,
                        destination,
                        bytes,
                    } => {
                        client.handle_datagram(clock, source, destination, &bytes);
                    }
                    PeerOutput::Event(PeerEvent::Received(_)) => heard += 1,
                    PeerOutput::Event(_) => {}
                }
            }
        }
    }
    let reception = client.reception().expect("a report within 12 s");
    assert!(heard > 450, "{heard}");
    // A tenth, give or take the ends of the interval.
    assert!(
        (20..=31).contains(&reception.fraction_lost),
        "{reception:?}"
    );
    assert!(reception.lost > 20, "{reception:?}");
}

#[test]
fn str0m_hears_our_reports_and_we_hear_its() {
    for stacks in pairings(DtlsVersion::V12) {
        let mut pair = Pair::new(&stacks);
        pair.establish();
        pair.speak(Speech::of("c", 0), 0..600);
        // Over two reporting intervals: a report that the other side could not open or read would have ended or upset the call.
        assert_eq!(pair.received.len(), 600, "{}", stacks.name);
        assert_eq!(departure(&pair.client_events), None, "{}", stacks.name);
    }
    let (stack, stacks) = dense_server(Box::new(RtcStack::new().unwrap()));
    let mut pair = Pair::new(&stacks);
    pair.establish();
    pair.speak(Speech::of("c", 0), 0..600);
    assert_eq!(stack.drops(), Drops::default());
}

#[test]
fn media_taken_over_by_a_driver_flows_and_is_reported_when_given_back() {
    let now = Instant::now();
    let stack = DenseStack::new().unwrap();
    let (mut server, offer) = stack.recorder(now, SERVER.parse().unwrap()).unwrap();
    let (mut client, answer) = stack.caller(now, CALLER.parse().unwrap(), &offer).unwrap();
    server.accept_answer(now, &answer).unwrap();
    assert!(client.take_sender().is_none() && server.take_receiver().is_none());
    let mut clock = now;
    while clock - now < Duration::from_millis(200) {
        clock += Duration::from_millis(1);
        client.handle_timeout(clock);
        while let Some(output) = client.poll_output() {
            if let PeerOutput::Transmit {
                source,
                destination,
                bytes,
            } = output
            {
                server.handle_datagram(clock, source, destination, &bytes);
            }
        }
        while let Some(output) = server.poll_output() {
            if let PeerOutput::Transmit {
                source,
                destination,
                bytes,
            } = output
            {
                client.handle_datagram(clock, source, destination, &bytes);
            }
        }
    }
    let mut sender = client.take_sender().expect("established");
    let mut receiver = server.take_receiver().expect("established");
    let (mut wire, mut heard) = (Vec::new(), Vec::new());
    for index in 0..10 {
        wire.clear();
        sender.seal(index, b"hello", &mut wire);
        receiver.open(clock, &wire, &mut heard);
    }
    assert_eq!(heard, b"hello".repeat(10));
    assert_eq!(sender.sent().packets, 10);
    client.note_sent(sender.sent(), clock);
    server.handle_timeout_with(clock, &mut receiver);
    server.put_receiver(receiver);
    client.close(clock);
    let last = client.poll_output();
    assert!(
        matches!(last, Some(PeerOutput::Transmit { .. })),
        "a report with BYE"
    );
}

#[test]
fn checks_that_overtake_the_answer_are_remembered_by_every_server() {
    for stacks in pairings(DtlsVersion::V12) {
        let now = Instant::now();
        let (server, offer) = stacks.server.offer(now, SERVER.parse().unwrap()).unwrap();
        let answered = stacks.client.answer(now, CALLER.parse().unwrap(), &offer);
        let (client, answer) = answered.unwrap();
        let mut pair = Pair::between(now, server, client);
        // Signalling takes its time, and the caller has no reason to wait for it. Both ends are woken when they asked for it, no sooner.
        for step in 0..3000 {
            if step == 30 {
                pair.server.accept_answer(pair.now, &answer).unwrap();
            }
            pair.now += Duration::from_millis(1);
            let due = |at: Option<Instant>| at.is_some_and(|at| at <= pair.now);
            let (server, client) = (pair.server.poll_timeout(), pair.client.poll_timeout());
            if due(server) {
                pair.server.handle_timeout(pair.now);
            }
            if due(client) {
                pair.client.handle_timeout(pair.now);
            }
            pair.settle();
        }
        for events in [&pair.client_events, &pair.server_events] {
            let up = events
                .iter()
                .any(|event| matches!(event, PeerEvent::Established));
            assert!(up, "{}: {events:?}", stacks.name);
        }
    }
}

#[test]
fn a_session_that_is_up_is_held_and_goes_on_and_no_other_offer_moves_it() {
    let (_, stacks) = dense_server(Box::new(DenseStack::new().unwrap()));
    let mut pair = Pair::new(&stacks);
    let early = pair.client.offer_again(Flow::Held).unwrap();
    assert!(pair.server.renegotiate(&early).is_err(), "it is not up yet");
    pair.establish();
    let sent = pair.speak(Speech::of("c", 0), 0..20);
    for (flow, offered, answered) in [
        (Flow::Held, "a=inactive", "a=inactive"),
        (Flow::Flowing, "a=sendonly", "a=recvonly"),
    ] {
        let offer = pair.client.offer_again(flow).unwrap();
        assert!(offer.contains(offered), "{offer}");
        let answer = pair.server.renegotiate(&offer).unwrap();
        assert!(answer.contains(answered), "{answer}");
        assert!(answer.contains("a=setup:passive") && answer.contains("a=ice-lite"));
    }
    // Another caller's path and keys are another session's.
    let offer = pair.client.offer_again(Flow::Flowing).unwrap();
    let mut other = Pair::new(&stacks);
    other.establish();
    let foreign = other.client.offer_again(Flow::Flowing).unwrap();
    assert!(pair.server.renegotiate(&foreign).is_err());
    let cut = &offer[..offer.len() / 2];
    assert!(pair.server.renegotiate(cut).is_err());
    assert_eq!(pair.received.len(), 20);
    pair.speak(Speech::of("c", 0), 20..40);
    assert_eq!(
        (pair.received.len(), departure(&pair.server_events)),
        (40, None)
    );
    assert_ne!(sent.finish(), support::record(&pair.received).1.finish());
}

#[test]
fn a_server_that_only_answers_checks_wins_every_conflict_of_roles() {
    // Whoever had the smaller number would yield by the protocol: the server never does, so all of them come up.
    for _ in 0..16 {
        let now = Instant::now();
        let (stack, caller) = (DenseStack::new().unwrap(), DenseStack::new().unwrap());
        let (mut server, offer) = stack.offer(now, SERVER.parse().unwrap()).unwrap();
        let unaware = offer.replace("a=ice-lite\r\n", "");
        let (client, answer) = caller
            .answer(now, CALLER.parse().unwrap(), &unaware)
            .unwrap();
        server.accept_answer(now, &answer).unwrap();
        Pair::between(now, server, client).establish();
    }
}

#[test]
fn a_caller_s_certificate_may_be_on_another_curve() {
    let other = DenseStack::with_identity(DtlsVersion::V12, Curve::P384).unwrap();
    let (_, stacks) = dense_server(Box::new(other));
    let mut pair = Pair::new(&stacks);
    pair.establish();
    let sent = pair.speak(Speech::of("c", 0), 0..20);
    assert_eq!(sent.finish(), support::record(&pair.received).1.finish());
}

/// A caller that offers by itself, and the dense server that takes its offer as `change` makes it.
fn guest(version: DtlsVersion, client: &dyn Stack, change: fn(&str) -> String) -> (String, Pair) {
    let now = Instant::now();
    let stack = DenseStack::with_dtls(version).unwrap();
    let (invitation, offer) = client.invite(now, CALLER.parse().unwrap()).unwrap();
    let (server, answer) = stack
        .accept(now, SERVER.parse().unwrap(), &change(&offer))
        .unwrap();
    let ours = answer.replace(" 96", " 111").replace(":96 ", ":111 ");
    let caller = invitation.accept_answer(now, &ours).unwrap();
    (answer, Pair::between(now, server, caller))
}

#[test]
fn a_guest_of_either_version_is_recorded_with_gcm() {
    for version in [DtlsVersion::V12, DtlsVersion::V13] {
        let client = DenseStack::with_dtls(version).unwrap();
        let (_, mut pair) = guest(version, &client, str::to_owned);
        pair.establish();
        let payload = Speech::of("c", 0).frame(0);
        let len = payload.len();
        pair.client.send(pair.now, Frame { index: 0, payload });
        let Some(PeerOutput::Transmit {
            source,
            destination,
            bytes,
        }) = pair.client.poll_output()
        else {
            panic!("a frame is a datagram");
        };
        // The other profile's tag has 10 bytes.
        assert_eq!(bytes.len(), 12 + len + 16, "{version:?}");
        pair.wire.push_back((false, source, destination, bytes));
        pair.settle();
        assert_eq!(pair.received.len(), 1, "{version:?}");
    }
}

#[test]
fn a_guest_who_waits_for_the_handshake_is_answered_by_one_who_begins_it() {
    for client in [true, false] {
        let client: Box<dyn Stack> = match client {
            true => Box::new(DenseStack::new().unwrap()),
            false => Box::new(RtcStack::new().unwrap()),
        };
        let passive = |offer: &str| offer.replace("a=setup:actpass", "a=setup:passive");
        let (answer, mut pair) = guest(DtlsVersion::V12, client.as_ref(), passive);
        assert!(answer.contains("a=setup:active"), "{answer}");
        pair.establish();
        let sent = pair.speak(Speech::of("c", 0), 0..20);
        assert_eq!(sent.finish(), support::record(&pair.received).1.finish());
        pair.client.close(pair.now);
        pair.settle();
        pair.tick(Duration::from_millis(1));
        assert_eq!(departure(&pair.server_events), Some(Departure::Goodbye));
    }
}

#[test]
fn a_guest_numbers_opus_as_it_likes_and_no_other_number_is_recorded() {
    let stack = DenseStack::new().unwrap();
    let other = |offer: &str| offer.replace(" 111", " 96").replace(":111 ", ":96 ");
    let (answer, mut pair) = guest(DtlsVersion::V12, &stack, other);
    assert!(answer.contains("a=rtpmap:96 opus/48000/2"), "{answer}");
    pair.establish();
    for index in 0..20 {
        let payload = Speech::of("c", 0).frame(index);
        let form = Form {
            payload_type: (index % 2 == 0).then_some(96),
            ..Form::default()
        };
        let frame = Frame { index, payload };
        pair.client.send_formed(pair.now, frame, index * 960, form);
        pair.tick(FRAME);
    }
    assert_eq!(pair.received.len(), 10);
}
