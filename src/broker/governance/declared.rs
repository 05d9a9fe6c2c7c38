//! What the records of measures, and of certificates that end, say.

use std::sync::Arc;

use super::measures::{Declaration, Declarations, MeasureStatement, Stage};
use super::state::Governance;
use super::vote::Vote;
use crate::agency::officer::OfficerId;
use crate::broker::ids::EntryId;
use crate::broker::record::{Confirmed, Declared, EndedBy, Expiring, Measure, MeasureEnded};
use crate::journal::Lsn;
use crate::message::id::AgencyId;
use crate::message::time::Timestamp;
use crate::policy::measures::Measures;

impl Governance {
    /// The measures that an agency's officers have declared; none before the first.
    pub fn measures(&self, agency: &AgencyId) -> Option<&Declarations> {
        self.measures.get(agency).map(AsRef::as_ref)
    }

    /// A measure of an agency, where it is open or remembered.
    pub fn measure(&self, agency: &AgencyId, number: u64) -> Option<&Declaration> {
        let of = self.measures.get(agency)?;
        of.all.get(&number).map(AsRef::as_ref)
    }

    /// All measures that are open, by agency.
    pub fn open_measures(&self) -> impl Iterator<Item = (&AgencyId, &Declaration)> {
        let all = self.measures.iter();
        all.flat_map(|(agency, of)| of.open().map(move |it| (agency, it)))
    }

    /// What this officer signs to confirm a measure of his agency; none where there is no such measure,
    /// or it has no end of its own any more.
    pub fn measure_statement(&self, number: u64, officer: &OfficerId) -> Option<MeasureStatement> {
        let agency = officer.holder.agency()?;
        let declaration = self.measure(agency, number)?;
        Some(MeasureStatement {
            log: self.log?,
            agency: agency.clone(),
            number,
            does: declaration.measure.to_string(),
            until: declaration.until?,
            reason: declaration.reason.clone(),
            officer: officer.clone(),
        })
    }

    /// What policies read of an agency's measures.
    pub(in crate::broker) fn in_force(&self, agency: &AgencyId) -> Measures {
        let measures = self.measures.get(agency);
        measures.map(|of| of.in_force()).unwrap_or_default()
    }

    /// So many at most of the measures whose time is over and is not on record as such.
    pub(in crate::broker) fn ended_measures(
        &self,
        now: Timestamp,
        most: usize,
    ) -> Vec<MeasureEnded> {
        let over = self.open_measures().filter(|open| open.1.is_over(now));
        let ended = over.take(most).map(|(agency, it)| MeasureEnded {
            at: now,
            agency: agency.clone(),
            measure: it.number,
            why: EndedBy::Time,
        });
        ended.collect()
    }

    fn of(&mut self, agency: &AgencyId) -> &mut Declarations {
        Arc::make_mut(self.measures.entry(agency.clone()).or_default())
    }

    pub(in crate::broker) fn declared(&mut self, declared: &Declared, at: Lsn) {
        let of = self.of(&declared.agency);
        of.declared = declared.number;
        let holds = matches!(declared.measure, Measure::Suspend(_));
        let declaration = Declaration {
            number: declared.number,
            entry: EntryId::new(at),
            at: declared.at,
            act: declared.act.clone(),
            measure: declared.measure.clone(),
            until: Some(declared.until),
            reason: declared.reason.clone(),
            confirmed: None,
            stage: if holds { Stage::Holds } else { Stage::Waits },
        };
        of.all.insert(declared.number, Arc::new(declaration));
    }

    pub(in crate::broker) fn confirmed(&mut self, confirmed: &Confirmed, entry: Lsn) {
        let (at, number) = (confirmed.at, confirmed.confirmation.measure);
        let of = self.of(&confirmed.agency);
        let vote = Vote {
            at,
            act: confirmed.confirmation.act.clone(),
            entry: EntryId::new(entry),
        };
        of.change(number, |it| it.confirmed = Some(vote));
        let measure = of.all.get(&number).map(|it| it.measure.clone());
        match measure {
            Some(Measure::Level(_)) => {
                let before = of
                    .all
                    .values()
                    .find(|it| it.stage == Stage::Holds && matches!(it.measure, Measure::Level(_)));
                if let Some(before) = before.map(|it| it.number) {
                    of.close(before, Stage::Replaced { at, by: number }, at);
                }
                of.change(number, |it| it.stage = Stage::Holds);
            }
            Some(Measure::Suspend(_)) => of.change(number, |it| it.until = None),
            Some(Measure::Lift(lifted)) => {
                of.close(number, Stage::Done { at }, at);
                of.close(lifted, Stage::Lifted { at, by: number }, at);
            }
            None => {}
        }
    }

    pub(in crate::broker) fn measure_ended(&mut self, ended: &MeasureEnded) {
        let (at, why) = (ended.at, ended.why);
        let of = self.of(&ended.agency);
        of.close(ended.measure, Stage::Ended { at, why }, at);
    }

    /// Whether the agency was told this of the certificate last.
    pub(super) fn has_told(&self, expiring: &Expiring) -> bool {
        let of = self.told.get(&expiring.agency);
        of.is_some_and(|of| of.has(expiring))
    }

    pub(in crate::broker) fn tell(&mut self, expiring: &Expiring) {
        let of = self.told.entry(expiring.agency.clone()).or_default();
        Arc::make_mut(of).tell(expiring);
    }
}
