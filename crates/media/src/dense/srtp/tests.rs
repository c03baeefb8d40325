//! The published vectors, and what tampering does.

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text
        .chars()
        .filter(|digit| !digit.is_whitespace())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
        .collect()
}

/// RFC 3711, appendix B.3, which libsrtp uses for its own packets too.
fn rfc3711_master() -> Master {
    Master::new(
        Profile::AesCm128,
        &hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
        &hex("0EC675AD498AFEEBB6960B3AABE6"),
    )
    .unwrap()
}

/// RFC 7714, sections 16 and 17: session keys, given and not derived.
fn rfc7714(profile: Profile) -> Transform {
    let key: Vec<u8> = (0..32).collect();
    let mut salt = [0; 14];
    salt[..12].copy_from_slice(&hex("517569642070726f2071756f"));
    Transform::new(profile, &key[..profile.key_len()], salt, &[0; 20])
}

const RTP: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
    69736120 696e2070 61727465 73207472 6573";

const RTCP: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
    deadbeef deadbeef deadbeef deadbeef deadbeef";

#[test]
fn key_derivation_gives_the_keys_of_rfc_3711() {
    let master = rfc3711_master();
    let mut key = [0; 16];
    master.derive(Label::RtpKey, &mut key);
    assert_eq!(key[..], hex("C61E7A93744F39EE10734AFE3FF7A087"));
    let mut salt = [0; 14];
    master.derive(Label::RtpSalt, &mut salt);
    assert_eq!(salt[..], hex("30CBBC08863D8C85D49DB34A9AE1"));
    let mut auth = [0; 94];
    master.derive(Label::RtpAuth, &mut auth);
    let expected = hex(
        "CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE
         E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25
         6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2",
    );
    assert_eq!(auth[..], expected);
}

#[test]
fn the_counter_keystream_is_that_of_rfc_3711() {
    // Appendix B.2: SSRC and index are zero; the salt is given.
    let mut salt = [0; 14];
    salt.copy_from_slice(&hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"));
    let key = hex("2B7E151628AED2A6ABF7158809CF4F3C");
    let transform = Transform::new(Profile::AesCm128, &key, salt, &[0; 20]);
    let Cipher::Counter(counter) = &transform.cipher else {
        panic!("not in counter mode");
    };
    let mut stream = [0; 48];
    counter.apply(&mut stream, transform.counter_iv(0, 0));
    let expected = hex(
        "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB
         41E95B3BB0A2E8DD477901E4FCA894C0",
    );
    assert_eq!(stream[..], expected);
}

#[test]
fn gcm_packets_are_those_of_rfc_7714() {
    let cases = [
        (
            Profile::AesGcm128,
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
             0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
        ),
        (
            Profile::AesGcm256,
            "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238
             9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
        ),
    ];
    for (profile, sealed) in cases {
        let transform = rfc7714(profile);
        let (plain, sealed) = (hex(RTP), hex(sealed));
        let mut packet = plain.clone();
        transform.seal_rtp(&mut packet, 0, 12, 0x5501_a0b2, 0xf17b);
        assert_eq!(packet, sealed, "{profile:?}");
        let mut payload = Vec::new();
        let opened = transform.open_rtp(&sealed, 12, 0x5501_a0b2, 0xf17b, &mut payload);
        assert_eq!(opened, Some(plain.len() - 12));
        assert_eq!(payload, plain[12..]);
    }
}

#[test]
fn gcm_reports_are_those_of_rfc_7714() {
    let cases = [
        (
            Profile::AesGcm128,
            "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
             c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872
             45d9eade 800005d4",
            "841dd968 3dd78ec9 2ae58790 125f62b3 000005d4",
        ),
        (
            Profile::AesGcm256,
            "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50
             a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c
             b26ac3be 800005d4",
            "91db4afb feee5a97 8fab4393 ed2615fe 000005d4",
        ),
    ];
    for (profile, sealed, trailer) in cases {
        let transform = rfc7714(profile);
        let (plain, sealed) = (hex(RTCP), hex(sealed));
        assert_eq!(transform.seal_rtcp(&plain, 0x5d4), sealed, "{profile:?}");
        let opened = Some((plain.clone(), 0x5d4));
        assert_eq!(transform.open_rtcp(&sealed), opened);
        let only_authenticated = [plain, hex(trailer)].concat();
        assert_eq!(transform.open_rtcp(&only_authenticated), opened);
    }
}

#[test]
fn counter_mode_packets_are_those_of_libsrtp() {
    let master = rfc3711_master();
    let plain = hex("800f1234decafbadcafebabe abababababababababababababababab");
    let sealed =
        hex("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb");
    let transform = master.rtp();
    let mut packet = plain.clone();
    transform.seal_rtp(&mut packet, 0, 12, 0xcafe_babe, 0x1234);
    assert_eq!(packet, sealed);
    let mut payload = vec![7];
    assert_eq!(
        transform.open_rtp(&sealed, 12, 0xcafe_babe, 0x1234, &mut payload),
        Some(16)
    );
    assert_eq!(payload[1..], plain[12..]);

    let plain = hex("81c8000bcafebabe abababababababababababababababab");
    let sealed =
        hex("81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798");
    assert_eq!(master.rtcp().seal_rtcp(&plain, 1), sealed);
    assert_eq!(master.rtcp().open_rtcp(&sealed), Some((plain, 1)));
}

fn transforms() -> [(Profile, Master); 3] {
    [Profile::AesGcm128, Profile::AesGcm256, Profile::AesCm128].map(|profile| {
        let material: Vec<u8> = (0..=255).take(profile.material_len()).collect();
        let (client, server) = Master::from_material(profile, &material).unwrap();
        assert_ne!((client.key, client.salt), (server.key, server.salt));
        (profile, client)
    })
}

#[test]
fn a_flipped_bit_anywhere_and_a_wrong_index_open_nothing() {
    for (profile, master) in transforms() {
        let transform = master.rtp();
        let mut packet = hex(RTP);
        transform.seal_rtp(&mut packet, 0, 12, 9, 70_000);
        let mut out = vec![1, 2, 3];
        for at in 0..packet.len() {
            let mut bad = packet.clone();
            bad[at] ^= 1;
            assert_eq!(transform.open_rtp(&bad, 12, 9, 70_000, &mut out), None);
            assert_eq!(
                transform.open_rtp(&packet[..at], 12.min(at), 9, 70_000, &mut out),
                None
            );
        }
        let rolled_over = 70_000 + 65_536;
        assert_eq!(
            transform.open_rtp(&packet, 12, 9, rolled_over, &mut out),
            None
        );
        assert_eq!(out, [1, 2, 3], "{profile:?}");
        let report = master.rtcp().seal_rtcp(&hex(RTCP), 5);
        for at in 0..report.len() {
            let mut bad = report.clone();
            bad[at] ^= 1;
            assert_eq!(
                master.rtcp().open_rtcp(&bad),
                None,
                "{profile:?}, byte {at}"
            );
            assert_eq!(master.rtcp().open_rtcp(&report[..at]), None);
        }
    }
}

#[test]
fn material_that_is_too_short_gives_no_keys() {
    for (profile, _) in transforms() {
        let material = vec![0; profile.material_len() - 1];
        assert!(Master::from_material(profile, &material).is_none());
        assert!(Master::new(profile, &[0; 15], &[0; 12]).is_none());
    }
}
