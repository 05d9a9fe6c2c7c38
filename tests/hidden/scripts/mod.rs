//! What systems do: each script one kind of use, played in rounds that differ in ids alone.

pub(crate) mod cases;
pub(crate) mod limits;
pub(crate) mod probes;
pub(crate) mod publishing;
pub(crate) mod queues;
pub(crate) mod story;

use crate::play::Script;
use crate::world::World;

/// All of them.
pub(crate) const ALL: &[Script] = &[
    story::STORY,
    publishing::PUBLISHING,
    cases::CASES,
    queues::QUEUES,
    probes::PROBES,
    limits::LIMITS,
];

/// A case that customs and police have, in the thing that is a case.
pub(crate) const FOREIGN_CASE: &str = "CASE-2026-0900";
/// One that they have for a controlled delivery.
pub(crate) const SECRET_CASE: &str = "CASE-2026-0901";
/// One that they have in both runs, for orders that are nobody else's.
pub(crate) const GIVEN_CASE: &str = "CASE-2026-0902";

/// The item and the container that scripts write of, and hidden orders too.
pub(crate) const ITEM: &str = "CP618402774XA";
pub(crate) const CONTAINER: &str = "CALU4188309";

/// All of these look at what they were sent.
pub(crate) fn look(world: &mut World, systems: &[&'static str]) {
    for system in systems {
        world.look(system);
    }
}
