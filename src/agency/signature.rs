//! Signatures that officers make with the keys of their certificates.

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use webpki::EndEntityCert;

/// The schemes that are taken, each with its name in the log. `openssl dgst` and `openssl pkeyutl` make
/// and verify them all.
static SCHEMES: [(&str, &dyn SignatureVerificationAlgorithm); 7] = [
    ("ecdsa-p256-sha256", webpki::aws_lc_rs::ECDSA_P256_SHA256),
    ("ecdsa-p384-sha384", webpki::aws_lc_rs::ECDSA_P384_SHA384),
    ("ecdsa-p384-sha256", webpki::aws_lc_rs::ECDSA_P384_SHA256),
    ("ecdsa-p256-sha384", webpki::aws_lc_rs::ECDSA_P256_SHA384),
    ("ed25519", webpki::aws_lc_rs::ED25519),
    (
        "rsa-pkcs1-sha256",
        webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256,
    ),
    (
        "rsa-pss-sha256",
        webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    ),
];

/// The scheme by which `signature` is one of `message` by the certificate's key; none where it is not.
pub(crate) fn verify(
    certificate: &CertificateDer<'_>,
    message: &[u8],
    signature: &[u8],
) -> Option<&'static str> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let verified = SCHEMES.iter().find(|(_, algorithm)| {
        let verified = certificate.verify_signature(*algorithm, message, signature);
        verified.is_ok()
    });
    verified.map(|(name, _)| *name)
}
