//! Tokens of an identity provider: which count, and by which name each other one is refused.
//!
//! They are signed here by another library than the one that verifies them.

use std::time::Duration;

use aws_lc_rs::hmac;
use carnet::agency::jwks::Jwks;
use carnet::agency::registry::IdentityProvider;
use carnet::agency::source::Source;
use carnet::agency::token::{Claims, LEEWAY, TokenRefusal, verify};
use carnet::message::id::Digest;
use carnet::message::time::Timestamp;
use serde_json::{Value, json};

use super::now;
use super::vouched::{Signer, base64, signed_part};

const ISSUER: &str = "https://login.customs.example";
const HERE: &str = "carnet.meridia.example";

fn provider() -> IdentityProvider {
    IdentityProvider {
        issuer: ISSUER.to_owned(),
        jwks: Source::Https("https://login.customs.example/jwks.json".to_owned()),
        audience: HERE.to_owned(),
        ca: None,
    }
}

/// The SHA-256 of the certificate that is shown.
fn shown() -> Digest {
    Digest::of(b"a certificate")
}

/// A provider with a key of each kind.
struct Login {
    ed25519: Signer,
    p256: Signer,
    rsa: Signer,
    keys: Jwks,
}

impl Login {
    fn new() -> Self {
        let (ed25519, p256, rsa) = (Signer::ed25519(), Signer::p256(), Signer::rsa());
        let set = json!({"keys": [ed25519.jwk("ed"), p256.jwk("ec"), rsa.jwk("rsa")]});
        let parsed = Jwks::parse(set.to_string().as_bytes()).unwrap();
        assert_eq!(parsed.left_out, [""; 0]);
        Self {
            ed25519,
            p256,
            rsa,
            keys: parsed.keys,
        }
    }

    fn verify(&self, token: &str) -> Result<Claims, TokenRefusal> {
        verify(token, &self.keys, &provider(), shown(), now())
    }

    /// The code by which a token of the P-256 key with this change is refused.
    fn refused(&self, change: impl Fn(&mut Value, &mut Value)) -> &'static str {
        let (mut header, mut claims) = (header("ES256", "ec"), claims());
        change(&mut header, &mut claims);
        let refusal = self.verify(&self.p256.token(&header, &claims)).unwrap_err();
        assert!(!refusal.to_string().contains("8d1f0c52"), "{refusal}");
        refusal.code()
    }
}

fn header(algorithm: &str, kid: &str) -> Value {
    json!({"alg": algorithm, "kid": kid, "typ": "at+jwt"})
}

fn seconds(at: Timestamp) -> i64 {
    at.as_millis() / 1_000
}

/// Of a token that counts for ten minutes.
fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": HERE,
        "sub": "8d1f0c52",
        "iat": seconds(now()),
        "nbf": seconds(now()),
        "exp": seconds(now()) + 600,
        "cnf": {"x5t#S256": base64(&shown().0)},
    })
}

#[test]
fn a_token_counts_by_each_kind_of_key_for_the_certificate_that_it_is_bound_to() {
    let login = Login::new();
    for (signer, kid) in [
        (&login.ed25519, "ed"),
        (&login.p256, "ec"),
        (&login.rsa, "rsa"),
    ] {
        let token = signer.token(&header(signer.algorithm(), kid), &claims());
        let claims = login.verify(&token).unwrap();
        assert_eq!(claims.subject, "8d1f0c52");
        assert_eq!(claims.until, now().plus(Duration::from_mins(10) + LEEWAY));
        assert_eq!(
            Some(claims.key),
            login.keys.get(kid).map(|key| key.thumbprint)
        );
    }
    let mut several = claims();
    several["aud"] = json!(["elsewhere", HERE]);
    several["scope"] = "carnet.read:*/inbox".into();
    let token = login.p256.token(&header("ES256", "ec"), &several);
    assert_eq!(
        login.verify(&token).unwrap().scope.as_deref(),
        Some("carnet.read:*/inbox")
    );
}

#[test]
fn each_claim_is_held_to() {
    let login = Login::new();
    let claim = |name: &str, value: Value| login.refused(|_, claims| claims[name] = value.clone());
    assert_eq!(
        claim("iss", json!("https://login.police.example")),
        "token.issuer"
    );
    assert_eq!(claim("iss", json!(format!("{ISSUER}/"))), "token.issuer");
    assert_eq!(claim("aud", json!("elsewhere")), "token.audience");
    assert_eq!(claim("aud", json!([])), "token.audience");
    assert_eq!(claim("sub", json!("")), "token.subject");
    assert_eq!(claim("sub", Value::Null), "token.subject");
    assert_eq!(claim("sub", json!(7)), "token.malformed");
    assert_eq!(claim("exp", Value::Null), "token.malformed");
    assert_eq!(claim("exp", json!(-1)), "token.malformed");
    assert_eq!(claim("exp", json!(1e300)), "token.malformed");
    assert_eq!(
        claim("scope", json!(["carnet.read:*/*"])),
        "token.malformed"
    );
    assert_eq!(claim("cnf", Value::Null), "token.unbound");
    assert_eq!(claim("cnf", json!({"jkt": "x"})), "token.unbound");
    let other = base64(&Digest::of(b"another certificate").0);
    assert_eq!(
        claim("cnf", json!({"x5t#S256": other})),
        "token.other-certificate"
    );
    assert_eq!(
        claim("cnf", json!({"x5t#S256": ""})),
        "token.other-certificate"
    );
}

#[test]
fn clocks_may_differ_by_a_minute() {
    let login = Login::new();
    let leeway = i64::try_from(LEEWAY.as_secs()).unwrap();
    let judged = |name: &str, at: i64| {
        let mut claims = claims();
        claims[name] = json!(seconds(now()) + at);
        let token = login.p256.token(&header("ES256", "ec"), &claims);
        login
            .verify(&token)
            .map_or_else(|refusal| refusal.code(), |_| "counts")
    };
    assert_eq!(judged("exp", -leeway), "counts");
    assert_eq!(judged("exp", -leeway - 1), "token.expired");
    for begins in ["nbf", "iat"] {
        assert_eq!(judged(begins, leeway), "counts");
        assert_eq!(judged(begins, leeway + 1), "token.not-yet-valid");
    }
}

#[test]
fn a_token_signed_with_nothing_or_with_what_is_public_does_not_count() {
    let login = Login::new();
    let unsigned = |alg: &str| format!("{}.", signed_part(&header(alg, "ec"), &claims()));
    for alg in [
        "none", "None", "NONE", "nOnE", "", "HS256", "RS256", "ES384", "PS512",
    ] {
        assert_eq!(
            login.verify(&unsigned(alg)).unwrap_err().code(),
            "token.algorithm",
            "{alg}"
        );
    }
    assert_eq!(
        login.verify(&unsigned("ES256")).unwrap_err().code(),
        "token.signature"
    );
    // With the public key as the secret of an HMAC.
    let public = login.p256.jwk("ec").to_string();
    let secret = hmac::Key::new(hmac::HMAC_SHA256, public.as_bytes());
    let signed = signed_part(&header("HS256", "ec"), &claims());
    let tag = hmac::sign(&secret, signed.as_bytes());
    let confused = format!("{signed}.{}", base64(tag.as_ref()));
    assert_eq!(
        login.verify(&confused).unwrap_err().code(),
        "token.algorithm"
    );
    // Each key for its algorithm alone, whatever the header says.
    let by = |signer: &Signer, alg: &str, kid: &str| {
        let token = signer.token(&header(alg, kid), &claims());
        login.verify(&token).unwrap_err().code()
    };
    assert_eq!(by(&login.rsa, "RS256", "rsa"), "token.algorithm");
    assert_eq!(by(&login.p256, "ES256", "rsa"), "token.key-confusion");
    assert_eq!(by(&login.rsa, "PS256", "ec"), "token.key-confusion");
    assert_eq!(by(&login.ed25519, "EdDSA", "ec"), "token.key-confusion");
    assert_eq!(by(&Signer::p256(), "ES256", "ec"), "token.signature");
    assert_eq!(by(&login.p256, "ES256", "EC"), "token.unknown-key");
    assert_eq!(by(&login.p256, "ES256", ""), "token.unknown-key");
}

#[test]
fn what_a_header_says_of_its_key_is_never_read() {
    let login = Login::new();
    let forger = Signer::p256();
    let set = "https://forger.example/jwks.json";
    for (name, value) in [
        ("jku", json!(set)),
        ("x5u", json!(set)),
        ("jwk", forger.jwk("ec")),
        ("x5c", json!(["MIIB"])),
    ] {
        let mut header = header("ES256", "ec");
        header[name] = value;
        let refused = login.verify(&forger.token(&header, &claims()));
        assert_eq!(refused.unwrap_err().code(), "token.signature", "{name}");
        assert!(
            login.verify(&login.p256.token(&header, &claims())).is_ok(),
            "{name}"
        );
    }
    assert_eq!(
        login.refused(|header, _| header["crit"] = json!(["b64"])),
        "token.critical-header"
    );
    assert_eq!(
        login.refused(|header, _| header["crit"] = json!([])),
        "token.critical-header"
    );
    assert_eq!(
        login.refused(|header, _| header["typ"] = json!("dpop+jwt")),
        "token.type"
    );
}

#[test]
fn a_token_of_another_form_is_none_and_every_octet_of_one_counts() {
    let login = Login::new();
    let good = login.p256.token(&header("ES256", "ec"), &claims());
    for bad in [
        "",
        ".",
        "..",
        "a.b.c",
        "a.b",
        &format!("{good}.x"),
        &"x".repeat(20_000),
    ] {
        assert_eq!(
            login.verify(bad).unwrap_err().code(),
            "token.malformed",
            "{bad}"
        );
    }
    for place in 0..good.len() {
        let mut octets = good.clone().into_bytes();
        octets[place] = if octets[place] == b'A' { b'B' } else { b'A' };
        let bad = String::from_utf8(octets).unwrap();
        assert!(login.verify(&bad).is_err(), "octet {place}");
    }
    // A claim that stands there twice is nobody's to choose from.
    let signed = signed_part(&header("ES256", "ec"), &claims());
    let text = claims()
        .to_string()
        .replace("{\"iss\"", "{\"iss\":\"https://other.example\",\"iss\"");
    assert_ne!(text, claims().to_string());
    let head = signed.split('.').next().unwrap();
    let twice = login
        .p256
        .signed(&format!("{head}.{}", base64(text.as_bytes())), "ES256");
    assert_eq!(login.verify(&twice).unwrap_err().code(), "token.malformed");
}

#[test]
fn a_set_takes_what_is_of_use_and_names_the_rest() {
    let (good, twice) = (Signer::p256(), Signer::ed25519());
    let mut private = Signer::p256().jwk("private");
    private["d"] = "c2VjcmV0".into();
    let mut encrypts = Signer::p256().jwk("encrypts");
    encrypts["use"] = "enc".into();
    let mut rs256 = Signer::rsa().jwk("rs256");
    rs256["alg"] = "RS256".into();
    let mut short = Signer::rsa().jwk("short");
    short["n"] = base64(&[0xab; 128]).into();
    let mut unnamed = Signer::p256().jwk("x");
    unnamed.as_object_mut().unwrap().remove("kid");
    let secret = json!({"kty": "oct", "kid": "secret", "k": "c2VjcmV0"});
    let set = json!({"keys": [
        good.jwk("good"), twice.jwk("twice"), twice.jwk("twice"), private, encrypts, rs256, short,
        unnamed, secret,
    ]});
    let parsed = Jwks::parse(set.to_string().as_bytes()).unwrap();
    let kids: Vec<&str> = parsed.keys.thumbprints().map(|(kid, _)| kid).collect();
    assert_eq!(kids, ["good"]);
    insta::assert_snapshot!(parsed.left_out.join("\n"), @r#"
    key 4: it shows its private part, and is no secret any more: replace it
    key 5: "encrypts" is not for signatures (use)
    key 6: "rs256" is not for EdDSA (Ed25519), ES256, or PS256 with 2048 to 8192 bits
    key 7: "short" is not for EdDSA (Ed25519), ES256, or PS256 with 2048 to 8192 bits
    key 8: it has no id (kid)
    key 9: "secret" is not for EdDSA (Ed25519), ES256, or PS256 with 2048 to 8192 bits
    id "twice" stands at several keys, and counts for none
    "#);
    assert!(
        parsed
            .left_out
            .iter()
            .all(|says| !says.contains("c2VjcmV0"))
    );

    for bad in ["", "[]", "{}", "{\"keys\": []}", "{\"keys\": [{}]}"] {
        assert!(Jwks::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    let many = json!({"keys": vec![good.jwk("good"); 65]});
    assert!(Jwks::parse(many.to_string().as_bytes()).is_err());
}

#[test]
fn a_key_has_the_thumbprint_of_rfc_7638() {
    let set = json!({"keys": [{
        "kty": "RSA", "kid": "2011-04-29", "alg": "PS256", "e": "AQAB",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_\
              BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_\
              FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4\
              vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    }]});
    let keys = Jwks::parse(set.to_string().as_bytes()).unwrap().keys;
    let (_, thumbprint) = keys.thumbprints().next().unwrap();
    assert_eq!(
        base64(&thumbprint.0),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
}
