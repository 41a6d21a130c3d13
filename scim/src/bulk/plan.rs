//! The order of a bulk request's operations. No more of them are moved than references ask for, so that
//! what was written first is done first.

use std::collections::{BTreeSet, HashMap};

use super::{BulkOperation, references};

/// Something to do. Operations are named by their place in the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// `without`: the references that can't be known yet, as they go round in a circle.
    Do {
        operation: usize,
        without: BTreeSet<String>,
    },
    /// What the operation was done without is there now.
    Complete { operation: usize },
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Untouched,
    /// Waits for what it refers to.
    Open,
    Done,
}

pub(super) fn plan(operations: &[BulkOperation]) -> Vec<Step> {
    let creators = operations.iter().enumerate();
    let creators: HashMap<&str, usize> = creators
        .filter_map(|(index, operation)| Some((operation.creates()?, index)))
        .collect();
    let needs: Vec<BTreeSet<String>> = operations.iter().map(references::of).collect();
    let mut planner = Planner {
        operations,
        creators,
        needs,
        states: vec![State::Untouched; operations.len()],
        incomplete: Vec::new(),
        steps: Vec::new(),
    };
    for index in 0..operations.len() {
        planner.settle(index);
    }
    planner.steps
}

struct Planner<'a> {
    operations: &'a [BulkOperation],
    creators: HashMap<&'a str, usize>,
    needs: Vec<BTreeSet<String>>,
    states: Vec<State>,
    /// Planned operations and what they were done without.
    incomplete: Vec<(usize, BTreeSet<String>)>,
    steps: Vec<Step>,
}

impl Planner<'_> {
    /// Plans one operation and what it refers to. The stack is ours: a chain of references may be as long
    /// as the request.
    fn settle(&mut self, index: usize) {
        let mut stack = vec![index];
        while let Some(&top) = stack.last() {
            if self.states[top] == State::Done {
                stack.pop();
                continue;
            }
            self.states[top] = State::Open;
            let creators = self.needs[top].iter();
            let mut creators = creators.filter_map(|id| self.creators.get(id.as_str()));
            match creators.find(|creator| self.states[**creator] == State::Untouched) {
                Some(creator) => stack.push(*creator),
                None => {
                    stack.pop();
                    self.finish(top);
                }
            }
        }
    }

    fn finish(&mut self, index: usize) {
        let open = |id: &&String| {
            let creator = self.creators.get(id.as_str());
            creator.is_some_and(|creator| self.states[*creator] == State::Open)
        };
        let without: BTreeSet<String> = self.needs[index].iter().filter(open).cloned().collect();
        self.states[index] = State::Done;
        self.steps.push(Step::Do {
            operation: index,
            without: without.clone(),
        });
        if !without.is_empty() {
            self.incomplete.push((index, without));
        }
        let Some(made) = self.operations[index].creates() else {
            return;
        };
        for (operation, without) in &mut self.incomplete {
            without.remove(made);
            if without.is_empty() {
                let operation = *operation;
                self.steps.push(Step::Complete { operation });
            }
        }
        self.incomplete.retain(|(_, without)| !without.is_empty());
    }
}
