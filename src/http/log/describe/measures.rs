//! What officers declared of their agencies, and which certificates end, in words.

use serde_json::json;

use super::Described;
use crate::broker::governance::Stage;
use crate::broker::record::{Confirmed, Declared, Expiring, MeasureEnded};

impl Described {
    pub(super) fn declared(&mut self, declared: &Declared) {
        let Declared {
            at,
            agency,
            number,
            act,
            measure,
            until,
            reason,
            alarms: _,
        } = declared;
        self.at = Some(*at);
        self.says = format!(
            "measure {number} of {agency} by {}: {measure}, until {until}: {reason}",
            act.by
        );
        self.fields = json!({"agency": agency, "measure": number, "does": measure.to_string(),
            "until": until, "reason": reason});
        self.by(act);
    }

    pub(super) fn confirmed(&mut self, confirmed: &Confirmed) {
        let (agency, confirmation) = (&confirmed.agency, &confirmed.confirmation);
        let (number, act) = (confirmation.measure, &confirmation.act);
        self.at = Some(confirmed.at);
        self.says = format!("measure {number} of {agency} by {}", act.by);
        self.fields = json!({"agency": agency, "measure": number});
        self.signed(&confirmation.signed);
        self.by(act);
    }

    pub(super) fn measure_ended(&mut self, ended: &MeasureEnded) {
        let (at, why) = (ended.at, ended.why);
        self.at = Some(at);
        let stage = Stage::Ended { at, why };
        self.says = format!("measure {} of {}: {stage}", ended.measure, ended.agency);
        self.fields = json!({"agency": ended.agency, "measure": ended.measure,
            "why": stage.to_string()});
    }

    pub(super) fn expiring(&mut self, expiring: &Expiring) {
        let (whose, ends, days) = (&expiring.whose, expiring.ends, expiring.days);
        self.at = Some(expiring.at);
        self.says = format!("the certificate of {whose} ends at {ends}");
        self.fields =
            json!({"agency": expiring.agency, "whose": whose, "ends": ends, "days": days});
    }
}
