//! Plans that wait for the next graph of their form.

use std::{
    cell::RefCell,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use super::{plan::Plan, program::Program};

/// Plans that are kept, and what they may hold together, bytes.
const MAX_PLANS: usize = 8;
const MAX_PLAN_BYTES: u64 = 512 << 20;

/// The last used is the last.
#[derive(Debug, Default)]
pub(super) struct Plans(RefCell<Vec<Ready>>);

/// A plan that nobody uses now.
#[derive(Debug)]
struct Ready {
    hash: u64,
    program: Program,
    plan: Plan,
}

/// A plan in use: a run beside it makes another one, since their values would be in the same memory.
pub(super) struct InUse<'a> {
    plans: &'a Plans,
    /// Until the end.
    ready: Option<Ready>,
}

impl Plans {
    /// The plan for a program that `is_good`, if there is one; it comes back at the end.
    pub(super) fn take(&self, program: &Program, is_good: impl Fn(&Plan) -> bool) -> Option<InUse<'_>> {
        let hash = hash(program);
        let mut plans = self.0.borrow_mut();
        let at = plans.iter().position(|ready| ready.hash == hash && ready.program == *program)?;
        let ready = plans.remove(at);
        // Lazily: an `InUse` that is made and dropped here would look for the list that is held.
        is_good(&ready.plan).then(|| InUse { plans: self, ready: Some(ready) })
    }

    /// Makes room for a new plan, in place of those that were not used for longest.
    pub(super) fn make_room(&self) {
        let mut plans = self.0.borrow_mut();
        while MAX_PLANS <= plans.len() || MAX_PLAN_BYTES < n_bytes(&plans) {
            plans.remove(0);
        }
    }

    /// Keeps a new plan, which is in use first.
    pub(super) fn add(&self, program: Program, plan: Plan) -> InUse<'_> {
        InUse { plans: self, ready: Some(Ready { hash: hash(&program), program, plan }) }
    }

    /// Forgets the plans.
    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    /// Memory that they hold, bytes.
    pub(super) fn n_bytes(&self) -> u64 {
        n_bytes(&self.0.borrow())
    }
}

fn n_bytes(plans: &[Ready]) -> u64 {
    plans.iter().map(|ready| ready.plan.n_bytes()).sum()
}

fn hash(program: &Program) -> u64 {
    let mut hasher = DefaultHasher::new();
    program.hash(&mut hasher);
    hasher.finish()
}

impl InUse<'_> {
    pub(super) fn plan(&self) -> &Plan {
        &self.ready.as_ref().expect("it is in use until the end").plan
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.plans.0.borrow_mut().extend(self.ready.take());
    }
}
