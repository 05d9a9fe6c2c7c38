//! What the broker found of those whom agencies vouch for, in words.

use serde_json::json;

use super::Described;
use crate::broker::record::{NewKey, Revoked};

impl Described {
    pub(super) fn revoked(&mut self, revoked: &Revoked) {
        let Revoked {
            at,
            agency,
            whose,
            certificate,
            serial,
            remote,
        } = revoked;
        self.at = Some(*at);
        self.says = format!("the connection of {whose} from {remote} was closed");
        self.below.push(format!("certificate  {certificate}"));
        self.below.push(format!("serial       {serial}"));
        self.fields = json!({"agency": agency, "whose": whose, "certificate": certificate,
            "serial": serial, "remote": remote});
    }

    pub(super) fn new_key(&mut self, new: &NewKey) {
        let NewKey {
            at,
            agency,
            issuer,
            kid,
            key,
        } = new;
        self.at = Some(*at);
        let shown = kid.escape_debug();
        self.says = format!("{shown} of {agency}'s identity provider {issuer}");
        self.below.push(format!("thumbprint  {key}"));
        self.fields = json!({"agency": agency, "issuer": issuer, "kid": kid, "key": key});
    }
}
