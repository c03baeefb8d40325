//! Descriptions read back, and descriptions that nobody should write.

use super::*;

const PRINT: &str = "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:\
     10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:FF";

fn local() -> Local<'static> {
    Local {
        ufrag: "abcd",
        password: "0123456789012345678901",
        fingerprint: PRINT,
        address: "127.64.0.1:5000".parse().unwrap(),
        ssrc: 7,
        session: 42,
    }
}

#[test]
fn our_offer_reads_back_as_what_it_says() {
    let remote = parse(&offer(&local())).unwrap();
    assert_eq!((remote.ufrag.as_str(), remote.password.len()), ("abcd", 22));
    assert!(remote.ice_lite);
    assert_eq!(remote.setup, Setup::Either);
    assert_eq!((remote.fingerprint[1], remote.fingerprint[31]), (1, 0xff));
    assert_eq!(remote.candidates[0].addr(), local().address);
    assert_eq!(remote.audio.payload_type, OPUS);
    assert_eq!(remote.audio.mid.as_deref(), Some("0"));
}

#[test]
fn an_answer_names_every_section_and_accepts_only_audio() {
    let offer = offer(&local())
        .replace(
            "m=audio",
            "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\nm=audio",
        )
        .replace("111", "63")
        .replace("BUNDLE 0", "BUNDLE v a1")
        .replace("a=mid:0", "a=mid:a1");
    let remote = parse(&offer).unwrap();
    let answer = answer(&local(), &remote);
    assert!(answer.contains("a=group:BUNDLE a1\r\n"), "{answer}");
    assert!(
        answer.contains("m=video 0 UDP/TLS/RTP/SAVPF 96\r\n"),
        "{answer}"
    );
    let back = parse(&answer).unwrap();
    assert_eq!((back.audio.section, back.audio.payload_type), (1, 63));
    assert_eq!(back.setup, Setup::Active);
    assert!(!back.ice_lite);
}

#[test]
fn an_offer_that_begins_the_handshake_itself_gets_a_passive_answer() {
    let offer = offer(&local()).replace("actpass", "active");
    let answer = answer(&local(), &parse(&offer).unwrap());
    assert_eq!(parse(&answer).unwrap().setup, Setup::Passive);
}

#[test]
fn what_a_browser_says_at_session_level_counts_too() {
    let text = offer(&local());
    let print = format!("a=fingerprint:sha-256 {PRINT}\r\n");
    let moved = text.replace(&print, "").replace(
        "t=0 0\r\n",
        &format!("t=0 0\r\na=fingerprint:sha-1 AA:BB\r\n{print}"),
    );
    assert!(parse(&moved).is_ok());
    let hidden = text.replace("127.64.0.1", "a-name.local");
    assert!(parse(&hidden).unwrap().candidates.is_empty());
}

#[test]
fn what_is_missing_or_wrong_is_refused_by_name() {
    let text = offer(&local());
    let refused = [
        ("a=ice-pwd:", "a=x:", "ice-pwd"),
        ("a=ice-ufrag:abcd", "a=ice-ufrag:abc", "3 characters"),
        ("sha-256", "sha-1", "SHA-256"),
        ("00:01:", "00:1:", "SHA-256"),
        ("a=setup:actpass", "a=setup:holdconn", "holdconn"),
    ];
    for (from, to, word) in refused {
        let error = parse(&text.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    for (from, to) in [
        ("m=audio 9", "m=audio 0"),
        ("opus", "PCMU"),
        ("SAVPF 111", "SAVPF 0"),
    ] {
        assert!(matches!(
            parse(&text.replace(from, to)),
            Err(PeerError::NoAudio)
        ));
    }
    let long = "a=x\r\n".repeat(20_000);
    for bad in [
        "",
        "v=1",
        "v=0\r\nnonsense",
        "v=0\r\nm=audio",
        &format!("v=0\r\n{long}"),
    ] {
        assert!(
            matches!(parse(bad), Err(PeerError::Parse(_))),
            "{:.20}",
            bad
        );
    }
}

/// What a meeting in a browser offers: pictures first, and one path for all.
fn meeting() -> String {
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE v a d\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 120 121\r\na=mid:v\r\na=sendrecv\r\na=rtcp-mux\r\n\
         a=rtpmap:121 rtx/90000\r\na=rtpmap:120 VP8/90000\r\na=setup:actpass\r\n\
         a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 {PRINT}\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 9 109 111\r\na=mid:a\r\na=rtcp-mux\r\na=setup:actpass\r\n\
         a=rtpmap:111 OPUS/48000/2\r\na=rtpmap:109 opus/48000/2\r\na=rtpmap:9 G722/8000\r\n\
         a=ice-ufrag:efgh\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 {PRINT}\r\n\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\n"
    )
}

#[test]
fn of_a_meeting_the_audio_is_taken_in_the_offerers_order_and_the_rest_declined() {
    let remote = parse_offer(&meeting()).unwrap();
    let audio = (remote.audio.section, remote.audio.payload_type);
    assert_eq!((audio, remote.ufrag.as_str()), ((1, 109), "efgh"));
    let answer = answer_as_server(&local(), &remote, HandshakeRole::Server);
    for line in [
        "a=ice-lite",
        "a=group:BUNDLE a",
        "m=video 0 UDP/TLS/RTP/SAVPF 120",
        "m=audio 9 UDP/TLS/RTP/SAVPF 109",
        "a=recvonly",
        "a=setup:passive",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
    ] {
        assert!(answer.contains(&format!("{line}\r\n")), "{line}: {answer}");
    }
    assert_eq!(answer.matches("a=candidate:").count(), 1);
    assert_eq!(
        parse_answer(&answer).map(|back| back.ufrag).ok(),
        None,
        "not payload type 111"
    );
    let silence_is_theirs = !answer.contains("usedtx");
    assert!(silence_is_theirs && parse(&answer).unwrap().ice_lite);
}

#[test]
fn audio_without_a_path_of_its_own_takes_that_of_its_bundle() {
    let offer = meeting().replace("m=audio 9 ", "m=audio 0 ");
    assert!(
        matches!(parse_offer(&offer), Err(PeerError::NoAudio)),
        "it is declined"
    );
    let offer = offer.replace("a=mid:a\r\n", "a=mid:a\r\na=bundle-only\r\n");
    let remote = parse_offer(&offer).unwrap();
    assert_eq!((remote.carrier, remote.ufrag.as_str()), (0, "abcd"));
    let answer = answer_as_server(&local(), &remote, HandshakeRole::Server);
    let video = "m=video 9 UDP/TLS/RTP/SAVPF 120\r\nc=IN IP4 0.0.0.0\r\na=mid:v\r\na=inactive\r\n";
    assert!(
        answer.contains(video) && answer.contains("a=rtpmap:120 VP8/90000\r\n"),
        "{answer}"
    );
    assert!(answer.contains("a=group:BUNDLE v a\r\n"), "{answer}");
    let lost = offer.replace("a=group:BUNDLE v a d", "a=group:BUNDLE d a v");
    let error = parse_offer(&lost).unwrap_err().to_string();
    assert!(error.contains("bundle-only"), "{error}");
}

#[test]
fn a_plain_phone_without_names_and_bundles_gets_an_answer_without_them() {
    let offer = invitation(&local())
        .replace("a=mid:0\r\n", "")
        .replace("a=group:BUNDLE 0\r\n", "")
        .replace("a=sendonly\r\n", "")
        .replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n");
    let remote = parse_offer(&offer).unwrap();
    let answer = answer_as_server(&local(), &remote, HandshakeRole::Server);
    assert!(
        !answer.contains("a=mid") && !answer.contains("BUNDLE"),
        "{answer}"
    );
    let receives = offer.replace("a=sendonly", "a=recvonly");
    assert!(
        parse_offer(&receives).is_err(),
        "what the session says counts"
    );
}

#[test]
fn an_offer_of_which_nothing_could_be_recorded_is_refused_with_the_reason() {
    let offer = invitation(&local());
    for (from, to, word) in [
        ("a=sendonly", "a=recvonly", "sends no audio"),
        ("a=sendonly", "a=inactive", "sends no audio"),
        ("a=rtcp-mux\r\n", "", "rtcp-mux"),
        ("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n", "neither side"),
        ("111", "72", "no usable Opus"),
        ("UDP/TLS/RTP/SAVPF", "UDP/BFCP", "no usable Opus"),
        ("a=setup", "a=set\x07up", "control characters"),
    ] {
        let error = parse_offer(&offer.replace(from, to)).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
    let many = format!("{offer}{}", "m=audio 0 RTP/AVP 0\r\n".repeat(SECTIONS_MAX));
    assert!(matches!(parse_offer(&many), Err(PeerError::Parse(_))));
}

#[test]
fn of_two_audio_sections_the_one_that_sends_is_taken() {
    let offer = invitation(&local());
    let section = offer.split_once("m=audio").unwrap().1;
    let other = section
        .replace("a=sendonly", "a=recvonly")
        .replace("a=mid:0", "a=mid:r");
    let both = offer.replace("m=audio", &format!("m=audio{other}m=audio"));
    let remote = parse_offer(&both).unwrap();
    assert_eq!(
        (remote.audio.section, remote.audio.mid.as_deref()),
        (1, Some("0"))
    );
}
