//! Who may connect: everybody, or the keys whose certificates stand in a directory tree.
//!
//! The tree is looked at once a second, for the connections that exist, and at a handshake whose answer the last look may not
//! know: that of a key which is not listed, or whose own file has changed. Looks at handshakes have a budget of time; a
//! handshake beyond it waits for the next look, so each answer is as new as its question. A file is read again when anything
//! about it differs: its device, inode, size, mtime or ctime. What cannot be read admits nobody. One thread at a time uses
//! an [`AllowList`]; the authenticator's does.
//!
//! Only what a look has seen revokes a key: while this process is out of descriptors or memory nobody is admitted, but the
//! connections that exist stay.

use crate::curve::keys::PublicKey;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

mod budget;
mod changes;
mod file;
mod inspection;
mod tree;

#[cfg(test)]
mod tests;

use budget::Budget;
pub use changes::{Changes, Notice};
use file::{Content, KnownFile, Listed, read};
pub use inspection::{Finding, inspect};
use tree::Unreadable;

/// How often the directory is looked at where no handshake asks for it.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// So many removed keys are remembered by name, for the texts of later denials.
const FORMER_KEYS: usize = 1024;

/// The rule for one ZAP domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// Every client that could prove to own some key.
    Anyone,
    /// The public certificates below this directory.
    Directory(PathBuf),
}

/// What an allow list says about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Admitted.
    Allowed {
        /// The certificate's `name`, or the file's; `None` where everybody is admitted.
        name: Option<Arc<str>>,
        /// What the certificate says about its owner.
        metadata: Arc<[(String, String)]>,
    },
    /// No certificate has this key.
    NotListed,
    /// The directory cannot be read: nobody is admitted.
    DirectoryUnavailable(String),
    /// It cannot be read at the moment for want of resources: nobody is admitted, and trying again later may help.
    Shortage(String),
    /// The next look, within a second, will tell: this one would cost too much now.
    Pending,
}

/// A policy and what is known of its directory. Touches no disk before it is first asked.
#[derive(Debug)]
pub struct AllowList {
    policy: Policy,
    files: BTreeMap<PathBuf, KnownFile>,
    keys: HashMap<PublicKey, Arc<Listed>>,
    former: HashMap<PublicKey, Arc<str>>,
    skipped: BTreeMap<PathBuf, String>,
    /// What the present look could not look at.
    problems: Vec<(PathBuf, String)>,
    unavailable: Option<Unreadable>,
    /// When the last look began and ended.
    looked: Option<(Instant, Instant)>,
    budget: Budget,
    changes: Changes,
    look_count: u64,
    #[cfg(test)]
    pub(crate) panics_when_asked: bool,
    /// Instead of what a look takes.
    #[cfg(test)]
    look_takes: Option<Duration>,
}

impl AllowList {
    /// A list that has not looked at its directory yet.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            files: BTreeMap::new(),
            keys: HashMap::new(),
            former: HashMap::new(),
            skipped: BTreeMap::new(),
            problems: Vec::new(),
            unavailable: None,
            looked: None,
            budget: Budget::default(),
            changes: Changes::default(),
            look_count: 0,
            #[cfg(test)]
            panics_when_asked: false,
            #[cfg(test)]
            look_takes: None,
        }
    }

    /// The policy it was made for.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether this key is admitted now. Looks at the directory if the last look is a second old, or if it may not know.
    pub fn check(&mut self, key: &PublicKey) -> Decision {
        self.check_at(key, Instant::now())
    }

    fn check_at(&mut self, key: &PublicKey, now: Instant) -> Decision {
        #[cfg(test)]
        assert!(!self.panics_when_asked, "asked to panic");
        if !self.look_if_due_at(now) && !self.is_certain_of(key) {
            if !self.budget.has_some(now) {
                return Decision::Pending;
            }
            let spent = self.look_at(now, false);
            self.budget.charge(now, spent);
        }
        self.decide(key)
    }

    /// What a look that began after this moment has found; [`Decision::Pending`] before there was one.
    #[must_use]
    pub fn check_since(&self, key: &PublicKey, asked: Instant) -> Decision {
        match (&self.policy, self.looked) {
            (Policy::Directory(_), Some((began, _))) if began < asked => Decision::Pending,
            (Policy::Directory(_), None) => Decision::Pending,
            _ => self.decide(key),
        }
    }

    fn decide(&self, key: &PublicKey) -> Decision {
        if self.policy == Policy::Anyone {
            return Decision::Allowed { name: None, metadata: Arc::new([]) };
        }
        match &self.unavailable {
            Some(Unreadable { reason, is_shortage: true }) => return Decision::Shortage(reason.clone()),
            Some(Unreadable { reason, is_shortage: false }) => return Decision::DirectoryUnavailable(reason.clone()),
            None => {}
        }
        match self.keys.get(key) {
            Some(listed) => {
                Decision::Allowed { name: Some(listed.name.clone()), metadata: Arc::clone(&listed.metadata) }
            }
            None => Decision::NotListed,
        }
    }

    /// Whether the last look still holds for this key: it is listed, and its file is what it was. For any other key a file
    /// may have been added or written since, which no number of the directory's tells where it was written in place.
    fn is_certain_of(&mut self, key: &PublicKey) -> bool {
        let Policy::Directory(root) = &self.policy else { return true };
        let Some(listed) = self.keys.get(key).filter(|_| self.unavailable.is_none()) else { return false };
        self.files.get_mut(&listed.path).is_some_and(|file| file.still_has(listed, root))
    }

    /// Looks at the directory if the last look is a second old.
    pub fn look_if_due(&mut self) {
        self.look_if_due_at(Instant::now());
    }

    fn look_if_due_at(&mut self, now: Instant) -> bool {
        // From its end on: a slow disk is not asked without a pause.
        let is_due = self.looked.is_none_or(|(_, ended)| now.saturating_duration_since(ended) >= LOOK_INTERVAL);
        if is_due {
            self.look_at(now, false);
        }
        is_due
    }

    /// Looks, and says how long it took.
    fn look_at(&mut self, now: Instant, read_all: bool) -> Duration {
        let began = Instant::now();
        self.look(read_all);
        let spent = began.elapsed();
        #[cfg(test)]
        let spent = self.look_takes.unwrap_or(spent);
        self.looked = Some((now, now + spent));
        spent
    }

    /// How long until a look is due; `None` where there is no directory to look at.
    #[must_use]
    pub fn next_look(&self) -> Option<Duration> {
        match (&self.policy, self.looked) {
            (Policy::Anyone, _) => None,
            (Policy::Directory(_), None) => Some(Duration::ZERO),
            (Policy::Directory(_), Some((_, ended))) => Some(LOOK_INTERVAL.saturating_sub(ended.elapsed())),
        }
    }

    /// Reads every file again, now, and tells of each broken one again.
    pub fn reload(&mut self) {
        self.skipped.clear();
        self.look_at(Instant::now(), true);
    }

    /// Distrusts everything that was known: the next look reads it again. Removed keys are told of even so.
    pub fn distrust(&mut self) {
        self.files.clear();
        self.looked = None;
    }

    /// Takes the place of another list: the keys that only the other one admits are told of as removed. Nothing can be
    /// told where either of them admits everybody.
    pub fn replace(&mut self, other: &Self) {
        if self.policy == Policy::Anyone {
            return;
        }
        let lost = other.keys.iter().filter(|(key, _)| !self.keys.contains_key(key));
        let lost: Vec<_> = lost.map(|(key, listed)| (*key, Arc::clone(&listed.name))).collect();
        self.former.extend(lost.iter().take(FORMER_KEYS).cloned());
        self.changes.removed.extend(lost);
    }

    /// What happened since the last call.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// The name that a removed key had.
    #[must_use]
    pub fn former_name(&self, key: &PublicKey) -> Option<Arc<str>> {
        self.former.get(key).cloned()
    }

    /// How many keys are admitted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// No key is admitted by name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How often the directory was looked at so far.
    #[must_use]
    pub fn look_count(&self) -> u64 {
        self.look_count
    }

    /// Nothing is left for looks at handshakes, and the next regular look is so far away.
    #[cfg(test)]
    pub(crate) fn use_up_budget(&mut self, next_look: Duration) {
        let now = Instant::now();
        self.budget.charge(now, next_look + LOOK_INTERVAL);
        self.looked = Some((now, now + next_look.saturating_sub(LOOK_INTERVAL)));
    }

    fn look(&mut self, read_all: bool) {
        let Policy::Directory(root) = &self.policy else { return };
        let root = root.clone();
        self.look_count += 1;
        let seen = tree::walk(&root).and_then(|found| {
            self.problems = found.problems;
            self.read_changed(&root, found.files, read_all)
        });
        match seen {
            Ok(()) => {
                if self.unavailable.take().is_some() {
                    self.changes.notices.push(Notice::Back { path: root });
                }
                self.tell_skipped();
            }
            Err(unreadable) => self.tell_unavailable(root, unreadable),
        }
        self.index_keys();
    }

    fn tell_unavailable(&mut self, root: PathBuf, unreadable: Unreadable) {
        if !unreadable.is_shortage {
            self.files.clear();
        }
        if self.unavailable.as_ref() != Some(&unreadable) {
            self.changes.notices.push(Notice::Unavailable { path: root, reason: unreadable.reason.clone() });
            self.unavailable = Some(unreadable);
        }
    }

    /// A file that cannot be read for want of resources stays what it was, and so does everything after it.
    fn read_changed(&mut self, root: &Path, found: Vec<tree::Found>, read_all: bool) -> Result<(), Unreadable> {
        let mut known = std::mem::take(&mut self.files);
        let mut shortage = None;
        for file in found {
            let old = known.remove(&file.path);
            let is_unchanged = |old: &KnownFile| !read_all && old.identity == Some(file.identity);
            let state = match old {
                Some(old) if shortage.is_some() || is_unchanged(&old) => old,
                None if shortage.is_some() => continue,
                old => match read(root, &file.path) {
                    Ok(state) => state,
                    Err(error) => {
                        shortage = Some(Unreadable::new(root, &error));
                        let Some(old) = old else { continue };
                        KnownFile { identity: None, ..old }
                    }
                },
            };
            self.files.insert(file.path, state);
        }
        shortage.map_or(Ok(()), Err)
    }

    fn tell_skipped(&mut self) {
        let problems = std::mem::take(&mut self.problems);
        let broken = self.files.iter().filter_map(|(path, file)| match &file.content {
            Content::Broken(reason) => Some((path.clone(), reason.clone())),
            Content::Certificate(_) | Content::NoCertificate => None,
        });
        let skipped: BTreeMap<PathBuf, String> = problems.into_iter().chain(broken).collect();
        for (path, reason) in &skipped {
            if self.skipped.get(path) != Some(reason) {
                self.changes.notices.push(Notice::Skipped { path: path.clone(), reason: reason.clone() });
            }
        }
        self.skipped = skipped;
    }

    fn index_keys(&mut self) {
        let mut keys: HashMap<PublicKey, Arc<Listed>> = HashMap::new();
        for file in self.files.values() {
            if let Content::Certificate(listed) = &file.content {
                // The same key under two names is one key; the first name in order is its name.
                keys.entry(listed.key).or_insert_with(|| Arc::clone(listed));
            }
        }
        let removed = std::mem::replace(&mut self.keys, keys);
        for (key, listed) in removed {
            if self.keys.contains_key(&key) {
                continue;
            }
            self.changes.removed.push((key, Arc::clone(&listed.name)));
            if self.former.len() < FORMER_KEYS {
                self.former.insert(key, Arc::clone(&listed.name));
            }
        }
        if !self.former.is_empty() {
            self.former.retain(|key, _| !self.keys.contains_key(key));
        }
    }
}
