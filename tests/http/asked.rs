//! Requests that are not what they should be: each gets its problem, and harms nothing.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::broker::Broker;

const OFFICER: &str = "post/m-0042";

/// A request that is not what it should be, and its problem.
struct Wrong {
    method: Method,
    path: &'static str,
    /// As JSON, where there is one.
    body: Option<&'static str>,
    status: u16,
    code: &'static str,
}

const fn got(path: &'static str, status: u16, code: &'static str) -> Wrong {
    Wrong {
        method: Method::GET,
        path,
        body: None,
        status,
        code,
    }
}

const fn posted(path: &'static str, body: &'static str, status: u16, code: &'static str) -> Wrong {
    Wrong {
        method: Method::POST,
        path,
        body: Some(body),
        status,
        code,
    }
}

const WRONG: [Wrong; 14] = [
    posted("checks", "{", 400, "bad-request"),
    posted("checks", "[[[[[[[[[[[[[[[[", 400, "bad-request"),
    posted("checks", r#"{"files": {}, "more": 1}"#, 400, "bad-request"),
    posted("checks", r#"{"files": {}}"#, 422, "no-change"),
    posted(
        "proposals",
        r#"{"base": "x", "title": "x", "files": {}}"#,
        400,
        "bad-request",
    ),
    got("nothing", 404, "absent"),
    got("../../etc/passwd", 404, "absent"),
    got("proposals/x", 404, "absent"),
    got("proposals/18446744073709551616", 404, "absent"),
    got("proposals?cursor=AAAA", 400, "bad-cursor"),
    got("proposals?limit=x", 400, "bad-request"),
    got("activations?limit=0", 400, "bad-request"),
    got("proposals?unknown=1", 400, "bad-request"),
    posted("me", "{}", 405, "method"),
];

#[test]
fn what_is_not_understood_is_told_by_its_place_and_a_page() {
    let broker = Broker::start();
    for wrong in WRONG {
        let path = format!("/api/v1/{}", wrong.path);
        let mut asked = broker.ask(OFFICER, wrong.method, &path);
        if let Some(body) = wrong.body {
            asked = asked.header("content-type", "application/json").body(body);
        }
        let answer = asked.send();
        let told = (answer.status.as_u16(), answer.code());
        assert_eq!(told, (wrong.status, wrong.code), "{path}: {}", answer.text);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        let page = answer.json["type"].as_str().unwrap();
        let page = broker.get(OFFICER, page);
        assert!(
            page.status.is_success() && page.text.contains(wrong.code),
            "{}",
            page.text
        );
    }
    let undeclared = broker
        .ask(OFFICER, Method::POST, "/api/v1/checks")
        .body("{}");
    assert_eq!(undeclared.send().code(), "media-type");
    let deep = broker.ask(OFFICER, Method::POST, "/api/v1/checks");
    let deep = deep
        .header("content-type", "application/json")
        .body("[".repeat(100_000));
    assert_eq!(deep.send().code(), "bad-request");
}

#[test]
fn a_body_beyond_its_limit_is_refused_without_being_read() {
    let broker = Broker::start();
    let large = json!({"files": {"policies/post.cedar": "x".repeat(9 << 20)}});
    let asked = broker
        .ask(OFFICER, Method::POST, "/api/v1/checks")
        .json(&large);
    let answer = asked.send();
    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::PAYLOAD_TOO_LARGE, "too-large")
    );
}

#[test]
fn an_edit_is_made_on_the_text_that_was_seen() {
    let broker = Broker::start();
    let path = "/api/v1/rulebook/file?path=policies/post.cedar";
    let seen = broker.get(OFFICER, path);
    let etag = seen.headers["etag"].to_str().unwrap().to_owned();
    let edit = |name: &str, value: &str| {
        let mut asked = broker.ask(OFFICER, Method::PUT, &format!("{path}&title=x"));
        if !name.is_empty() {
            asked = asked.header(name, value);
        }
        let asked = asked.header("content-type", "text/plain");
        asked.body(format!("{}\n", seen.text)).send()
    };
    assert_eq!(edit("", "").code(), "if-match-missing");
    assert_eq!(edit("if-match", "\"other\"").code(), "stale");
    assert_eq!(edit("if-none-match", "*").code(), "stale");
    assert_eq!(edit("if-match", &etag).status, StatusCode::CREATED);
}

#[test]
fn files_of_two_owners_are_two_proposals() {
    let broker = Broker::start();
    let get = |path: &str| {
        broker
            .get(OFFICER, &format!("/api/v1/rulebook/file?path={path}"))
            .text
    };
    let remark = |path: &str| format!("{}\n// A remark.\n", get(path));
    let files = json!({"policies/post.cedar": remark("policies/post.cedar"),
        "policies/floor.cedar": remark("policies/floor.cedar")});
    let asked = broker.ask(OFFICER, Method::POST, "/api/v1/checks");
    assert_eq!(
        asked.json(&json!({"files": files})).send().code(),
        "several-owners"
    );
}

#[test]
fn a_certificate_has_so_many_requests_and_takes_none_of_anothers() {
    let broker = Broker::start();
    let limited = (0..400).any(|_| {
        let answer = broker.get(OFFICER, "/api/v1/me");
        answer.code() == "too-many-requests" && answer.headers.contains_key("retry-after")
    });
    assert!(limited);
    assert_eq!(
        broker.get("post/m-0077", "/api/v1/me").status,
        StatusCode::OK
    );
}
