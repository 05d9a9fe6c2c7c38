//! Certificates that are wrong in one thing each, by rcgen and by openssl.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use carnet::config::write_text;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use time::OffsetDateTime;

use crate::broker::{Broker, read};

pub(crate) const ITEMS: &str = "urn:carnet:post:system:items";

/// A certificate that is wrong in one thing, and what is said of it.
pub(crate) struct Forged {
    pub(crate) code: &'static str,
    /// The alert that TLS has for it.
    pub(crate) alert: &'static str,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// A private key, as PEM: not always the certificate's.
    pub(crate) key: String,
}

/// An issuer that tests can make anything with.
pub(crate) struct Signer {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
}

type Change<'c> = &'c dyn Fn(&mut CertificateParams);

impl Signer {
    /// The issuer of an agency.
    pub(crate) fn of(broker: &Broker, agency: &str) -> Self {
        let file = |ending: &str| read(&broker.certs().join(format!("{agency}-ca.{ending}")));
        let key = KeyPair::from_pem(&file("key")).unwrap();
        let pem = file("pem");
        Self {
            issuer: Issuer::from_ca_cert_pem(&pem, key).unwrap(),
            der: CertificateDer::from_pem_slice(pem.as_bytes()).unwrap(),
        }
    }

    /// An authority under this one, as the profile has it but for `change`.
    pub(crate) fn between(&self, change: Change<'_>) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = dated();
        params
            .distinguished_name
            .push(DnType::CommonName, "between");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        change(&mut params);
        let der = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        Self { issuer, der }
    }

    /// A certificate of `post/items` as the profile has it but for `change`, and its key.
    pub(crate) fn leaf(&self, change: Change<'_>) -> (CertificateDer<'static>, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = dated();
        params
            .distinguished_name
            .push(DnType::CommonName, "post-items");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = vec![uri(ITEMS)];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), key.serialize_pem())
    }

    fn forged(&self, code: &'static str, alert: &'static str, change: Change<'_>) -> Forged {
        let (own, key) = self.leaf(change);
        let chain = vec![own];
        Forged {
            code,
            alert,
            chain,
            key,
        }
    }

    /// The same under an authority of its own.
    fn below(&self, code: &'static str, alert: &'static str, change: Change<'_>) -> Forged {
        let between = self.between(change);
        let mut forged = between.forged(code, alert, &|leaf| {
            leaf.subject_alt_names
                .push(SanType::DnsName("post.example".try_into().unwrap()));
        });
        forged.chain.push(between.der);
        forged
    }
}

fn dated() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    (params.not_before, params.not_after) = (in_hours(-1), in_hours(24));
    params
}

fn in_hours(hours: i64) -> OffsetDateTime {
    let now = carnet::server::clock::Clock::default().now().as_millis() / 1_000;
    OffsetDateTime::from_unix_timestamp(now + hours * 3_600).unwrap()
}

fn uri(uri: &str) -> SanType {
    SanType::URI(uri.try_into().unwrap())
}

/// Every way in which a certificate can be wrong that rcgen can write.
pub(crate) fn by_rcgen(broker: &Broker) -> Vec<Forged> {
    let (post, customs) = (Signer::of(broker, "post"), Signer::of(broker, "customs"));
    let stranger = post.between(&|_| {});
    let unsupported = "UnsupportedCertificate";
    let policy = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
    let critical = |params: &mut CertificateParams| {
        let mut extension = policy.clone();
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
    };
    let mut others_key = post.forged("identity.not-its-key", "DecryptError", &|_| {});
    others_key.key = KeyPair::generate().unwrap().serialize_pem();
    let mut garbled = post.forged("identity.malformed", "BadCertificate", &|_| {});
    let cut = garbled.chain[0].len() - 1;
    garbled.chain = vec![CertificateDer::from(garbled.chain[0][..cut].to_vec())];
    vec![
        stranger.forged("identity.unknown-issuer", "UnknownCA", &|_| {}),
        post.forged("identity.expired", "CertificateExpired", &|leaf| {
            (leaf.not_before, leaf.not_after) = (in_hours(-9), in_hours(-8));
        }),
        post.forged("identity.not-yet-valid", "CertificateExpired", &|leaf| {
            (leaf.not_before, leaf.not_after) = (in_hours(8), in_hours(9));
        }),
        post.forged("identity.critical-extension", unsupported, &critical),
        post.below("identity.critical-extension", unsupported, &critical),
        post.forged("identity.wrong-usage", unsupported, &|leaf| {
            leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
        post.forged("identity.wrong-usage", unsupported, &|leaf| {
            leaf.key_usages = vec![KeyUsagePurpose::KeyAgreement];
        }),
        post.forged("identity.issuer-as-client", unsupported, &|leaf| {
            leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }),
        post.below("identity.path-length", unsupported, &|_| {}),
        post.below("identity.may-not-issue", unsupported, &|between| {
            between.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        }),
        post.below("identity.may-not-issue", unsupported, &|between| {
            between.is_ca = IsCa::ExplicitNoCa;
        }),
        post.below("identity.name-constraint", unsupported, &|between| {
            between.name_constraints = Some(NameConstraints {
                permitted_subtrees: vec![GeneralSubtree::DnsName("customs.example".to_owned())],
                excluded_subtrees: Vec::new(),
            });
        }),
        customs.forged("identity.foreign-issuer", "AccessDenied", &|_| {}),
        post.forged("identity.unknown-name", "AccessDenied", &|leaf| {
            leaf.subject_alt_names = vec![uri("urn:carnet:post:system:mole")];
        }),
        customs.forged("identity.ambiguous", "AccessDenied", &|leaf| {
            let names = ["declarations", "investigation"];
            let names = names.map(|name| uri(&format!("urn:carnet:customs:system:{name}")));
            leaf.subject_alt_names = names.to_vec();
        }),
        others_key,
        garbled,
    ]
}

/// Kinds of keys and signatures, which openssl can write: a name, then how.
pub(crate) const BY_OPENSSL: [(&str, &str, &str); 5] = [
    (
        "short",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024",
        "-sha256",
    ),
    (
        "sha1",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        "-sha1",
    ),
    (
        "brainpool",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256r1",
        "-sha256",
    ),
    (
        "pss",
        "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048",
        "-sha256",
    ),
    (
        "good",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
        "-sha256",
    ),
];

/// Writes each of [`BY_OPENSSL`] to `folder`, issued by the post, with its key.
pub(crate) fn by_openssl(broker: &Broker, folder: &Path) {
    let extensions = format!(
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n\
         extendedKeyUsage=clientAuth\nsubjectAltName=URI:{ITEMS}\n"
    );
    write_text(&folder.join("ext"), extensions.as_bytes()).unwrap();
    let ca = broker.certs().join("post-ca");
    let ca = ca.display();
    for (name, key, digest) in BY_OPENSSL {
        openssl(folder, &format!("{key} -out {name}.key"));
        openssl(
            folder,
            &format!("req -new -key {name}.key -subj /CN=post-items -out {name}.csr"),
        );
        openssl(
            folder,
            &format!(
                "x509 -req -in {name}.csr -CA {ca}.pem -CAkey {ca}.key {digest} -days 30 \
                 -extfile ext -out {name}.pem"
            ),
        );
    }
}

fn openssl(folder: &Path, words: &str) {
    let mut command = Command::new("openssl");
    let ran = command
        .args(words.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{words}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

/// So long that no test sees its end.
pub(crate) const A_DAY: Duration = Duration::from_hours(24);
