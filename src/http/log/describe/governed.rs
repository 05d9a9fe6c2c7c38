//! How the rulebook was changed, and by whom, in words.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Described;
use crate::broker::governance::{Act, Approval, Draft, SignedText, When};
use crate::broker::record::{
    Accessed, Activated, Approved, Genesis, Inquiry, Proposed, Scheduled, Withdrawn,
};
use crate::message::id::{AgencyId, Digest};
use crate::policy::recovery::in_words;

impl Described {
    pub(super) fn genesis(&mut self, genesis: &Genesis) {
        self.at = Some(genesis.at);
        self.says = format!("rulebook {}", genesis.digest);
        self.fields = json!({"rulebook": genesis.digest, "development": genesis.development});
    }

    pub(super) fn activated(&mut self, activated: &Activated) {
        self.at = Some(activated.at);
        self.says = format!("rulebook {}", activated.digest);
        if let Some(number) = activated.proposal {
            _ = write!(self.says, ", of proposal {number}");
        }
        self.fields = json!({"rulebook": activated.digest, "proposal": activated.proposal});
    }

    pub(super) fn proposed(&mut self, proposed: &Proposed) {
        let Proposed { at, number, draft } = proposed;
        let Draft {
            act,
            owner,
            base,
            digest,
            impact,
            title,
            when,
            returns,
            needs,
            changes,
        } = draft;
        self.at = Some(*at);
        self.says = format!("proposal {number} of {owner} by {}: {title}", act.by);
        let about = in_words(&draft.turns());
        self.below.extend(about.iter().cloned());
        self.below.push(format!("on rulebook  {base}"));
        self.below.push(format!("to rulebook  {digest}"));
        for (path, content) in changes.files() {
            let done = if content.is_some() { "written" } else { "gone" };
            self.below.push(format!("{done} {path}"));
        }
        let agencies: Vec<&str> = needs.of().iter().map(AgencyId::as_str).collect();
        let votes = needs.votes();
        self.below
            .push(format!("needs {votes} of {}", agencies.join(" ")));
        let when = match when {
            When::Asked => json!("asked"),
            When::Approved => json!("approved"),
            When::At(time) => json!(time),
        };
        let files: Value = changes
            .files()
            .map(|(path, content)| json!({"path": path, "sha256": content.map(Digest::of)}))
            .collect();
        self.fields = json!({"proposal": number, "owner": owner.to_string(), "base": base,
            "rulebook": digest, "impact": impact, "title": title, "when": when,
            "returns": returns, "votes_needed": votes, "votes_of": agencies, "files": files});
        if !about.is_empty() {
            self.add("about", json!(about));
        }
        self.by(act);
    }

    pub(super) fn approved(&mut self, approved: &Approved) {
        let Approval {
            act,
            proposal,
            signed,
        } = &approved.approval;
        self.at = Some(approved.at);
        self.says = format!("proposal {proposal} by {}", act.by);
        self.fields = json!({"proposal": proposal});
        self.signed(signed);
        self.by(act);
    }

    pub(super) fn withdrawn(&mut self, withdrawn: &Withdrawn) {
        let Withdrawn { at, act, proposal } = withdrawn;
        self.at = Some(*at);
        self.says = format!("proposal {proposal} by {}", act.by);
        self.fields = json!({"proposal": proposal});
        self.by(act);
    }

    pub(super) fn scheduled(&mut self, scheduled: &Scheduled) {
        let Scheduled {
            at,
            act,
            proposal,
            until,
        } = scheduled;
        self.at = Some(*at);
        let when = until.map_or("once it is approved".to_owned(), |at| format!("for {at}"));
        self.says = format!("proposal {proposal} {when} by {}", act.by);
        self.fields = json!({"proposal": proposal, "until": until});
        self.by(act);
    }

    pub(super) fn accessed(&mut self, accessed: &Accessed) {
        self.at = Some(accessed.at);
        let inquiry = Inquiry::read(&accessed.asked);
        let query = inquiry.map(|it| it.query);
        let shown = query.unwrap_or("what cannot be read here").escape_debug();
        let (by, results) = (&accessed.act.by, accessed.results);
        self.says = format!("{by} looked for {shown}, and was shown {results} records");
        self.fields = json!({"query": query, "why": inquiry.map(|it| it.why), "results": results});
        self.by(&accessed.act);
    }

    pub(super) fn signed(&mut self, signed: &SignedText) {
        let hex = |octets: &[u8]| data_encoding::HEXLOWER.encode(octets);
        self.add("statement", json!(signed.statement));
        self.add("scheme", json!(signed.scheme));
        self.add("signature", json!(hex(&signed.signature)));
        self.add("certificate", json!(hex(&signed.certificate)));
    }

    pub(super) fn by(&mut self, act: &Act) {
        self.add("by", json!(act.by));
        self.add("key", json!(act.key));
        self.add("vouched_by", json!(act.vouched_by));
    }
}
