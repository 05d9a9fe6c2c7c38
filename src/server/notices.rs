//! What dates bring, told in the log of the broker: agreements that end, have ended, or have yet to
//! begin.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::clock::Clock;
use crate::backbone::embedded::Embedded;
use crate::message::bundle::Fault;
use crate::message::time::Timestamp;
use crate::policy::agreement::{Agreement, Notice};

/// How often agreements are looked at: they begin and end at midnight.
const LOOK: Duration = Duration::from_mins(10);

/// Looks at the agreements of the rulebook in force, and warns of each once at each stage: 90, 30 and
/// 7 days before its end, and when it has ended. Goes on for ever.
pub(crate) async fn warn_of_agreements(backbone: Arc<Embedded>, clock: Clock) {
    let mut told = Told::default();
    loop {
        let view = backbone.view();
        for (agreement, notice) in told.news(view.rulebook.agreements(), clock.now()) {
            let Fault { place, says, cure } = agreement.warning(notice);
            tracing::warn!(agreement.id = agreement.id, place, cure, "agreement {says}");
        }
        drop(view);
        tokio::time::sleep(LOOK).await;
    }
}

/// What was told of each agreement last.
#[derive(Debug, Default)]
struct Told(BTreeMap<String, Notice>);

impl Told {
    /// The agreements that stand otherwise at `now` than was told.
    fn news<'a>(
        &mut self,
        agreements: &'a [Agreement],
        now: Timestamp,
    ) -> Vec<(&'a Agreement, Notice)> {
        let found = agreements
            .iter()
            .filter_map(|it| Some((it, it.notice(now)?)));
        let found: Vec<(&Agreement, Notice)> = found.collect();
        let stand = found.iter().map(|(it, notice)| (it.id.clone(), *notice));
        let before = std::mem::replace(&mut self.0, stand.collect());
        let is_new = |(it, notice): &(&Agreement, Notice)| before.get(&it.id) != Some(notice);
        found.into_iter().filter(is_new).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agreement_is_told_once_at_each_stage() {
        let day = Duration::from_hours(24);
        let begin = Timestamp::from_rfc3339("2026-01-01T00:00:00Z").unwrap();
        let agreement = Agreement {
            id: "MAT".to_owned(),
            parties: ["customs", "post"].map(|name| name.parse().unwrap()).into(),
            from: begin.plus(day),
            to: begin.plus(200 * day),
            purposes: [].into(),
            suspended: false,
            place: "policies/agreements.toml:1".to_owned(),
        };
        let mut told = Told::default();
        let mut stages = Vec::new();
        for hour in 0..5_000 {
            let now = begin.plus(Duration::from_hours(hour));
            for (_, notice) in told.news(std::slice::from_ref(&agreement), now) {
                stages.push((hour / 24, notice));
            }
        }
        let stages: Vec<String> = stages.iter().map(|stage| format!("{stage:?}")).collect();
        insta::assert_snapshot!(stages.join("\n"), @r"
        (0, NotBegun)
        (110, EndsWithin(90))
        (170, EndsWithin(30))
        (193, EndsWithin(7))
        (200, Ended)
        ");
    }
}
