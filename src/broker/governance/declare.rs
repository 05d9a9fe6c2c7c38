//! What becomes of a measure that an officer declares, or confirms.

use std::collections::BTreeSet;

use super::decide::{Decided, is_title};
use super::deed::{Declaring, Done, Gone};
use super::measures::{Declaration, Declarations, Stage};
use super::not_done::NotDone;
use super::state::Governance;
use crate::agency::officer::OfficerId;
use crate::broker::limits::{
    AGENCY_MEASURES, MEASURE_LASTS, OFFICER_MEASURES, SUSPENDED_PERMITS, TITLE_BYTES,
};
use crate::broker::record::{
    Act, Confirmation, Confirmed, Declared, EndedBy, Expiring, Measure, MeasureEnded, Record,
};
use crate::message::id::AgencyId;
use crate::message::time::Timestamp;
use crate::policy::measures::{Level, Permits};

impl Governance {
    pub(super) fn declare(&self, declaring: Declaring, now: Timestamp) -> Result<Decided, NotDone> {
        let Declaring {
            act,
            measure,
            until,
            reason,
            board,
        } = declaring;
        let agency = act.by.holder.agency().cloned();
        let agency = agency.ok_or_else(|| NotDone::NoPart(act.by.clone()))?;
        if !is_title(&reason) {
            return Err(NotDone::Title { most: TITLE_BYTES });
        }
        let of = self.measures(&agency);
        if let Some(of) = of {
            of.has_place(&act.by, &measure)?;
        }
        let mut until = self.end_of(&agency, &measure, until, now)?;
        if let (Some(of), Measure::Suspend(_)) = (of, &measure) {
            until = until.min(of.alone_until(&act.by, now)?);
        }
        let number = of.map_or(0, |of| of.declared) + 1;
        let alarms = match measure {
            Measure::Suspend(_) => board,
            Measure::Level(_) | Measure::Lift(_) => BTreeSet::new(),
        };
        let declared = Declared {
            at: now,
            agency,
            number,
            act,
            measure,
            until,
            reason,
            alarms,
        };
        Ok(Decided {
            record: Record::Declared(Box::new(declared)),
            done: Some(Done::Declared(number)),
        })
    }

    /// When a measure that is declared now ends by itself.
    fn end_of(
        &self,
        agency: &AgencyId,
        measure: &Measure,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Timestamp, NotDone> {
        let latest = now.plus(MEASURE_LASTS);
        match measure {
            Measure::Suspend(_) | Measure::Lift(_) if until.is_some() => {
                Err(NotDone::MeasureEnd { latest })
            }
            Measure::Level(Level::Normal) => Err(NotDone::NormalLevel),
            Measure::Level(_) => {
                let until = until.filter(|until| now < *until && *until <= latest);
                until.ok_or(NotDone::MeasureEnd { latest })
            }
            Measure::Suspend(Permits::Named(named)) if named.is_empty() => {
                Err(NotDone::NoPermit("nothing".to_owned()))
            }
            Measure::Suspend(Permits::Named(named)) if named.len() > SUSPENDED_PERMITS => {
                let most = SUSPENDED_PERMITS;
                Err(NotDone::TooManyPermits { most })
            }
            Measure::Suspend(_) => Ok(latest),
            Measure::Lift(number) => self.holding(agency, *number, now).map(|_| latest),
        }
    }

    /// A measure that is in force.
    fn holding(
        &self,
        agency: &AgencyId,
        number: u64,
        now: Timestamp,
    ) -> Result<&Declaration, NotDone> {
        let measure = self.measure(agency, number);
        let measure = measure.ok_or(NotDone::NoMeasure(number))?;
        measure
            .holds(now)
            .then_some(measure)
            .ok_or(NotDone::MeasureClosed {
                number,
                stage: measure.stage,
            })
    }

    pub(super) fn confirm(
        &self,
        confirmation: Confirmation,
        now: Timestamp,
    ) -> Result<Decided, NotDone> {
        let Act { by, key, .. } = &confirmation.act;
        let number = confirmation.measure;
        let agency = by.holder.agency();
        let agency = agency.ok_or_else(|| NotDone::NoPart(by.clone()))?;
        let measure = self.measure(agency, number);
        let measure = measure.ok_or(NotDone::NoMeasure(number))?;
        let stage = measure.stage;
        if measure.act.by == *by {
            return Err(NotDone::OwnMeasure(by.clone()));
        }
        if measure.act.key == *key {
            return Err(NotDone::SameKey);
        }
        if !measure.is_open_to_confirm(now) {
            return Err(NotDone::MeasureClosed { number, stage });
        }
        if let Measure::Lift(lifted) = measure.measure {
            self.holding(agency, lifted, now)?;
        }
        let statement = self.measure_statement(number, by);
        if statement.is_none_or(|it| it.to_string() != confirmation.signed.statement) {
            return Err(NotDone::OtherStatement);
        }
        let confirmed = Confirmed {
            at: now,
            agency: agency.clone(),
            confirmation,
        };
        Ok(Decided {
            record: Record::Confirmed(Box::new(confirmed)),
            done: Some(Done::Confirmed),
        })
    }

    /// Ends what waits to be confirmed. A suspension holds: its end would give, by one officer's word.
    pub(super) fn undeclare(
        &self,
        act: &Act,
        number: u64,
        now: Timestamp,
    ) -> Result<Decided, NotDone> {
        let agency = act.by.holder.agency();
        let agency = agency.ok_or_else(|| NotDone::NoPart(act.by.clone()))?;
        let measure = self.measure(agency, number);
        let measure = measure.ok_or(NotDone::NoMeasure(number))?;
        if measure.act.by != act.by {
            return Err(NotDone::OthersMeasure(measure.act.by.clone()));
        }
        let stage = measure.stage;
        if stage != Stage::Waits || measure.is_over(now) {
            return Err(NotDone::MeasureClosed { number, stage });
        }
        Ok(ended(agency.clone(), number, EndedBy::Withdrawn, now))
    }

    /// Ends a suspension of which the rulebook of this digest, which is to be in force still, has no
    /// permit any more.
    pub(super) fn gone(&self, gone: Gone, now: Timestamp) -> Result<Decided, NotDone> {
        let Gone {
            agency,
            measure,
            rulebook: base,
        } = gone;
        let active = self.active().map(|active| active.digest);
        let active = active.ok_or(NotDone::Stopped)?;
        if active != base {
            return Err(NotDone::StaleBase { base, active });
        }
        self.holding(&agency, measure, now)?;
        Ok(ended(agency, measure, EndedBy::Gone, now))
    }

    pub(super) fn notice(&self, expiring: Expiring, now: Timestamp) -> Result<Decided, NotDone> {
        if self.has_told(&expiring) {
            return Err(NotDone::Told);
        }
        let expiring = Expiring {
            at: now,
            ..expiring
        };
        Ok(Decided {
            record: Record::Expiring(expiring),
            done: None,
        })
    }
}

fn ended(agency: AgencyId, measure: u64, why: EndedBy, at: Timestamp) -> Decided {
    Decided {
        record: Record::MeasureEnded(MeasureEnded {
            at,
            agency,
            measure,
            why,
        }),
        done: Some(Done::MeasureEnded),
    }
}

impl Declarations {
    /// Refuses a measure beyond what an officer, or his agency, may have open. What ends another one has
    /// places of its own, or nothing could be ended once all are taken.
    fn has_place(&self, by: &OfficerId, measure: &Measure) -> Result<(), NotDone> {
        let is_lift = |measure: &Measure| matches!(measure, Measure::Lift(_));
        let alike = || {
            let open = self.open();
            open.filter(|it| is_lift(&it.measure) == is_lift(measure))
        };
        let waiting = alike().filter(|it| it.act.by == *by && it.confirmed.is_none());
        if waiting.count() >= OFFICER_MEASURES || alike().count() >= AGENCY_MEASURES {
            return Err(NotDone::TooManyMeasures);
        }
        Ok(())
    }

    /// Until when an officer's suspensions hold by his word alone, from his first one on; none before as
    /// long a time is over since they ended, or one officer could suspend for ever.
    fn alone_until(&self, by: &OfficerId, now: Timestamp) -> Result<Timestamp, NotDone> {
        let alone = self.all().filter(|it| {
            let is_suspension = matches!(it.measure, Measure::Suspend(_));
            is_suspension && it.act.by == *by && it.confirmed.is_none()
        });
        let mut until = now.plus(MEASURE_LASTS);
        for suspension in alone {
            match suspension.stage {
                Stage::Holds => until = suspension.until.map_or(until, |end| until.min(end)),
                Stage::Ended {
                    at,
                    why: EndedBy::Time,
                }
                | Stage::Lifted { at, .. } => {
                    let from = at.plus(MEASURE_LASTS);
                    if now < from {
                        return Err(NotDone::SuspendedBefore { from });
                    }
                }
                _ => {}
            }
        }
        if until <= now {
            let from = until.plus(MEASURE_LASTS);
            return Err(NotDone::SuspendedBefore { from });
        }
        Ok(until)
    }
}
