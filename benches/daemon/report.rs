//! From outcomes to the table that is printed.

use std::io::Write;
use std::time::Duration;

use crate::cases::{Group, Role, Row};
use crate::failure::Result;
use crate::host::Installation;
use crate::options::Options;
use crate::sender::Figures;
use crate::table::Table;

/// One measurement.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Fed.
    pub messages: u64,
    /// How many copies of a message there should be, over all receivers.
    pub copies: u64,
    /// Copies that arrived, each counted once.
    pub delivered: u64,
    pub lost: u64,
    /// Copies that nobody sent.
    pub extra: u64,
    /// From the first message fed to the last one that came out.
    pub elapsed: Duration,
    /// rsyslogd's, in that time.
    pub cpu: Duration,
    /// Bytes.
    pub peak_rss: u64,
    pub latency: Option<Latency>,
    pub notes: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
pub struct Latency {
    pub p50: Duration,
    pub p99: Duration,
}

impl Outcome {
    /// Messages a second that came out with all their copies.
    fn rate(&self) -> f64 {
        self.delivered as f64 / self.copies as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Microseconds of rsyslogd's CPU time per message fed.
    fn cpu_per_message(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.messages as f64
    }

    /// The same without rsyslog's own share.
    fn cpu_over(&self, reference: &Self) -> f64 {
        self.cpu_per_message() - reference.cpu_per_message()
    }

    /// The same per copy that arrived.
    fn cpu_per_copy(&self, reference: &Self) -> f64 {
        self.cpu_over(reference) * self.messages as f64 / self.delivered.max(1) as f64
    }

    fn lost_share(&self) -> f64 {
        100.0 * self.lost as f64 / (self.messages * self.copies) as f64
    }
}

const MIB: f64 = 1024.0 * 1024.0;

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (rate, cpu, rss) = (self.rate(), self.cpu_per_message(), self.peak_rss as f64 / MIB);
        write!(f, "{rate:.0}/s, {cpu:.2} us of CPU, {rss:.0} MiB, lost {}, extra {}", self.lost, self.extra)?;
        if let Some(latency) = self.latency {
            write!(f, ", p50 {:?}, p99 {:?}", latency.p50, latency.p99)?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}

/// Median and extremes.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            *values.get(middle)?
        } else {
            (values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0
        };
        Some(Self { median, least: *values.first()?, most: *values.last()? })
    }

    fn ratio(self) -> String {
        format!("{:.2} ({:.2}..{:.2})", self.median, self.least, self.most)
    }
}

fn shown(spread: Option<Spread>, text: impl Fn(Spread) -> String) -> String {
    spread.map_or_else(|| "-".to_owned(), text)
}

/// Pairs of outcomes of the same round.
fn together<'a>(one: &'a Row, other: &'a Row) -> impl Iterator<Item = (&'a Outcome, &'a Outcome)> {
    one.outcomes.iter().zip(&other.outcomes).filter_map(|(one, other)| one.as_ref().zip(other.as_ref()))
}

fn spread_of_ratio(one: &Row, other: &Row, figure: impl Fn(&Outcome) -> f64) -> String {
    shown(Spread::of(together(one, other).map(|(one, other)| figure(one) / figure(other))), Spread::ratio)
}

pub struct Report {
    notes: Vec<String>,
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{}, {cores} cores", name.trim_start_matches([' ', '\t', ':']))
}

impl Report {
    pub fn begin(options: &Options, installation: &Installation) -> Result<Self> {
        let (major, minor, patch) = rsyslog_zmq::sys::zmq::version();
        let date = std::process::Command::new("date").args(["-u", "+%F"]).output()?.stdout;
        writeln!(
            std::io::stdout(),
            "{}: rsyslog {}, libzmq {major}.{minor}.{patch}, {}; {} rounds of {} messages\n",
            String::from_utf8_lossy(&date).trim(),
            installation.version,
            processor(),
            options.pairs,
            options.messages
        )?;
        if !installation.has(crate::host::Pair::Distribution) {
            writeln!(std::io::stdout(), "The distribution's pair is not installed: ours is measured alone.\n")?;
        }
        Ok(Self { notes: Vec::new() })
    }

    /// Prints one group.
    pub fn group(&mut self, group: &Group, rows: &[Row]) -> Result<()> {
        let reference = rows.iter().find(|row| row.member.role == Role::Reference);
        let table = if rows.iter().flat_map(|row| row.outcomes.iter().flatten()).any(|o| o.latency.is_some()) {
            latency_table(rows)
        } else {
            cost_table(rows, reference.filter(|_| group.subtracts_reference()))
        };
        writeln!(std::io::stdout(), "### {}\n\n{table}", group.name)?;
        for row in rows {
            let failed = row.outcomes.iter().filter(|outcome| outcome.is_none()).count();
            if failed > 0 {
                self.notes.push(format!("{}, {}: {failed} measurements failed", group.name, row.member.label));
            }
            let notes = row.outcomes.iter().flatten().flat_map(|outcome| &outcome.notes);
            self.notes.extend(notes.map(|note| format!("{}, {}: {note}", group.name, row.member.label)));
        }
        Ok(())
    }

    /// Prints what a sender without a daemon does.
    pub fn senders(&mut self, name: &str, figures: &[(&'static str, Figures)]) -> Result<()> {
        let mut table = Table::new(&["who", "", "records/s"]);
        for (who, rates) in figures {
            let range = |s: Spread| format!("{:.0} ({:.0}..{:.0})", s.median, s.least, s.most);
            table.push(vec![who.to_string(), String::new(), shown(Spread::of(rates.iter().copied()), range)]);
        }
        let libzmq = figures.first();
        for (who, rates) in figures.iter().skip(1) {
            let Some((base, base_rates)) = libzmq else { continue };
            let ratios = rates.iter().zip(base_rates).map(|(rate, base)| rate / base);
            table.push(vec![format!("{who} / {base}"), String::new(), shown(Spread::of(ratios), Spread::ratio)]);
        }
        writeln!(std::io::stdout(), "### {name}\n\n{table}")?;
        Ok(())
    }

    pub fn end(self) -> Result<()> {
        for note in self.notes {
            writeln!(std::io::stdout(), "- {note}")?;
        }
        Ok(())
    }
}

fn cost_table(rows: &[Row], null: Option<&Row>) -> Table {
    let mut table = Table::new(&[
        "who",
        "",
        "messages/s",
        "CPU us/message",
        "less null",
        "less null, per copy",
        "lost",
        "extra",
        "peak RSS",
    ]);
    for row in rows {
        let all = || row.outcomes.iter().flatten();
        let over = |figure: fn(&Outcome, &Outcome) -> f64| {
            let null = null.filter(|null| null.member.label != row.member.label);
            let spread = null.and_then(|null| Spread::of(together(row, null).map(|(own, null)| figure(own, null))));
            shown(spread, |spread| format!("{:.2}", spread.median))
        };
        let lost = shown(Spread::of(all().map(Outcome::lost_share)), |s| {
            if s.most == 0.0 { "0".to_owned() } else { format!("{:.1} ({:.1}..{:.1}) %", s.median, s.least, s.most) }
        });
        table.push(vec![
            row.member.label.to_owned(),
            String::new(),
            shown(Spread::of(all().map(Outcome::rate)), |s| format!("{:.0}", s.median)),
            shown(Spread::of(all().map(Outcome::cpu_per_message)), |s| format!("{:.2}", s.median)),
            over(Outcome::cpu_over),
            over(Outcome::cpu_per_copy),
            lost,
            shown(Spread::of(all().map(|o| o.extra as f64)), |s| format!("{:.0}", s.most)),
            shown(Spread::of(all().map(|o| o.peak_rss as f64 / MIB)), |s| format!("{:.0} MiB", s.most)),
        ]);
    }
    for (ours, other) in comparisons(rows) {
        let over = |figure: fn(&Outcome, &Outcome) -> f64| {
            let Some(null) = null.filter(|_| other.member.role == Role::Theirs) else { return "-".to_owned() };
            // Three measurements of one round each.
            let ratios = together(ours, null).zip(together(other, null));
            let ratio = |((own, null), (their, _)): ((&Outcome, &Outcome), (&Outcome, &Outcome))| {
                figure(own, null) / figure(their, null)
            };
            let is_whole = [ours, other, null].iter().all(|row| row.outcomes.iter().all(Option::is_some));
            shown(is_whole.then(|| Spread::of(ratios.map(ratio))).flatten(), Spread::ratio)
        };
        table.push(vec![
            ours.member.label.to_owned(),
            format!("/ {}", other.member.label),
            spread_of_ratio(ours, other, Outcome::rate),
            spread_of_ratio(ours, other, Outcome::cpu_per_message),
            over(Outcome::cpu_over),
            over(Outcome::cpu_per_copy),
            String::new(),
            String::new(),
            spread_of_ratio(ours, other, |outcome| outcome.peak_rss as f64),
        ]);
    }
    table
}

fn latency_table(rows: &[Row]) -> Table {
    let mut table = Table::new(&["who", "", "p50", "p99", "CPU us/message", "lost"]);
    let p50 = |outcome: &Outcome| outcome.latency.map_or(f64::NAN, |latency| latency.p50.as_secs_f64() * 1e6);
    let p99 = |outcome: &Outcome| outcome.latency.map_or(f64::NAN, |latency| latency.p99.as_secs_f64() * 1e6);
    for row in rows {
        let all = || row.outcomes.iter().flatten();
        let microseconds = |s: Spread| format!("{:.0} us", s.median);
        table.push(vec![
            row.member.label.to_owned(),
            String::new(),
            shown(Spread::of(all().map(p50)), microseconds),
            shown(Spread::of(all().map(p99)), microseconds),
            shown(Spread::of(all().map(Outcome::cpu_per_message)), |s| format!("{:.2}", s.median)),
            shown(Spread::of(all().map(|o| o.lost as f64)), |s| format!("{:.0}", s.most)),
        ]);
    }
    for (ours, other) in comparisons(rows) {
        table.push(vec![
            ours.member.label.to_owned(),
            format!("/ {}", other.member.label),
            spread_of_ratio(ours, other, p50),
            spread_of_ratio(ours, other, p99),
            spread_of_ratio(ours, other, Outcome::cpu_per_message),
            String::new(),
        ]);
    }
    table
}

/// Each of ours with the C pair and with the reference.
fn comparisons(rows: &[Row]) -> impl Iterator<Item = (&Row, &Row)> {
    let ours = rows.iter().filter(|row| row.member.role == Role::Ours);
    ours.flat_map(move |own| {
        let others = [Role::Theirs, Role::Reference];
        let find = move |role| rows.iter().find(move |row| row.member.role == role);
        others.into_iter().filter_map(find).map(move |other| (own, other))
    })
}
