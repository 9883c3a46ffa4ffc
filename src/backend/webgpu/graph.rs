//! What was asked for and not yet computed: a graph of values, each with what it is made from.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::{Rc, Weak},
};

use super::{
    memory::Storage,
    plan::Places,
    program::{Id, Op, Program, Value},
};

/// A value, computed or not. Clones share it.
#[derive(Clone, Debug)]
pub struct GpuTensor {
    shape: Vec<usize>,
    node: Rc<Node>,
    /// Counts the handles, so that a plan knows what somebody may still look at.
    _held: Rc<()>,
}

/// A value of the graph.
#[derive(Debug)]
pub(super) struct Node {
    /// When it was asked for.
    nth: u64,
    op: Op,
    len: usize,
    state: RefCell<State>,
    held: Weak<()>,
}

#[derive(Debug)]
enum State {
    Pending { inputs: Vec<Rc<Node>>, rows: Option<Rc<[u32]>> },
    Ready(Storage),
}

impl GpuTensor {
    fn new(nth: u64, op: Op, shape: Vec<usize>, state: State) -> Self {
        let held = Rc::new(());
        let len = shape.iter().product();
        let node = Node { nth, op, len, state: RefCell::new(state), held: Rc::downgrade(&held) };
        Self { shape, node: Rc::new(node), _held: held }
    }

    /// A value that is to be made from `inputs`.
    pub(super) fn pending(nth: u64, op: Op, inputs: &[&Self], shape: Vec<usize>) -> Self {
        let inputs = inputs.iter().map(|input| Rc::clone(&input.node)).collect();
        Self::new(nth, op, shape, State::Pending { inputs, rows: None })
    }

    /// A value that is to be made from `inputs` and a list of rows.
    pub(super) fn with_rows(nth: u64, op: Op, inputs: &[&Self], rows: &[u32], shape: Vec<usize>) -> Self {
        let inputs = inputs.iter().map(|input| Rc::clone(&input.node)).collect();
        Self::new(nth, op, shape, State::Pending { inputs, rows: Some(rows.into()) })
    }

    /// A value that is on the device.
    pub(super) fn ready(nth: u64, storage: Storage, shape: Vec<usize>) -> Self {
        Self::new(nth, Op::Given, shape, State::Ready(storage))
    }

    /// The same values under another shape.
    pub(super) fn reshaped(&self, shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), ..self.clone() }
    }

    /// What is on the device, buffer by buffer, as values of their own; what is not yet there, as one.
    pub(super) fn pieces(&self, mut nth: impl FnMut() -> u64) -> Vec<Self> {
        let State::Ready(storage) = &*self.node.state.borrow() else { return vec![self.clone()] };
        let pieces = storage.pieces().into_iter();
        pieces.map(|piece| Self::ready(nth(), piece.clone(), vec![piece.len()])).collect()
    }

    /// Lengths of the axes.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Size of the last axis.
    pub(super) fn last(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.node.len
    }
}

/// What must be computed, as data, and where its inputs are.
#[derive(Debug, Default)]
pub(super) struct Lowered {
    pub(super) program: Program,
    /// Values on the device.
    pub(super) given: Places,
    /// For each operation that comes with a list of them, in order.
    pub(super) rows: Vec<Rc<[u32]>>,
    /// Which of its values was asked for.
    wanted: Vec<Id>,
    nodes: Vec<Rc<Node>>,
}

impl Lowered {
    /// Everything that `wanted` needs and that is not yet computed.
    pub(super) fn new(wanted: &[&GpuTensor]) -> Self {
        let nodes = needed(wanted);
        let ids: BTreeMap<u64, usize> = nodes.iter().zip(0..).map(|(node, id)| (node.nth, id)).collect();
        let wanted = wanted.iter().map(|tensor| ids[&tensor.node.nth]).collect();
        let mut lowered = Self { wanted, ..Self::default() };
        for (id, node) in nodes.iter().enumerate() {
            let (mut op, mut from) = (Op::Given, vec![]);
            match &*node.state.borrow() {
                State::Ready(storage) => {
                    lowered.given.insert(id, storage.clone());
                }
                State::Pending { inputs, rows } => {
                    op = node.op.clone();
                    from = inputs.iter().map(|input| ids[&input.nth]).collect();
                    lowered.rows.extend(rows.clone());
                }
            }
            let is_kept = op != Op::Given && 0 < node.held.strong_count();
            lowered.program.values.push(Value { op, inputs: from, len: node.len, is_kept });
        }
        Self { nodes, ..lowered }
    }

    /// Where the values are that were asked for, once those that are `kept` are there.
    pub(super) fn found(&self, kept: &Places) -> Vec<Storage> {
        let place = |id: &Id| kept.get(id).or_else(|| self.given.get(id)).cloned();
        self.wanted.iter().map(|id| place(id).expect("what is held is kept, and so computed")).collect()
    }

    /// Notes where kept values are, and forgets how they were made.
    pub(super) fn settle(&self, kept: &Places) {
        for (id, storage) in kept {
            *self.nodes[*id].state.borrow_mut() = State::Ready(storage.clone());
        }
    }
}

/// The nodes of a graph down to what is on the device, in the order in which they were asked for.
fn needed(wanted: &[&GpuTensor]) -> Vec<Rc<Node>> {
    let mut found: BTreeMap<u64, Rc<Node>> = BTreeMap::new();
    let mut open: Vec<Rc<Node>> = wanted.iter().map(|tensor| Rc::clone(&tensor.node)).collect();
    while let Some(node) = open.pop() {
        if found.contains_key(&node.nth) {
            continue;
        }
        if let State::Pending { inputs, .. } = &*node.state.borrow() {
            open.extend(inputs.iter().map(Rc::clone));
        }
        found.insert(node.nth, Rc::clone(&node));
    }
    found.into_values().collect()
}
