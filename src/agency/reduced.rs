//! A registry without some of its units: what is left is whole, and as if those had never been.

use std::sync::Arc;

use super::registry::{Registry, Unit};

impl Registry {
    /// This registry with the units that `is_left`, and without the systems of all others.
    pub(crate) fn reduced(&self, is_left: impl Fn(&Unit) -> bool) -> Self {
        let bodies = self.bodies().map(|body| {
            let mut body = body.as_ref().clone();
            body.units.retain(|_, unit| is_left(unit));
            let units = &body.units;
            body.systems
                .retain(|_, system: &mut Arc<_>| units.contains_key(&system.unit));
            body
        });
        let reduced: Self = bodies.collect();
        reduced.granting(self.grants().to_vec())
    }
}
