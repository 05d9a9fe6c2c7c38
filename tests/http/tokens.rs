//! Officers whom tokens name: bound to the certificate that was shown, by keys that are known for a day.

use std::path::Path;

use carnet::cli::certs::issue::{Authority, Profile, Usage, Validity};
use carnet::config::{read_file, write_text};
use carnet::journal::vfs::{DiskVfs, Vfs};
use carnet::message::id::Digest;
use carnet::message::time::Timestamp;
use carnet::server::clock::Clock;
use reqwest::{Method, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::broker::{Answer, Broker};
use crate::vouched::{Signer, base64};

const DESK: &str = "post/desk";

/// The post with an identity provider, whose people have no certificates of their own names.
struct Post {
    broker: Broker,
    signer: Signer,
}

impl Post {
    fn start() -> Self {
        let signer = Signer::p256();
        let keys = json!({"keys": [signer.jwk("k1")]}).to_string();
        let broker = Broker::start_with(|folder| {
            let keys_at = folder.join("jwks.json");
            write_text(&keys_at, keys.as_bytes()).unwrap();
            let file = folder.join("agencies/post/agency.toml");
            let text = String::from_utf8(read_file(&file).unwrap()).unwrap();
            let at = keys_at.display();
            let provider = format!(
                "[identity_provider]\nissuer = \"https://login.post.example\"\njwks = \
                 \"file://{at}\"\naudience = \"carnet.example\"\n\n[[officer]]\nid = \"m-0099\"\nroles = \
                 [\"approver\"]\ntoken = \"8d1f0c52\"\n\n[[unit]]"
            );
            write_text(&file, text.replacen("[[unit]]", &provider, 1).as_bytes()).unwrap();
        });
        let issuer = Authority::load(
            &broker.read("pki/post-ca.pem"),
            &broker.read("pki/post-ca.key"),
        );
        let desk = issuer.unwrap().issue(&Profile {
            common_name: "desk".to_owned(),
            usage: Usage::Client { uris: Vec::new() },
            validity: Validity::starting(
                Clock::default().now(),
                std::time::Duration::from_hours(24),
            ),
        });
        let desk = desk.unwrap();
        let pki = broker.path().join("pki");
        write_text(&pki.join("post.desk.pem"), desk.certificate.as_bytes()).unwrap();
        write_text(&pki.join("post.desk.key"), desk.key.as_bytes()).unwrap();
        // As the commands look for it.
        write_text(&pki.join("post.m-0099.pem"), desk.certificate.as_bytes()).unwrap();
        write_text(&pki.join("post.m-0099.key"), desk.key.as_bytes()).unwrap();
        Self { broker, signer }
    }

    /// A token for the bearer of these files, as `change` leaves its claims.
    fn token(&self, stem: &str, change: impl FnOnce(&mut Value)) -> String {
        let header = json!({"alg": "ES256", "kid": "k1", "typ": "at+jwt"});
        self.token_with(&header, stem, change)
    }

    /// One with this header.
    fn token_with(&self, header: &Value, stem: &str, change: impl FnOnce(&mut Value)) -> String {
        let pem = self.broker.read(&format!("pki/{stem}.pem"));
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let mut claims = json!({
            "iss": "https://login.post.example",
            "aud": "carnet.example",
            "sub": "8d1f0c52",
            "exp": Clock::default().now().as_millis() / 1_000 + 3_600,
            "cnf": {"x5t#S256": base64(&Digest::of(&der).0)},
        });
        change(&mut claims);
        self.signer.token(header, &claims)
    }

    fn me(&self, officer: &str, token: &str) -> Answer {
        let asked = self.broker.ask(officer, Method::GET, "/api/v1/me");
        asked
            .header("authorization", &format!("Bearer {token}"))
            .send()
    }
}

#[test]
fn a_token_names_an_officer_by_the_certificate_that_it_is_bound_to_and_by_no_other() {
    let post = Post::start();
    let unnamed = post.broker.get(DESK, "/api/v1/me");
    assert_eq!(
        (unnamed.status, unnamed.code()),
        (StatusCode::UNAUTHORIZED, "unknown-officer")
    );
    let good = post.token("post.desk", |_| {});
    let me = post.me(DESK, &good);
    assert_eq!(me.json["officer"], "post/m-0099", "{}", me.text);
    assert_eq!(me.json["roles"], json!(["approver"]));
    // Roles are the rulebook's, whatever a token says.
    let more = post.token("post.desk", |claims| {
        claims["roles"] = json!(["administrator"]);
    });
    assert_eq!(post.me(DESK, &more).json["roles"], json!(["approver"]));
    let none = json!({"alg": "none", "typ": "at+jwt"});
    let unknown = json!({"alg": "ES256", "kid": "k9", "typ": "at+jwt"});
    let wrong: [(&str, String); 8] = [
        ("no algorithm", post.token_with(&none, "post.desk", |_| {})),
        (
            "an unknown key",
            post.token_with(&unknown, "post.desk", |_| {}),
        ),
        ("another certificate", post.token("post.m-0042", |_| {})),
        (
            "another audience",
            post.token("post.desk", |claims| claims["aud"] = "other".into()),
        ),
        (
            "another issuer",
            post.token("post.desk", |claims| {
                claims["iss"] = "https://evil.example".into();
            }),
        ),
        (
            "ended",
            post.token("post.desk", |claims| claims["exp"] = 1_000.into()),
        ),
        (
            "no officer",
            post.token("post.desk", |claims| claims["sub"] = "nobody".into()),
        ),
        ("no token", "x.y.z".to_owned()),
    ];
    for (what, token) in wrong {
        let answer = post.me(DESK, &token);
        assert_eq!(answer.code(), "unknown-officer", "{what}: {}", answer.text);
    }
    // Who is named by his certificate is not another by a token.
    let borrowed = post.token("post.m-0042", |_| {});
    assert_eq!(post.me("post/m-0042", &borrowed).code(), "unknown-officer");
}

/// Makes the times of a kept set of keys a day and an hour earlier, those of its keys, or that of its last
/// reading.
fn age(folder: &Path, is_reading: bool) {
    let path = folder.join("data/keys/post.json");
    let mut kept: Value = serde_json::from_slice(&read_file(&path).unwrap()).unwrap();
    let earlier = |at: &mut Value| {
        let time = Timestamp::from_rfc3339(at.as_str().unwrap()).unwrap();
        let day = 25 * 3_600_000;
        *at = Timestamp::from_millis(time.as_millis() - day)
            .to_string()
            .into();
    };
    if is_reading {
        earlier(&mut kept["read"]);
    } else {
        kept["since"]
            .as_object_mut()
            .unwrap()
            .values_mut()
            .for_each(earlier);
    }
    write_text(&path, kept.to_string().as_bytes()).unwrap();
}

#[test]
fn who_is_known_by_token_alone_approves_by_commands_once_the_key_is_a_day_old() {
    let mut post = Post::start();
    let path = "/api/v1/rulebook/file?path=policies/post.cedar";
    let file = post.broker.get("post/m-0042", path);
    let edit = post
        .broker
        .ask("post/m-0042", Method::PUT, &format!("{path}&title=x"));
    let edit = edit.header("if-match", file.headers["etag"].to_str().unwrap());
    let edit = edit.header("content-type", "text/plain");
    let proposed = edit.body(format!("{}\n// A remark.\n", file.text)).send();
    assert_eq!(proposed.status, StatusCode::CREATED, "{}", proposed.text);
    let token = post.token("post.desk", |_| {});
    let approve = post
        .broker
        .ask(DESK, Method::POST, "/api/v1/proposals/1/approvals");
    let approve = approve.header("authorization", &format!("Bearer {token}"));
    let answer = approve.json(&json!({"signature": "AAAA"})).send();
    assert_eq!(answer.code(), "new-key", "{}", answer.text);

    let token = post.token("post.desk", |_| {});
    write_text(&post.broker.path().join("token"), token.as_bytes()).unwrap();
    let by_token = "--as post/m-0099 --token-command \"cat token\"";
    let status = post.broker.told(&format!("policy status {by_token}"));
    assert!(
        status.contains("remark") || status.contains("pending"),
        "{status}"
    );
    let approve = format!("policy approve 1 {by_token}");
    assert!(post.broker.refuses(&approve).contains("new-key"));
    let unnamed = post.broker.refuses("policy status --as post/m-0099");
    assert!(unnamed.contains("unknown-officer"), "{unnamed}");
    let failed = post
        .broker
        .run("policy status --as post/m-0099 --token-command false");
    assert_eq!(failed.status.code(), Some(3), "{failed:?}");
    post.broker
        .killed_and_restarted_after(|folder| age(folder, false));
    post.broker.told(&approve);
    post.broker.told("policy activate 1 --as post/m-0042");

    let log = "/api/v1/log?why=x&kind=new-key";
    let new = post.broker.get("post/m-0077", log).json;
    let records = new["items"].as_array().unwrap();
    assert_eq!(
        (records.len(), &records[0]["kid"]),
        (1, &"k1".into()),
        "{new}"
    );
    let others = post.broker.get("police/p-1209", log).json;
    assert_eq!(others["items"], json!([]));

    // A provider that is gone: its keys count for a day.
    let keys = post.broker.path().join("jwks.json");
    DiskVfs.unlink(&keys).unwrap();
    post.broker.killed_and_restarted();
    assert_eq!(post.me(DESK, &token).status, StatusCode::OK);
    post.broker
        .killed_and_restarted_after(|folder| age(folder, true));
    assert_eq!(post.me(DESK, &token).code(), "unknown-officer");
    let (_, health) = post.broker.health("/readyz?verbose");
    assert!(health.contains("[!] post: the keys at file://"), "{health}");
}
