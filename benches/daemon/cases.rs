//! Who is measured beside whom.

use std::io::Write;

use crate::failure::{Failure, Result};
use crate::host::{Installation, Pair};
use crate::input::{self, Entry};
use crate::latency;
use crate::options::Options;
use crate::output::{self, Route};
use crate::report::Outcome;

/// What one measurement runs.
#[derive(Clone, Copy, Debug)]
enum Contestant {
    Output(output::Setup),
    Input(input::Setup),
    Latency(Pair),
}

impl Contestant {
    fn pair(self) -> Pair {
        match self {
            Self::Output(setup) => setup.pair,
            Self::Input(setup) => setup.pair,
            Self::Latency(pair) => pair,
        }
    }

    fn measure(self, options: &Options, installation: &Installation) -> Result<Outcome> {
        match self {
            Self::Output(setup) => output::measure(setup, options, installation),
            Self::Input(setup) => input::measure(setup, options, installation),
            Self::Latency(pair) => latency::measure(pair, options, installation),
        }
    }
}

/// What a contestant is compared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// rsyslog without us: the action that does nothing, or imptcp.
    Reference,
    Theirs,
    Ours,
}

#[derive(Clone, Debug)]
pub struct Member {
    /// As in `--only`.
    pub case: String,
    pub label: &'static str,
    pub role: Role,
    contestant: Contestant,
}

/// Contestants that are measured one right after the other.
#[derive(Clone, Debug)]
pub struct Group {
    pub name: String,
    pub members: Vec<Member>,
}

impl Group {
    /// Whether the reference's cost is part of everybody's.
    pub fn subtracts_reference(&self) -> bool {
        self.members.iter().any(|member| member.label == "null")
    }
}

/// One member's outcomes, round by round; `None`: that one failed.
pub struct Row {
    pub member: Member,
    pub outcomes: Vec<Option<Outcome>>,
}

fn output_group(name: &str, route: Route, has_curve: bool, has_packed: bool) -> Group {
    let setup = |pair, route, is_packed| Contestant::Output(output::Setup { pair, route, has_curve, is_packed });
    let null =
        Contestant::Output(output::Setup { pair: Pair::Ours, route: Route::Null, has_curve: false, is_packed: false });
    let mut members = vec![
        member(name, "null", Role::Reference, null),
        member(name, "C", Role::Theirs, setup(Pair::Distribution, route, false)),
        member(name, "ours", Role::Ours, setup(Pair::Ours, route, false)),
    ];
    if has_packed {
        let packed = setup(Pair::Ours, route, true);
        members.push(member(&format!("{name}-packed"), "ours, packed", Role::Ours, packed));
    }
    Group { name: name.to_owned(), members }
}

/// The same three subscribers also after a fourth one was cut off.
fn pub3_group() -> Group {
    let mut group = output_group("pub3", Route::Pub { subscribers: 3 }, false, false);
    let route = Route::PubAfterCutOff { subscribers: 3 };
    let setup = output::Setup { pair: Pair::Ours, route, has_curve: false, is_packed: false };
    group.members.push(member("pub3-stuck", "ours, a 4th cut off", Role::Ours, Contestant::Output(setup)));
    group
}

fn input_group(name: &str, entry: Entry, has_curve: bool, has_packed: bool, shape: (usize, usize)) -> Group {
    let (senders, size) = shape;
    let setup = |pair, entry, is_packed| {
        let has_curve = has_curve && entry != Entry::Imptcp;
        Contestant::Input(input::Setup { pair, entry, has_curve, is_packed, senders, size })
    };
    let mut members = vec![
        member(name, "imptcp", Role::Reference, setup(Pair::Ours, Entry::Imptcp, false)),
        member(name, "C", Role::Theirs, setup(Pair::Distribution, entry, false)),
        member(name, "ours", Role::Ours, setup(Pair::Ours, entry, false)),
    ];
    if has_packed {
        let packed = setup(Pair::Ours, entry, true);
        members.push(member(&format!("{name}-packed"), "ours, packed", Role::Ours, packed));
    }
    let plural = if senders == 1 { "" } else { "s" };
    Group { name: format!("{name}, {senders} sender{plural}, {size} bytes"), members }
}

fn member(case: &str, label: &'static str, role: Role, contestant: Contestant) -> Member {
    Member { case: case.to_owned(), label, role, contestant }
}

/// Everything that is to be measured, in the report's order.
pub fn groups(options: &Options) -> Vec<Group> {
    let mut groups = vec![
        output_group("push", Route::Push, false, true),
        output_group("push-curve", Route::Push, true, true),
        output_group("pub", Route::Pub { subscribers: 1 }, false, false),
        pub3_group(),
        output_group("pub-dynatopic2", Route::PubDynamic, false, true),
        Group {
            name: "latency".to_owned(),
            members: vec![
                member("latency", "C", Role::Theirs, Contestant::Latency(Pair::Distribution)),
                member("latency", "ours", Role::Ours, Contestant::Latency(Pair::Ours)),
            ],
        },
    ];
    for &shape in &options.shapes {
        groups.push(input_group("pull", Entry::Pull, false, true, shape));
    }
    for &shape in &options.shapes {
        groups.push(input_group("pull-curve", Entry::Pull, true, true, shape));
    }
    for &shape in &options.shapes {
        groups.push(input_group("sub", Entry::Sub, false, false, shape));
    }
    for group in &mut groups {
        // The reference and the C pair are measured for whichever of ours is.
        group.members.retain(|member| member.role != Role::Ours || options.wants(&member.case));
    }
    groups.retain(|group| group.members.iter().any(|member| member.role == Role::Ours));
    groups
}

/// Measures a group, all its members in each round. `None`: none of ours can be measured.
pub fn measure(group: &Group, options: &Options, installation: &Installation) -> Result<Option<Vec<Row>>> {
    let mut stderr = std::io::stderr();
    let mut rows: Vec<Row> = Vec::new();
    for member in &group.members {
        if installation.has(member.contestant.pair()) {
            rows.push(Row { member: member.clone(), outcomes: Vec::new() });
        }
    }
    for round in 0..options.pairs {
        // What comes first in one round comes last in another.
        let count = rows.len();
        let mut refused = Vec::new();
        for turn in 0..count {
            let index = if round % 2 == 0 { turn } else { count - 1 - turn };
            let Some(row) = rows.get_mut(index) else { continue };
            let result = row.member.contestant.measure(options, installation);
            let who = format!("{} {} {}/{}", group.name, row.member.label, round + 1, options.pairs);
            match &result {
                Ok(outcome) => writeln!(stderr, "{who}: {outcome}")?,
                Err(failure) => writeln!(stderr, "{who}: {failure}")?,
            }
            if matches!(result, Err(Failure::Refused(_))) {
                refused.push(row.member.case.clone());
            }
            row.outcomes.push(result.ok());
        }
        for case in refused {
            writeln!(stderr, "{case} is skipped")?;
            rows.retain(|row| row.member.role != Role::Ours || row.member.case != case);
        }
        if !rows.iter().any(|row| row.member.role == Role::Ours) {
            return Ok(None);
        }
    }
    Ok(Some(rows))
}
