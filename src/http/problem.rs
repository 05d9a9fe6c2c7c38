//! Problems: what a client is told when it does not get what it asked for (RFC 9457).
//!
//! Each has a code that stays, with a page of its own under `/api/v1/problems/`; `docs/problems.md` has
//! them all.

use axum::Json;
use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::message::bundle::Fault;

/// Where the pages of codes are.
pub(super) const PAGES: &str = "/api/v1/problems";

/// A kind of problem: its code and what stays the same of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Code {
    /// Its name in the type's URI, which stays.
    pub name: &'static str,
    /// The status that it comes with.
    pub status: StatusCode,
    /// What it is, in a few words.
    pub title: &'static str,
    /// When it comes.
    pub means: &'static str,
    /// What to do about it.
    pub cure: &'static str,
}

/// Declares the codes, and the list of all.
macro_rules! codes {
    ($($ident:ident $status:ident $name:literal $title:literal $means:literal $cure:literal)*) => {
        $(pub(crate) const $ident: Code = Code {
            name: $name, status: StatusCode::$status, title: $title, means: $means, cure: $cure,
        };)*
        /// All codes, in the order of the manual.
        pub(crate) const CODES: &[&Code] = &[$(&$ident),*];
    };
}

codes! {
    UNKNOWN_OFFICER UNAUTHORIZED "unknown-officer" "Not an officer"
        "The certificate stands for no officer of the rulebook in force, or does no longer; or its agency's identity provider must say who you are, and no token came."
        "Connect with an officer's certificate, or send the token as `Authorization: Bearer`; `carnet agency show` lists officers."
    FORBIDDEN FORBIDDEN "forbidden" "Not permitted"
        "You may see this, and your roles do not let you do what you asked; or what you may do has changed while you waited."
        "Ask an officer with the role that the text names."
    ABSENT NOT_FOUND "absent" "Not there"
        "There is nothing of this name, or it is another agency's: both get this answer."
        "Look at the name; list what there is."
    BAD_REQUEST BAD_REQUEST "bad-request" "Not understood"
        "The request has a form that nothing here takes: JSON, a parameter, a path or a header."
        "The text names the place; `/api/v1/openapi.json` describes every request."
    BAD_CURSOR BAD_REQUEST "bad-cursor" "Not a cursor of this list"
        "The cursor was not given by this list."
        "Begin without a cursor, and take `next` of each answer as it is."
    METHOD METHOD_NOT_ALLOWED "method" "Not by this method"
        "The resource is there and takes other methods."
        "`Allow` lists them."
    MEDIA_TYPE UNSUPPORTED_MEDIA_TYPE "media-type" "Not in this form"
        "The body is not declared as what this resource takes."
        "Send `Content-Type: application/json`, or `text/plain` for a file."
    TOO_LARGE PAYLOAD_TOO_LARGE "too-large" "Too large"
        "The body, or the files of the proposal, have more octets than are taken."
        "Propose in smaller steps."
    TOO_SLOW REQUEST_TIMEOUT "too-slow" "Too slow"
        "The body did not come in 30 s, or other large bodies of your agency take longer."
        "Send it again."
    TOO_MANY_REQUESTS TOO_MANY_REQUESTS "too-many-requests" "Too many requests"
        "This certificate has asked 100 times at once, and more than 20 times a second since; or all of your agency's together have asked five times as often. The answer comes late, and after ten such answers the connection is closed."
        "Wait for the seconds of `Retry-After`."
    TOO_MANY_CONNECTIONS TOO_MANY_REQUESTS "too-many-connections" "Too many connections"
        "Your agency, or all agencies together, have as many connections open as there may be. This one ends with this answer."
        "Close some: one connection takes any number of requests, one after the other."
    IF_MATCH_MISSING PRECONDITION_REQUIRED "if-match-missing" "If-Match is missing"
        "A file is edited on the text that you saw, so that nobody's change is written over."
        "Send `If-Match` with the `ETag` of the file, or `If-None-Match: *` for a new one."
    STALE PRECONDITION_FAILED "stale" "Changed meanwhile"
        "The file is not the one any more that `If-Match` names."
        "Read it again, and make your change on that text."
    FAULTS UNPROCESSABLE_ENTITY "faults" "The rulebook would have faults"
        "With these changes the files make no whole rulebook, or one that would do what nobody can have meant."
        "`faults` names each by place and cure; `carnet check` finds the same in a folder."
    SEVERAL_OWNERS UNPROCESSABLE_ENTITY "several-owners" "Of several owners"
        "The files belong to more than one body, and each decides on its own."
        "Make one proposal for each owner."
    NO_CHANGE UNPROCESSABLE_ENTITY "no-change" "Nothing changes"
        "The files are as they are in the rulebook in force."
        "Nothing, if that is what you wanted."
    CLOSED CONFLICT "closed" "Not pending any more"
        "The proposal took effect, was withdrawn, or is superseded by another activation. Or the measure is confirmed, or over."
        "Look at its `state` or `stage`; propose or declare another. A measure in force ends by `carnet measure lift N`."
    STALE_BASE CONFLICT "stale-base" "Another rulebook is in force"
        "The proposal rests on a rulebook that is no longer in force; nothing is applied to another one than was looked at."
        "Rebase it: `carnet policy rebase N`. It is checked again and needs its approvals again."
    OWN_PROPOSAL FORBIDDEN "own-proposal" "Your own proposal"
        "Who proposed a change, or declared a measure, cannot approve it, by whatever certificate."
        "Have another officer approve or confirm it."
    NEW_KEY FORBIDDEN "new-key" "By a new key of the identity provider"
        "The key that signed your token is known for less than 24 hours: who takes over a provider could approve in your name."
        "Approve with an officer's certificate, or wait; ask your agency whether the key is its own."
    SAME_KEY FORBIDDEN "same-key" "The same key"
        "The key has proposed or approved this already. Two officers are two persons with two keys."
        "Have an officer approve it with a key of his own."
    ALREADY_APPROVED CONFLICT "already-approved" "Approved already"
        "You, or another officer of your agency, have approved it; an agency has one vote."
        "Wait for the others: `needed_of` and `votes` of the proposal say whose approval it lacks."
    BAD_SIGNATURE UNPROCESSABLE_ENTITY "bad-signature" "Not your signature of it"
        "The signature is not by the key of your certificate, or not over the statement of this proposal for you."
        "Sign the octets of `/api/v1/proposals/N/statement` as they are: `carnet policy approve N` does."
    NOT_COMPLETE CONFLICT "not-complete" "Approvals are lacking"
        "It has fewer approvals than it needs."
        "`needed_of` and `votes` of the proposal say whose."
    NOT_DUE CONFLICT "not-due" "Its time has not come"
        "It is approved, and takes effect later, or once an officer asks for it."
        "Wait, or ask for it: `carnet policy activate N`."
    TOO_MUCH_TODAY CONFLICT "too-much-today" "Too much was proposed today"
        "Officers of your agency have proposed as many octets as are taken in a day."
        "Propose again after midnight (UTC)."
    TOO_MANY_PENDING CONFLICT "too-many-pending" "Too many are pending"
        "Officers of your agency have as many pending proposals as are kept, or you or they as many measures open."
        "The text says what to withdraw, to have confirmed, or to wait for."
    LATER_CHANGES CONFLICT "later-changes" "Changed again since"
        "A later activation changed the same files: it would be taken back too."
        "Take the later one back first, or propose the text that you want."
    NOT_TAKEN SERVICE_UNAVAILABLE "not-taken" "The log takes nothing"
        "The log did not take it: its disk is full, or the broker stops. Nothing has changed."
        "Look at the broker's log; ask again later."
}

/// A problem with one request.
#[derive(Debug)]
pub(crate) struct Problem {
    code: &'static Code,
    detail: String,
    faults: Vec<Fault>,
    /// Whether its connection ends with it.
    closes: bool,
}

/// A problem as it is told.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Told {
    /// The kind, as a URI: `/api/v1/problems/<code>`, which is its page
    #[serde(rename = "type")]
    kind: String,
    /// What kind of problem it is
    title: &'static str,
    /// The HTTP status
    status: u16,
    /// What happened in this case
    detail: String,
    /// What to do about it
    cure: &'static str,
    /// What is wrong with the files, each with its place and cure
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<FaultTold>,
}

/// A fault of a file, with its place and cure.
#[derive(Serialize, ToSchema)]
#[schema(as = Fault)]
pub(super) struct FaultTold {
    /// The path, with the line or JSON pointer behind it
    place: String,
    /// What is wrong there
    says: String,
    /// What to do about it
    cure: String,
}

impl From<Fault> for FaultTold {
    fn from(fault: Fault) -> Self {
        let Fault { place, says, cure } = fault;
        Self { place, says, cure }
    }
}

impl Problem {
    /// A problem of this kind, and what happened.
    pub(super) fn new(code: &'static Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            faults: Vec::new(),
            closes: false,
        }
    }

    /// This problem as the last answer of its connection.
    pub(super) fn closing(self) -> Self {
        Self {
            closes: true,
            ..self
        }
    }

    /// What is foreign and what is absent.
    pub(super) fn absent() -> Self {
        Self::new(&ABSENT, "there is nothing here that you may see")
    }

    /// Faults of a rulebook that would be.
    pub(super) fn faults(faults: Vec<Fault>) -> Self {
        let count = faults.len();
        let detail = if count == 1 {
            "one fault".to_owned()
        } else {
            format!("{count} faults")
        };
        Self {
            faults,
            ..Self::new(&FAULTS, detail)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let told = Told {
            kind: format!("{PAGES}/{}", self.code.name),
            title: self.code.title,
            status: self.code.status.as_u16(),
            detail: self.detail,
            cure: self.code.cure,
            faults: self.faults.into_iter().map(FaultTold::from).collect(),
        };
        let mut response = (self.code.status, Json(told)).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, json);
        if self.closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if *self.code == TOO_MANY_REQUESTS {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// The page of one code, as Markdown.
pub(super) fn page(name: &str) -> Option<String> {
    let code = CODES.iter().find(|code| code.name == name)?;
    let Code {
        name,
        status,
        title,
        means,
        cure,
    } = code;
    Some(format!(
        "# {title}\n\n`{name}`, {status}\n\n{means}\n\n{cure}\n"
    ))
}

/// The manual's page of all codes, as Markdown.
pub(crate) fn manual() -> String {
    let rows = CODES.iter().map(|code| {
        let Code {
            name,
            status,
            means,
            cure,
            ..
        } = code;
        format!("| `{name}` | {} | {means} | {cure} |\n", status.as_u16())
    });
    let head = "# Problems of the HTTP interface\n\nPrinted by `carnet policy problems`. Each answer that is not what was asked for is \
        `application/problem+json` (RFC 9457); its `type` is `/api/v1/problems/<code>`, which has the same text. A code stays; its \
        text may get better.\n\n| code | status | when | cure |\n|---|---|---|---|\n";
    std::iter::once(head.to_owned()).chain(rows).collect()
}
