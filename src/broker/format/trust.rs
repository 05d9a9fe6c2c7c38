//! What was found of those whom agencies vouch for, field by field in the order in which they stand on
//! disk.

use super::form::form;
use crate::broker::record::{NewKey, Revoked};
use crate::message::id::{AgencyId, Digest};
use crate::message::time::Timestamp;

form!(Revoked {
    at: Timestamp,
    agency: AgencyId,
    whose: String,
    certificate: Digest,
    serial: String,
    remote: String,
});

form!(NewKey {
    at: Timestamp,
    agency: AgencyId,
    issuer: String,
    kid: String,
    key: Digest,
});
