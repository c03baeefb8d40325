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
        .replace("a=mid:0", "a=mid:a1");
    let remote = parse(&offer).unwrap();
    let answer = answer(&local(), &remote);
    assert!(answer.contains("a=group:BUNDLE a1\r\n"), "{answer}");
    assert!(
        answer.contains("m=video 0 UDP/TLS/RTP/SAVPF 0\r\n"),
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
