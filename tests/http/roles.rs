//! Every operation with every role, and with officers of other agencies.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::broker::{Answer, Broker, owners_of_files};

/// Officers of the post with one role each, of another member of the board, and of an agency without a
/// seat.
const OFFICERS: [&str; 6] = [
    "post/m-01",
    "post/m-02",
    "post/m-03",
    "post/m-04",
    "customs/o-2117",
    "customs-xa/xa-611",
];

/// What each of [`OFFICERS`] gets of an operation on a pending proposal of the post.
struct Row {
    operation: &'static str,
    statuses: [u16; 6],
}

/// 404 is what is foreign and what is absent; 409, 422 and 428 come behind the question who may.
const ROWS: &[Row] = &[
    Row {
        operation: "get /api/v1/me",
        statuses: [200; 6],
    },
    Row {
        operation: "get /api/v1/rulebook",
        statuses: [200; 6],
    },
    Row {
        operation: "get /api/v1/rulebook/files",
        statuses: [200; 6],
    },
    Row {
        operation: "get /api/v1/rulebook/file",
        statuses: [200, 200, 200, 200, 404, 404],
    },
    Row {
        operation: "put /api/v1/rulebook/file",
        statuses: [422, 403, 403, 403, 412, 412],
    },
    Row {
        operation: "delete /api/v1/rulebook/file",
        statuses: [422, 403, 403, 403, 412, 412],
    },
    Row {
        operation: "post /api/v1/checks",
        statuses: [422, 403, 403, 403, 404, 404],
    },
    Row {
        operation: "get /api/v1/proposals",
        statuses: [200; 6],
    },
    Row {
        operation: "post /api/v1/proposals",
        statuses: [422, 403, 403, 403, 404, 404],
    },
    Row {
        operation: "get /api/v1/proposals/{number}",
        statuses: [200, 200, 200, 200, 404, 404],
    },
    Row {
        operation: "get /api/v1/proposals/{number}/file",
        statuses: [200, 200, 200, 200, 404, 404],
    },
    Row {
        operation: "get /api/v1/proposals/{number}/difference",
        statuses: [200, 200, 200, 200, 404, 404],
    },
    // The number names a measure of the officer's own agency.
    Row {
        operation: "get /api/v1/measures",
        statuses: [200; 6],
    },
    Row {
        operation: "post /api/v1/measures",
        statuses: [201, 201, 403, 403, 201, 201],
    },
    Row {
        operation: "get /api/v1/suspensions",
        statuses: [200; 6],
    },
    Row {
        operation: "get /api/v1/measures/{number}",
        statuses: [200; 6],
    },
    Row {
        operation: "get /api/v1/measures/{number}/statement",
        statuses: [200; 6],
    },
    Row {
        operation: "post /api/v1/measures/{number}/confirmation",
        statuses: [403, 422, 403, 403, 403, 403],
    },
    // A suspension is nobody's to withdraw: it holds.
    Row {
        operation: "delete /api/v1/measures/{number}",
        statuses: [409, 403, 403, 403, 409, 409],
    },
    Row {
        operation: "get /api/v1/log",
        statuses: [403, 403, 200, 403, 403, 403],
    },
    Row {
        operation: "get /api/v1/log/outstanding",
        statuses: [403, 403, 200, 403, 403, 403],
    },
    Row {
        operation: "get /api/v1/log/rulebooks",
        statuses: [403, 403, 200, 403, 403, 403],
    },
    Row {
        operation: "get /api/v1/log/rulebooks/{number}",
        statuses: [403, 403, 200, 403, 403, 403],
    },
    Row {
        operation: "get /api/v1/proposals/{number}/statement",
        statuses: [200, 200, 200, 200, 404, 404],
    },
    Row {
        operation: "post /api/v1/proposals/{number}/rebase",
        statuses: [201, 403, 403, 403, 404, 404],
    },
    Row {
        operation: "post /api/v1/proposals/{number}/approvals",
        statuses: [403, 422, 403, 403, 404, 404],
    },
    Row {
        operation: "post /api/v1/proposals/{number}/activation",
        statuses: [409, 403, 403, 403, 404, 404],
    },
    Row {
        operation: "post /api/v1/activations/{number}/return",
        statuses: [404; 6],
    },
    Row {
        operation: "get /api/v1/activations",
        statuses: [200; 6],
    },
    Row {
        operation: "delete /api/v1/proposals/{number}",
        statuses: [200, 403, 403, 403, 404, 404],
    },
];

/// The post with officers of one role each.
fn broker() -> Broker {
    Broker::start_with(|folder| {
        let file = folder.join("agencies/post/agency.toml");
        let text = String::from_utf8(carnet::config::read_file(&file).unwrap()).unwrap();
        let roles = ["administrator", "approver", "auditor", "operator"];
        let officers = roles.iter().enumerate().map(|(place, role)| {
            let id = format!("m-0{}", place + 1);
            format!("\n[[officer]]\nid = \"{id}\"\nroles = [\"{role}\"]\ncertificate = \"urn:carnet:post:officer:{id}\"\n")
        });
        let text = officers.fold(text, |text, officer| text + &officer);
        carnet::config::write_text(&file, text.as_bytes()).unwrap();
    })
}

/// A request to an operation, with what it takes at least.
fn ask(broker: &Broker, officer: &str, operation: &str, proposal: u64) -> Answer {
    let (method, path) = operation.split_once(' ').unwrap();
    let number = if path.contains("activations") || path.contains("rulebooks") {
        1
    } else {
        proposal
    };
    let mut path = path.replace("{number}", &number.to_string());
    let is_edit = method != "get" && path.ends_with("/file");
    if path.ends_with("/file") {
        path.push_str("?path=policies/post.cedar");
    }
    if path.starts_with("/api/v1/log") {
        path.push_str("?why=x");
    }
    if is_edit {
        path.push_str("&title=x");
    }
    let method: Method = method.to_uppercase().parse().unwrap();
    let posts = method == Method::POST;
    let mut asked = broker.ask(officer, method, &path);
    if is_edit {
        let file = broker.get(
            "post/m-01",
            "/api/v1/rulebook/file?path=policies/post.cedar",
        );
        asked = asked.header("if-match", file.headers["etag"].to_str().unwrap());
        asked = asked.header("content-type", "text/plain").body("permit (");
    }
    let files = json!({"policies/post.cedar": "permit ("});
    let body = match path.rsplit('/').next() {
        Some("checks") => Some(json!({"files": files})),
        Some("proposals") => {
            let base = broker.get(officer, "/api/v1/rulebook").json["digest"].clone();
            Some(json!({"base": base, "title": "x", "files": files}))
        }
        Some("approvals" | "confirmation") => Some(json!({"signature": "AAAA"})),
        Some("measures") => Some(json!({"measure": {"kind": "suspend-all"}, "reason": "x"})),
        Some("activation") => Some(json!({})),
        _ => None,
    };
    match body {
        Some(body) if posts => asked.json(&body).send(),
        _ => asked.send(),
    }
}

#[test]
fn every_operation_is_for_the_roles_that_it_is_for_and_absent_to_others() {
    let broker = broker();
    let path = "/api/v1/rulebook/file?path=policies/post.cedar";
    let file = broker.get("post/m-01", path);
    let edit = broker.ask("post/m-01", Method::PUT, &format!("{path}&title=x"));
    let edit = edit
        .header("if-match", file.headers["etag"].to_str().unwrap())
        .header("content-type", "text/plain")
        .body(format!("{}\n// A remark.\n", file.text))
        .send();
    assert_eq!(edit.status, StatusCode::CREATED, "{}", edit.text);
    let number = edit.json["number"].as_u64().unwrap();
    let described = broker.get("post/m-01", "/api/v1/openapi.json").json;
    let mut rows: BTreeMap<&str, [u16; 6]> = ROWS
        .iter()
        .map(|row| (row.operation, row.statuses))
        .collect();
    for row in ROWS {
        let got =
            OFFICERS.map(|officer| ask(&broker, officer, row.operation, number).status.as_u16());
        assert_eq!(got, row.statuses, "{}", row.operation);
    }
    for (path, operations) in described["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let operation = format!("{method} {path}");
            assert!(
                rows.remove(operation.as_str()).is_some(),
                "{operation} has no row"
            );
        }
    }
    assert!(rows.is_empty(), "{rows:?} are not described");
}

#[test]
fn an_officer_sees_own_files_and_the_boards_and_nothing_of_others() {
    let broker = broker();
    let rulebook = broker.get("post/m-03", "/api/v1/rulebook").json;
    assert_eq!(owners_of_files(&rulebook), ["board", "post"]);
    let texts = broker.get("post/m-03", "/api/v1/rulebook/files").text;
    assert!(!texts.contains("urn:carnet:customs"), "entries of customs");
    for path in [
        "agencies/customs/agency.toml",
        "policies/customs.cedar",
        "policies/tables/customs.csv",
        "policies/nothing.cedar",
        "../../etc/passwd",
        "/etc/passwd",
        "policies/../agencies/customs/agency.toml",
        "",
    ] {
        let path = format!("/api/v1/rulebook/file?path={path}");
        let answer = broker.get("post/m-03", &path);
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::NOT_FOUND, "absent"),
            "{path}"
        );
    }
}

#[test]
fn systems_and_strangers_are_no_officers() {
    let broker = broker();
    assert!(broker.declines("post-items"), "a system");
    assert!(broker.declines("post-ca"), "an issuer");
}
