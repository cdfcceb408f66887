//! Directories that change behind the list's back.

use super::*;
use crate::curve::allow_list::tree::Identity;
use crate::curve::keys::KeyPair;
use crate::sys::private_file::without_privileges;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

mod next_question;

struct Directory {
    place: TempDir,
    list: AllowList,
    now: Instant,
}

impl Directory {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let list = AllowList::new(Policy::Directory(place.path().to_owned()));
        Self { place, list, now: Instant::now() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn add(&self, name: &str) -> PublicKey {
        let key = key();
        self.write(name, &text(&key));
        key
    }

    /// Asks in the same second as the last question.
    fn admits(&mut self, key: &PublicKey) -> bool {
        matches!(self.list.check_at(key, self.now), Decision::Allowed { .. })
    }

    /// Asks a second later.
    fn admits_later(&mut self, key: &PublicKey) -> bool {
        // A look itself takes some time, and the second begins at its end.
        self.now += LOOK_INTERVAL + Duration::from_secs(1);
        self.admits(key)
    }

    fn skipped(&mut self) -> Vec<(PathBuf, String)> {
        let skipped = |notice| match notice {
            Notice::Skipped { path, reason } => Some((path, reason)),
            _ => None,
        };
        self.list.take_changes().notices.into_iter().filter_map(skipped).collect()
    }
}

fn key() -> PublicKey {
    KeyPair::generate().unwrap().public
}

fn text(key: &PublicKey) -> String {
    format!("curve\n    public-key = \"{key}\"\n")
}

fn set_times(path: &Path, reference: &Path) {
    assert!(std::process::Command::new("touch").arg("-r").arg(reference).arg(path).status().unwrap().success());
}

#[test]
fn the_whole_tree_counts_but_hidden_files_and_secrets() {
    let mut directory = Directory::new();
    let listed =
        [directory.add("a.key"), directory.add("b"), directory.add("sub/c.key"), directory.add("sub/deep/d.key")];
    let ignored =
        [directory.add(".hidden"), directory.add(".hid/e.key"), directory.add("f_secret"), directory.add("g_secret/h")];
    for key in listed {
        assert!(directory.admits(&key));
    }
    assert_eq!(directory.list.look_count(), 1);
    for key in ignored.into_iter().chain([key()]) {
        assert!(!directory.admits(&key));
    }
    assert!(directory.list.take_changes().is_empty());
}

#[test]
fn a_decision_tells_the_name_and_metadata() {
    let mut directory = Directory::new();
    let (named, unnamed) = (key(), directory.add("sub/bob.key"));
    directory.write("a.key", &format!("metadata\n    name = \"Alice\"\n    site = \"x\"\n{}", text(&named)));
    let metadata = [("name".to_owned(), "Alice".to_owned()), ("site".to_owned(), "x".to_owned())];
    let expected = Decision::Allowed { name: Some("Alice".into()), metadata: metadata.into() };
    assert_eq!(directory.list.check(&named), expected);
    let expected = Decision::Allowed { name: Some("sub/bob.key".into()), metadata: [].into() };
    assert_eq!(directory.list.check(&unnamed), expected);
}

#[test]
fn anyone_needs_no_directory() {
    let mut list = AllowList::new(Policy::Anyone);
    assert!(matches!(list.check(&key()), Decision::Allowed { name: None, .. }));
    assert_eq!((list.look_count(), list.next_look()), (0, None));
}

#[test]
fn a_key_that_was_removed_and_comes_back_is_admitted_again() {
    let mut directory = Directory::new();
    let key = directory.add("alice.key");
    assert!(directory.admits(&key));
    fs::rename(directory.path("alice.key"), directory.path(".alice.key")).unwrap();
    assert!(!directory.admits_later(&key));
    fs::rename(directory.path(".alice.key"), directory.path("alice.key")).unwrap();
    assert!(directory.admits_later(&key));
    assert_eq!(directory.list.former_name(&key), None);
}

#[test]
fn c3_a_replacement_of_equal_size_and_mtime_is_seen_at_once() {
    let mut directory = Directory::new();
    let old = directory.add("alice.key");
    // Long settled, so that only the comparison of what the file system says can tell.
    let reference = directory.write(".reference", "");
    let path = directory.path("alice.key");
    assert!(directory.admits(&old));
    settle(&mut directory, &old);

    // By rename, as rsync does it.
    let renamed = key();
    let temporary = directory.write(".alice.tmp", &text(&renamed));
    set_times(&path, &reference);
    set_times(&temporary, &reference);
    assert_eq!(fs::metadata(&path).unwrap().len(), fs::metadata(&temporary).unwrap().len());
    fs::rename(&temporary, &path).unwrap();
    assert!(!directory.admits(&old));
    assert!(directory.admits(&renamed));
    settle(&mut directory, &renamed);

    // In place.
    let rewritten = key();
    fs::write(&path, text(&rewritten)).unwrap();
    set_times(&path, &reference);
    assert!(directory.admits(&rewritten));
    assert!(!directory.admits(&renamed));
}

/// Makes the list believe that the files' clocks have settled, as they have after two seconds.
fn settle(directory: &mut Directory, key: &PublicKey) {
    for (path, file) in &mut directory.list.files {
        file.identity = Some(Identity::of(&fs::metadata(path).unwrap()));
    }
    assert!(directory.admits_later(key));
    assert!(directory.list.files.values().all(|file| file.identity.is_some()), "was read again without a reason");
}

#[test]
fn c3_a_file_is_not_trusted_within_the_grain_of_its_clock() {
    let mut directory = Directory::new();
    let key = directory.add("alice.key");
    assert!(directory.admits(&key));
    assert!(directory.list.files.values().all(|file| file.identity.is_none()));
    let identity = Identity::of(&fs::metadata(directory.path("alice.key")).unwrap());
    let now = std::time::SystemTime::now();
    assert_eq!(identity.if_settled(now), None);
    assert_eq!(identity.if_settled(now - Duration::from_secs(3600)), None, "changed in the future");
    assert_eq!(identity.if_settled(now + Duration::from_secs(3)), Some(identity));
}

#[test]
fn a_settled_file_is_not_read_again() {
    let mut directory = Directory::new();
    let key = directory.add("alice.key");
    assert!(directory.admits(&key));
    settle(&mut directory, &key);
    // A reader finds now no certificate; nothing but a write changes the times.
    let content = std::mem::replace(
        &mut directory.list.files.get_mut(&directory.place.path().join("alice.key")).unwrap().content,
        Content::NoCertificate,
    );
    assert!(matches!(content, Content::Certificate(_)));
    assert!(!directory.admits_later(&key));
    directory.list.reload();
    assert!(directory.admits(&key));
}

#[test]
fn c4_a_directory_that_is_gone_or_no_directory_admits_nobody() {
    let mut directory = Directory::new();
    let key = directory.add("clients/alice.key");
    let path = directory.path("clients");
    directory.list = AllowList::new(Policy::Directory(path.clone()));
    assert!(directory.admits(&key));

    fs::rename(&path, directory.path("moved")).unwrap();
    directory.now += LOOK_INTERVAL * 2;
    let Decision::DirectoryUnavailable(reason) = directory.list.check_at(&key, directory.now) else { panic!() };
    assert!(reason.contains("clients\": No such file or directory"), "{reason}");
    let changes = directory.list.take_changes();
    assert_eq!(changes.removed, [(key, "alice.key".into())]);
    assert_eq!(changes.notices, [Notice::Unavailable { path: path.clone(), reason }]);
    assert!(!directory.admits_later(&key));
    assert!(directory.list.take_changes().is_empty(), "told once");

    fs::write(&path, text(&key)).unwrap();
    assert!(!directory.admits_later(&key), "a file is no directory");
    fs::remove_file(&path).unwrap();
    fs::rename(directory.path("moved"), &path).unwrap();
    assert!(directory.admits_later(&key));
    assert_eq!(directory.list.take_changes().notices.last(), Some(&Notice::Back { path }));
}

#[test]
fn c2_the_same_key_twice_is_one_key_until_both_are_gone() {
    let mut directory = Directory::new();
    let key = directory.add("alice.key");
    fs::copy(directory.path("alice.key"), directory.path("alice-laptop.key")).unwrap();
    assert!(directory.admits(&key));
    assert_eq!(directory.list.len(), 1);
    fs::remove_file(directory.path("alice-laptop.key")).unwrap();
    assert!(directory.admits_later(&key));
    assert!(directory.list.take_changes().removed.is_empty());
    fs::remove_file(directory.path("alice.key")).unwrap();
    assert!(!directory.admits_later(&key));
    assert!(directory.list.is_empty());
}

#[test]
fn c1_metadata_of_four_kib_is_no_reason_to_fall_over() {
    let mut directory = Directory::new();
    let key = key();
    let long = "x".repeat(4096);
    directory.write("alice.key", &format!("metadata\n    name = \"{long}\"\n{}", text(&key)));
    let Decision::Allowed { metadata, .. } = directory.list.check(&key) else { panic!() };
    assert_eq!(metadata[0].1, long);
}

#[test]
fn c6_a_thousand_handshakes_a_second_are_one_look_a_second() {
    let mut directory = Directory::new();
    let key = directory.add("alice.key");
    let began = Instant::now();
    for millisecond in 0..3000 {
        assert!(matches!(
            directory.list.check_at(&key, began + Duration::from_millis(millisecond)),
            Decision::Allowed { .. }
        ));
    }
    assert_eq!(directory.list.look_count(), 3);
    assert!(directory.list.next_look().unwrap() <= LOOK_INTERVAL * 4);
}

#[test]
fn a_broken_file_is_named_once_and_the_others_count() {
    let mut directory = Directory::new();
    let good = directory.add("good.key");
    directory.write("README", "alice.key is Alice's");
    let broken = directory.write("broken.key", "curve\n    public-key = \"short\"\n");
    directory.write("huge.key", &"#".repeat(70_000));
    symlink(directory.path("nowhere"), directory.path("dangling.key")).unwrap();
    assert!(directory.admits(&good));
    let skipped = directory.skipped();
    let names: Vec<_> = skipped.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["broken.key", "dangling.key", "huge.key"]);
    assert!(skipped[0].1.contains("line 2, public-key: a key is 40 characters"), "{skipped:?}");

    assert!(directory.admits_later(&good));
    assert!(directory.skipped().is_empty(), "named once");
    fs::write(&broken, "curve\n  public-key = \"short\"\n").unwrap();
    assert!(directory.admits_later(&good));
    assert_eq!(directory.skipped().len(), 1, "broken in another way");
    directory.list.reload();
    assert_eq!(directory.skipped().len(), 3, "a reload names them again");
}

#[test]
fn a_loop_of_symlinks_ends_and_links_to_certificates_count() {
    let mut directory = Directory::new();
    let inside = directory.add("sub/alice.key");
    let elsewhere = tempfile::tempdir().unwrap();
    let outside = key();
    fs::write(elsewhere.path().join("bob.key"), text(&outside)).unwrap();
    symlink(directory.place.path(), directory.path("sub/loop")).unwrap();
    symlink(directory.path("sub"), directory.path("again")).unwrap();
    symlink(directory.path("self"), directory.path("self")).unwrap();
    symlink(elsewhere.path().join("bob.key"), directory.path("bob.key")).unwrap();
    assert!(directory.admits(&inside));
    assert!(directory.admits(&outside));
    assert_eq!(directory.list.files.len(), 2);
    assert_eq!(directory.skipped().len(), 1, "the link to itself");

    // The link stays, what it leads to changes.
    let replaced = key();
    fs::write(elsewhere.path().join("bob.key"), text(&replaced)).unwrap();
    assert!(directory.admits_later(&replaced));
    assert!(!directory.admits(&outside));
}

#[test]
fn a_tree_that_is_too_deep_is_named_and_the_rest_counts() {
    let mut directory = Directory::new();
    let shallow = directory.add("alice.key");
    let deep = directory.add(&format!("{}bob.key", "d/".repeat(20)));
    assert!(directory.admits(&shallow));
    assert!(!directory.admits(&deep));
    assert!(directory.skipped()[0].1.contains("more than 16 directories deep"));
}

#[test]
fn what_is_no_regular_file_is_ignored_without_waiting() {
    let mut directory = Directory::new();
    let key = directory.add("alice.key");
    assert!(std::process::Command::new("mkfifo").arg(directory.path("fifo")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(directory.path("socket")).unwrap();
    symlink("/dev/zero", directory.path("zero")).unwrap();
    assert!(directory.admits(&key));
    assert!(directory.list.take_changes().is_empty());
}

#[test]
fn what_was_distrusted_is_read_again_and_removals_are_still_told() {
    let mut directory = Directory::new();
    let (alice, bob) = (directory.add("alice.key"), directory.add("bob.key"));
    assert!(directory.admits(&alice));
    directory.list.distrust();
    fs::remove_file(directory.path("bob.key")).unwrap();
    assert!(directory.admits(&alice));
    assert!(!directory.admits(&bob));
    assert_eq!(directory.list.take_changes().removed, [(bob, "bob.key".into())]);
}

#[test]
fn an_inspection_says_what_the_list_would_do() {
    let directory = Directory::new();
    let key = directory.add("alice.key");
    directory.write("README", "hello");
    directory.write("broken.key", "public-key");
    let findings = inspect(directory.place.path()).unwrap();
    let kinds: Vec<_> = findings.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(kinds, ["README", "alice.key", "broken.key"]);
    assert_eq!(findings[0].1, Finding::NoCertificate);
    assert_eq!(findings[1].1, Finding::Admits { key, name: "alice.key".into() });
    assert!(matches!(&findings[2].1, Finding::Broken(reason) if reason.contains("no public-key in a section curve")));
    assert!(inspect(Path::new("/nonexistent")).unwrap_err().contains("No such file"));
}

#[test]
fn what_cannot_be_read_admits_nobody_and_is_named() {
    let mut directory = Directory::new();
    let (open, file, sub) = (directory.add("alice.key"), directory.add("bob.key"), directory.add("sub/carol.key"));
    let set_mode = |name, mode| fs::set_permissions(directory.path(name), fs::Permissions::from_mode(mode)).unwrap();
    set_mode("", 0o755);
    set_mode("bob.key", 0o000);
    set_mode("sub", 0o000);
    let mut list = AllowList::new(directory.list.policy().clone());
    let decisions = without_privileges(|| [&open, &file, &sub].map(|key| list.check(key)));
    assert!(matches!(decisions[0], Decision::Allowed { .. }), "{decisions:?}");
    assert_eq!(decisions[1..], [Decision::NotListed, Decision::NotListed]);
    assert_eq!(list.take_changes().notices.len(), 2);

    // A mode leaves no trace in a file's own content or mtime.
    set_mode("bob.key", 0o644);
    list.looked = None;
    assert!(matches!(without_privileges(|| list.check(&file)), Decision::Allowed { .. }));

    set_mode("", 0o700);
    list.looked = None;
    let decision = without_privileges(|| list.check(&open));
    assert!(matches!(&decision, Decision::DirectoryUnavailable(reason) if reason.contains("Permission denied")));
    set_mode("sub", 0o700);
    directory.list = list;
    assert!(directory.admits_later(&open));
}
