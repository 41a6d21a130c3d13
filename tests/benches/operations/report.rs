//! The figures beside the goals of docs/performance.md, as tables in Markdown.

use std::fmt;

use integration::DatabaseKind;

use crate::load::Cost;

/// Where a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

use Goal::{AtLeast, AtMost};

/// What was measured on one database.
pub(crate) struct Report {
    kind: DatabaseKind,
    figures: Vec<Figure>,
    costs: Vec<(String, Cost)>,
}

struct Figure {
    what: String,
    unit: &'static str,
    measured: f64,
    goal: Option<Goal>,
}

impl Report {
    pub(crate) fn of(kind: DatabaseKind) -> Self {
        Self {
            kind,
            figures: Vec::new(),
            costs: Vec::new(),
        }
    }

    pub(crate) fn figure(
        &mut self,
        what: impl Into<String>,
        unit: &'static str,
        measured: f64,
        goal: impl Into<Option<Goal>>,
    ) {
        self.figures.push(Figure {
            what: what.into(),
            unit,
            measured,
            goal: goal.into(),
        });
    }

    /// An operation, and the server CPU that it should stay within.
    pub(crate) fn cost(
        &mut self,
        what: impl Into<String>,
        cost: Cost,
        milliseconds: impl Into<Option<f64>>,
    ) {
        let what = what.into();
        let goal = milliseconds.into().map(AtMost);
        self.figure(format!("{what}: server CPU"), "ms", cost.server_ms, goal);
        self.costs.push((what, cost));
    }

    /// What one operation costs now, server and database together, against what it did when there was less.
    pub(crate) fn growth(&mut self, what: impl Into<String>, less: Cost, more: Cost, at_most: f64) {
        let what = what.into();
        let ratio = more.all_cpu_ms() / less.all_cpu_ms();
        self.figure(what.clone(), "×", ratio, AtMost(at_most));
        self.costs.push((what, more));
    }

    fn goals(&self) -> impl Iterator<Item = bool> {
        self.figures.iter().filter_map(Figure::met)
    }
}

impl Figure {
    fn met(&self) -> Option<bool> {
        Some(match self.goal? {
            AtMost(limit) => self.measured <= limit,
            AtLeast(limit) => self.measured >= limit,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n### On {:?}\n", self.kind)?;
        writeln!(
            f,
            "| what | measured | goal | |\n| --- | ---: | ---: | --- |"
        )?;
        for figure in &self.figures {
            let Figure { what, unit, .. } = figure;
            let measured = Number(figure.measured);
            let goal = match figure.goal {
                Some(AtMost(limit)) => format!("≤ {} {unit}", Number(limit)),
                Some(AtLeast(limit)) => format!("≥ {} {unit}", Number(limit)),
                None => String::new(),
            };
            let met = match figure.met() {
                Some(true) => "met",
                Some(false) => "**not met**",
                None => "",
            };
            writeln!(f, "| {what} | {measured} {unit} | {goal} | {met} |")?;
        }
        let (met, all) = (
            self.goals().filter(|met| *met).count(),
            self.goals().count(),
        );
        writeln!(f, "\n{met} of {all} goals are met.\n")?;

        writeln!(
            f,
            "| per operation | runs | per second | median | p99 | server CPU | database CPU | statements | durable commits | relaxed |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        )?;
        for (what, cost) in &self.costs {
            let database = cost.database_ms.map(|ms| format!("{} ms", Number(ms)));
            let asked = cost.asked;
            writeln!(
                f,
                "| {what} | {} | {:.0} | {} ms | {} ms | {} ms | {} | {:.2} | {:.2} | {:.2} |",
                cost.operations,
                cost.per_second,
                Number(cost.latency.median_ms),
                Number(cost.latency.p99_ms),
                Number(cost.server_ms),
                database.unwrap_or_default(),
                asked.statements,
                asked.durable_commits,
                asked.relaxed_commits,
            )?;
        }
        Ok(())
    }
}

/// With three digits that mean something.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value) = *self;
        let digits = match value {
            100.0.. => 0,
            10.0.. => 1,
            1.0.. => 2,
            _ => 3,
        };
        write!(f, "{value:.digits$}")
    }
}
