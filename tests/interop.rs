//! Stock clients against the real binary: the programs of `docs/joining`, cut out of the manual and
//! run as an engineer who pastes them would.
//!
//! Each connects by certificate, publishes with confirms, is told a refusal, stores what arrives and
//! acknowledges it, and goes on after the broker was restarted. Then each is run with a mistake in
//! it: the page quotes what the library says to that. The outbox is killed at each of its lines.
//! Languages and libraries: `tests/run.sh interop`.
#![cfg(test)]

#[path = "interop/broker.rs"]
mod broker;
#[path = "interop/installed.rs"]
mod installed;
#[path = "interop/lapin.rs"]
mod lapin;
#[path = "support/lines.rs"]
mod lines;
#[path = "interop/officers.rs"]
mod officers;
#[path = "interop/page.rs"]
mod page;
#[path = "interop/relay.rs"]
mod relay;
#[path = "support/served.rs"]
mod served;
#[path = "interop/tokens.rs"]
mod tokens;
#[path = "interop/tree.rs"]
mod tree;
#[path = "interop/workplace.rs"]
mod workplace;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use broker::Broker;
use page::Page;
use workplace::Workplace;

/// What the post sends, and the number by which its recipients know it.
const ITEM: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/messages/postal.item/examples/valid/ornaments.json"
);
const ITEM_ID: &str = "CP618402774XA";

/// Words of a program, what stands in their place by mistake, and what the library says then.
type Mistake<'a> = [&'a str; 3];

/// What a library says where one side does not take the other's certificate.
struct Distrust<'a> {
    /// The client's is of an issuer that its agency does not list.
    unlisted: &'a str,
    /// The server's is of another name.
    misnamed: &'a str,
    /// The server's is of an authority that the client does not trust.
    untrusted: &'a str,
}

/// Python's ssl says the same under each of its libraries.
const PYTHON: Distrust<'static> = Distrust {
    unlisted: "[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca",
    untrusted: "certificate verify failed: unable to get local issuer certificate",
    misnamed: "certificate verify failed: IP address mismatch",
};

impl Distrust<'_> {
    #[track_caller]
    fn is_told(&self, page: &Page, place: &Workplace<'_>) {
        place.is_issued_by_a_stranger();
        page.quotes(self.unlisted, &place.all_it_says("send"));
        page.quotes(self.misnamed, &place.all_it_says_to_another_name("send"));
        place.distrusts_the_server();
        page.quotes(self.untrusted, &place.all_it_says("send"));
    }
}

/// Converses by the page's program; then with each mistake in it, and at last with certificates that
/// are not the right ones.
#[track_caller]
fn as_shown(name: &'static str, mistakes: &[Mistake<'_>], distrust: &Distrust<'_>) {
    let page = Page::of(name);
    let broker = Broker::start();
    let place = Workplace::new(&page, &broker);
    let broker = converse(&place, broker);
    for [right, wrong, says] in mistakes {
        page.quotes(says, &place.mistaken(right, wrong).all_it_says("send"));
    }
    distrust.is_told(&page, &place);
    broker.stopped();
}

/// Sends and receives by the page's program, the broker's restart in the middle of it.
#[track_caller]
fn converse(place: &Workplace<'_>, broker: Broker) -> Broker {
    let (mut sender, receiver) = (place.started("send"), place.started("receive"));
    sender.told("m-1 customs/main item.json");
    assert_eq!(sender.says(), "confirmed m-1");
    assert_eq!(receiver.says(), "stored 1 postal.item.post");
    assert_eq!(stored(&place.path("inbox/1.json")), ITEM_ID);
    sender.told("m-2 environment/main item.json");
    let refusal = "refused m-2 403 ACCESS_REFUSED - not permitted";
    assert_eq!(sender.says(), refusal);

    // What was acknowledged does not come again.
    let broker = broker.restarted();
    sender.told("m-3 customs/main item.json");
    assert_eq!(sender.says(), "confirmed m-3");
    assert_eq!(receiver.says(), "stored 2 postal.item.post");
    assert_eq!(stored(&place.path("inbox/2.json")), ITEM_ID);
    sender.ends_well();
    broker
}

#[expect(clippy::disallowed_methods, reason = "a test reads what was stored")]
fn stored(file: &Path) -> String {
    let body = std::fs::read(file).expect("the program stored it");
    let body: serde_json::Value = serde_json::from_slice(&body).expect("a delivery is JSON");
    body["ID"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn pika_works_as_the_manual_shows() {
    let login = "credentials=pika.credentials.ExternalCredentials(),";
    let plain = [login, "", "pika.exceptions.AuthenticationError: PLAIN"];
    let vhost = [
        r#"virtual_host="/""#,
        r#"virtual_host="/border""#,
        "pika.exceptions.ProbableAccessDeniedError: ConnectionClosedByBroker: (530) \"NOT_ALLOWED",
    ];
    as_shown("pika", &[plain, vhost], &PYTHON);
}

#[test]
fn aio_pika_works_as_the_manual_shows() {
    let plain = [
        "auth=external&",
        "",
        "aiormq.exceptions.AuthenticationError: [Errno EXTERNAL] ['PLAIN', 'EXTERNAL']",
    ];
    let vhost = [
        "{port}/?",
        "{port}/border?",
        "aiormq.exceptions.InvalidFrameError: Expected one of ['Connection.OpenOk']",
    ];
    as_shown("aio-pika", &[plain, vhost], &PYTHON);
}

#[test]
fn kombu_works_as_the_manual_shows() {
    let plain = [
        r#"login_method="EXTERNAL","#,
        "",
        "amqp.exceptions.ConnectionError: Couldn't find appropriate auth mechanism",
    ];
    let vhost = [
        r#"virtual_host="/""#,
        r#"virtual_host="/border""#,
        "amqp.exceptions.NotAllowed: Connection.open: (530) NOT_ALLOWED",
    ];
    as_shown("kombu", &[plain, vhost], &PYTHON);
}

#[test]
fn node_amqplib_works_as_the_manual_shows() {
    let login = "credentials: amqp.credentials.external(),";
    let plain = [
        login,
        "",
        "Error: SASL mechanism PLAIN is not provided by the server",
    ];
    let vhost = [
        "vhost: '/'",
        "vhost: '/border'",
        "Error: Expected ConnectionOpenOk; got <ConnectionClose channel:0>",
    ];
    let distrust = Distrust {
        unlisted: "tlsv1 alert unknown ca",
        untrusted: "Error: unable to verify the first certificate",
        misnamed: "Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames",
    };
    as_shown("amqplib", &[plain, vhost], &distrust);
}

#[test]
fn go_amqp091_works_as_the_manual_shows() {
    let plain = [
        "DialTLS_ExternalAuth",
        "DialTLS",
        r#"Exception (403) Reason: "SASL could not negotiate a shared mechanism""#,
    ];
    let vhost = [
        r#"port+"/""#,
        r#"port+"/border""#,
        r#"Exception (403) Reason: "no access to this vhost""#,
    ];
    let distrust = Distrust {
        unlisted: "remote error: tls: unknown certificate authority",
        untrusted: "x509: certificate signed by unknown authority",
        misnamed: "x509: certificate is valid for",
    };
    as_shown("amqp091-go", &[plain, vhost], &distrust);
}

#[test]
fn java_works_as_the_manual_shows() {
    let login = "factory.setSaslConfig(DefaultSaslConfig.EXTERNAL);";
    let plain = [
        login,
        "",
        "java.io.IOException: No compatible authentication mechanism found - server offered [EXTERNAL]",
    ];
    let vhost = [
        r#"setVirtualHost("/")"#,
        r#"setVirtualHost("/border")"#,
        "reply-code=530, reply-text=NOT_ALLOWED - no vhost '/border'",
    ];
    let distrust = Distrust {
        unlisted: "javax.net.ssl.SSLHandshakeException: Received fatal alert: unknown_ca",
        untrusted: "sun.security.validator.ValidatorException: PKIX path building failed",
        misnamed: "No subject alternative names matching IP address",
    };
    as_shown("java", &[plain, vhost], &distrust);
}

#[test]
fn ruby_bunny_works_as_the_manual_shows() {
    let plain = [
        ", auth_mechanism: 'EXTERNAL'",
        "",
        "Authentication with RabbitMQ failed: 403 ACCESS_REFUSED - mechanism 'PLAIN'",
    ];
    let vhost = [
        "vhost: '/'",
        "vhost: '/border'",
        "Connection-level error: NOT_ALLOWED - no vhost '/border'",
    ];
    let old_tls = ["tls_protocol: :SSLv23,", "", "tlsv1 alert protocol version"];
    let untyped = [
        "content_type: 'application/json'",
        "persistent: true",
        "406 PRECONDITION_FAILED - property content_type",
    ];
    let distrust = Distrust {
        unlisted: "SSL_read: tlsv1 alert unknown ca",
        untrusted: "certificate verify failed (unable to get local issuer certificate)",
        misnamed: "does not match the server certificate",
    };
    as_shown("bunny", &[plain, vhost, old_tls, untyped], &distrust);
}

#[test]
fn php_amqplib_works_as_the_manual_shows() {
    let plain = [
        "$config->setLoginMethod(AMQPConnectionConfig::AUTH_EXTERNAL);",
        "",
        r"PhpAmqpLib\Exception\AMQPConnectionClosedException: ACCESS_REFUSED - mechanism 'AMQPLAIN'",
    ];
    let vhost = [
        "setVhost('/')",
        "setVhost('/border')",
        r"PhpAmqpLib\Exception\AMQPConnectionClosedException: NOT_ALLOWED - no vhost '/border'",
    ];
    let user = [
        "$config->setUser('');",
        "",
        "InvalidArgumentException: External auth method cannot be used together with user credentials.",
    ];
    let protocol = [
        "$config->setNetworkProtocol('ssl');",
        "",
        r"PhpAmqpLib\Exception\AMQPInvalidFrameException: Invalid frame type 21",
    ];
    let ssl = r"PhpAmqpLib\Exception\AMQPIOException: stream_socket_client(): Unable to connect to ssl://";
    let distrust = Distrust {
        unlisted: r"PhpAmqpLib\Exception\AMQPConnectionClosedException: Broken pipe or closed connection",
        untrusted: ssl,
        misnamed: ssl,
    };
    as_shown("php-amqplib", &[plain, vhost, user, protocol], &distrust);
}

#[test]
fn c_librabbitmq_works_as_the_manual_shows() {
    let plain = [
        "AMQP_SASL_METHOD_EXTERNAL, system",
        r#"AMQP_SASL_METHOD_PLAIN, "guest", "guest""#,
        "unsupported sasl method requested",
    ];
    let vhost = [
        r#"connection, "/""#,
        r#"connection, "/border""#,
        "530 NOT_ALLOWED - no vhost '/border'",
    ];
    let distrust = Distrust {
        unlisted: "a SSL error occurred",
        untrusted: "SSL peer cert verification failed",
        misnamed: "SSL hostname verification failed",
    };
    as_shown("librabbitmq", &[plain, vhost], &distrust);
}

#[test]
fn rust_lapin_works_as_the_manual_shows() {
    let page = Page::of("lapin");
    let (_, program) = page.program();
    let tested = include_str!("interop/lapin_client.rs");
    assert!(
        tested.ends_with(&format!("\n{program}\n")),
        "the page shows another program"
    );
    let broker = Broker::start();
    let place = Workplace::new(&page, &broker);
    symlink(lapin::built(), place.path("client")).expect("the program is linked");
    let broker = converse(&place, broker);
    page.quotes(
        "ACCESS_REFUSED - mechanism 'PLAIN', on offer is EXTERNAL",
        &lapin::says(&broker, "/%2f"),
    );
    page.quotes(
        "NOT_ALLOWED - no vhost 'border'",
        &lapin::says(&broker, "/border?auth_mechanism=external"),
    );
    let distrust = Distrust {
        unlisted: "AlertReceived(UnknownCA)",
        untrusted: "InvalidCertificate(UnknownIssuer)",
        misnamed: "InvalidCertificate(NotValidForName",
    };
    distrust.is_told(&page, &place);
    broker.stopped();
}

#[test]
fn the_outbox_of_the_manual_goes_on_after_a_restart() {
    let page = Page::of("outbox");
    let broker = Broker::start();
    let place = Workplace::new(&page, &broker);
    let carrier = place.started("carry");
    assert_eq!(place.all_it_says("decide"), "");
    assert_eq!(carrier.says(), "item-1 released");
    let broker = broker.restarted();
    assert_eq!(place.all_it_says("decide"), "");
    assert_eq!(carrier.says(), "item-2 released");
    drop(carrier);
    broker.stopped();
}

#[test]
fn the_outbox_of_the_manual_loses_and_repeats_nothing_wherever_it_is_killed() {
    let page = Page::of("outbox");
    let broker = Broker::start();
    let place = Workplace::new(&page, &broker);
    let said = place.tormented_by("outbox_killed.py");
    assert!(said.starts_with("killed before each of "), "{said}");
    broker.stopped();
}

#[test]
fn the_first_connection_of_the_readme_is_confirmed() {
    let broker = Broker::start();
    let output = Command::new("python")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/interop/first_connection.py"
        ))
        .envs(installed::environment())
        .args([
            "localhost",
            &broker.port().to_string(),
            &broker.certs(),
            ITEM,
        ])
        .output()
        .expect("Python starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(told.starts_with("confirmed"), "{told}");
    broker.stopped();
}
