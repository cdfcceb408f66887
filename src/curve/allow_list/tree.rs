//! Finding the files of a directory tree and what they are told apart by.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Deeper is no allow list but a mistake.
const DEPTH_LIMIT: usize = 16;
/// So many files are looked at, at most: one look has to end.
const FILE_LIMIT: usize = 100_000;

/// The coarsest clock of a file system that keeps certificates (FAT counts in two seconds). A file that was changed
/// within it may be changed again without any of its numbers telling.
const CLOCK_GRAIN: Duration = Duration::from_secs(2);

/// The numbers that differ when a file was replaced or written: mtime alone can be set at will, ctime cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// `None` for a file so fresh that its next change could look the same.
    pub(super) fn if_settled(self, read_at: SystemTime) -> Option<Self> {
        let seconds = u64::try_from(self.changed.0).unwrap_or(0);
        let nanoseconds = u32::try_from(self.changed.1).unwrap_or(0);
        let changed = SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))?;
        read_at.duration_since(changed).ok().filter(|age| *age > CLOCK_GRAIN).map(|_| self)
    }
}

/// A file that may be a certificate.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
}

/// What a tree holds.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<Found>,
    /// What could not be looked at, and why.
    pub(super) problems: Vec<(PathBuf, String)>,
}

/// Why a tree cannot be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) reason: String,
    /// It is this process that lacks something, which says nothing about the tree.
    pub(super) is_shortage: bool,
}

impl Unreadable {
    pub(super) fn new(root: &Path, error: &io::Error) -> Self {
        let reason = format!("cannot read the directory {root:?}: {error}");
        Self { reason, is_shortage: is_shortage(error) }
    }
}

/// Whether an error is about this process or machine instead of the file. Any client that may connect can bring one about: each
/// connection takes a descriptor.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
}

/// Finds the regular files below `root`, in the order of their names: no hidden ones, no `*_secret`. Symlinks are
/// followed, each directory is entered once. An error means that the root itself cannot be read, or not all of it for want
/// of resources.
pub(super) fn walk(root: &Path) -> Result<Tree, Unreadable> {
    let mut walk = Walk { tree: Tree::default(), entered: HashSet::new(), is_full: false, shortage: None };
    walk.enter(root, 0).map_err(|error| Unreadable::new(root, &error))?;
    match walk.shortage {
        Some(error) => Err(Unreadable::new(root, &error)),
        None => Ok(walk.tree),
    }
}

struct Walk {
    tree: Tree,
    /// Device and inode of every directory so far: a loop of symlinks ends here.
    entered: HashSet<(u64, u64)>,
    is_full: bool,
    shortage: Option<io::Error>,
}

impl Walk {
    fn problem(&mut self, path: PathBuf, error: io::Error) {
        if is_shortage(&error) {
            self.shortage = Some(error);
        } else {
            self.tree.problems.push((path, error.to_string()));
        }
    }

    fn enter(&mut self, directory: &Path, depth: usize) -> io::Result<()> {
        let metadata = fs::metadata(directory)?;
        if !self.entered.insert((metadata.dev(), metadata.ino())) {
            return Ok(());
        }
        let mut names = fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.retain(|name| !name.as_bytes().starts_with(b".") && !name.as_bytes().ends_with(b"_secret"));
        names.sort();
        names.iter().for_each(|name| self.visit(directory.join(name), depth));
        Ok(())
    }

    fn visit(&mut self, path: PathBuf, depth: usize) {
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => {
                // Gone since its name was read is no problem; a symlink to nowhere is one.
                if path.symlink_metadata().is_ok() || error.kind() != io::ErrorKind::NotFound {
                    self.problem(path, error);
                }
                return;
            }
        };
        if metadata.is_dir() && depth >= DEPTH_LIMIT {
            self.tree.problems.push((path, format!("more than {DEPTH_LIMIT} directories deep")));
        } else if metadata.is_dir() {
            if let Err(error) = self.enter(&path, depth + 1) {
                self.problem(path, error);
            }
        } else if metadata.is_file() {
            self.add(path, &metadata);
        }
    }

    fn add(&mut self, path: PathBuf, metadata: &Metadata) {
        if self.tree.files.len() >= FILE_LIMIT {
            if !self.is_full {
                self.is_full = true;
                let reason = format!("more than {FILE_LIMIT} files: this one and all after it are ignored");
                self.tree.problems.push((path, reason));
            }
            return;
        }
        self.tree.files.push(Found { path, identity: Identity::of(metadata) });
    }
}
