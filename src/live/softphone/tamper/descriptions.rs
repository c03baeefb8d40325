//! Faults of session descriptions.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each place acts on a few of some eighty faults; what it does not know it lets through"
)]

use racegate_model::fault::Fault;

/// What a phone of a faulty session sees of the offer.
pub(in crate::live::softphone) fn edit_offer(fault: Fault, offer: &str) -> String {
    match fault {
        Fault::WrongUfrag => replace(offer, "a=ice-ufrag:", "nobody01"),
        // A caller that does not know it for a server of ICE-lite leaves the decision to it.
        Fault::RoleConflict => without(offer, "a=ice-lite"),
        Fault::WrongPassword => replace(offer, "a=ice-pwd:", "0123456789abcdefghijklmn"),
        _ => offer.to_owned(),
    }
}

/// What a server sees of a faulty session's answer.
pub(in crate::live::softphone) fn edit_answer(fault: Fault, answer: &str) -> String {
    match fault {
        Fault::WrongFingerprint => {
            let print = ["00"; 32].join(":");
            replace(answer, "a=fingerprint:", &format!("sha-256 {print}"))
        }
        Fault::WrongRole => {
            let other = if answer.contains("a=setup:active") {
                "passive"
            } else {
                "active"
            };
            replace(answer, "a=setup:", other)
        }
        Fault::HugeAnswer => {
            let line = format!("a=x-padding:{}\r\n", "x".repeat(500));
            format!("{answer}{}", line.repeat(160))
        }
        _ => answer.to_owned(),
    }
}

fn replace(sdp: &str, key: &str, value: &str) -> String {
    let line = |line: &str| match line.strip_prefix(key) {
        Some(_) => format!("{key}{value}\r\n"),
        None => format!("{line}\r\n"),
    };
    sdp.lines().map(line).collect()
}

fn without(sdp: &str, line: &str) -> String {
    let others = sdp.lines().filter(|other| *other != line);
    others.map(|line| format!("{line}\r\n")).collect()
}
