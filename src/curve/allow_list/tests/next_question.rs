//! What counts for the very next question, and what that may cost.

use super::*;

#[test]
fn adding_replacing_and_removing_a_key_counts_for_the_next_question() {
    let mut directory = Directory::new();
    let old = directory.add("alice.key");
    assert!(directory.admits(&old));

    let new = directory.add("alice.key");
    assert!(directory.admits(&new));
    let other = directory.add("sub/bob.key");
    assert!(directory.admits(&other), "in a directory of its own");
    assert!(!directory.admits(&old));
    let changes = directory.list.take_changes();
    assert_eq!(changes, Changes { removed: vec![(old, "alice.key".into())], notices: Vec::new() });
    assert_eq!(directory.list.former_name(&old).as_deref(), Some("alice.key"));

    fs::remove_dir_all(directory.path("sub")).unwrap();
    assert!(!directory.admits(&other));
    assert!(directory.admits(&new));
    assert_eq!(directory.list.take_changes().removed, [(other, "sub/bob.key".into())]);
}

#[test]
fn a_certificate_under_a_new_name_is_not_told_as_removed() {
    let mut directory = Directory::new();
    let key = directory.add("alice.key");
    assert!(directory.admits(&key));
    fs::rename(directory.path("alice.key"), directory.path("alice-laptop.key")).unwrap();
    assert!(directory.admits(&key));
    assert!(directory.list.take_changes().is_empty());
}

#[test]
fn a_link_to_another_directory_counts_for_the_next_question() {
    let mut directory = Directory::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let [old, new] = ["old", "new"].map(|release| {
        let key = key();
        fs::create_dir(elsewhere.path().join(release)).unwrap();
        fs::write(elsewhere.path().join(release).join("alice.key"), text(&key)).unwrap();
        key
    });
    let link = directory.path("current");
    symlink(elsewhere.path().join("old"), &link).unwrap();
    assert!(directory.admits(&old));
    settle(&mut directory, &old);

    symlink(elsewhere.path().join("new"), directory.path(".next")).unwrap();
    fs::rename(directory.path(".next"), &link).unwrap();
    assert!(!directory.admits(&old));
    assert!(directory.admits(&new));
    // No directory of the tree shows this.
    let another = key();
    fs::write(elsewhere.path().join("new/alice.key"), text(&another)).unwrap();
    assert!(directory.admits(&another));
    assert!(!directory.admits(&new));
}

#[test]
fn a_file_that_still_has_the_key_under_another_name_is_no_certainty() {
    let mut directory = Directory::new();
    let key = directory.add("alice.key");
    assert!(directory.admits(&key));
    directory.write("alice.key", &format!("metadata\n    name = \"Alice\"\n{}", text(&key)));
    let Decision::Allowed { name, .. } = directory.list.check_at(&key, directory.now) else { panic!() };
    assert_eq!(name.as_deref(), Some("Alice"));
}

#[test]
fn a_directory_that_vanishes_or_is_back_counts_for_the_next_question() {
    let mut directory = Directory::new();
    let key = directory.add("clients/alice.key");
    let path = directory.path("clients");
    directory.list = AllowList::new(Policy::Directory(path.clone()));
    assert!(directory.admits(&key));
    fs::rename(&path, directory.path("moved")).unwrap();
    assert!(!directory.admits(&key));
    fs::rename(directory.path("moved"), &path).unwrap();
    assert!(directory.admits(&key));
}

#[test]
fn beyond_its_budget_a_question_waits_for_the_next_look() {
    let mut directory = Directory::new();
    let known = directory.add("alice.key");
    assert!(directory.admits(&known));
    directory.list.budget.charge(directory.now, Duration::from_secs(1));
    let asked = directory.now;
    let added = directory.add("bob.key");
    let (list, now) = (&mut directory.list, directory.now);
    assert!(matches!(list.check_at(&known, now), Decision::Allowed { .. }), "its own file says so");
    for key in [added, key()] {
        assert_eq!(list.check_at(&key, now), Decision::Pending);
        assert_eq!(list.check_since(&key, now + Duration::from_nanos(1)), Decision::Pending);
    }
    fs::remove_file(directory.path("alice.key")).unwrap();
    assert_eq!(directory.list.check_at(&known, now), Decision::Pending, "never admitted by what may be old");

    directory.now += LOOK_INTERVAL * 2;
    directory.list.look_if_due_at(directory.now);
    assert!(matches!(directory.list.check_since(&added, asked), Decision::Allowed { .. }));
    assert_eq!(directory.list.check_since(&key(), asked), Decision::NotListed);
    assert_eq!(directory.list.check_since(&known, asked), Decision::NotListed);
}

#[test]
fn a_flood_of_unknown_keys_gets_no_more_than_its_share_of_looks() {
    const FILES: usize = 5000;
    let mut directory = Directory::new();
    let keys: Vec<_> = (0..FILES).map(|number| directory.add(&format!("{number}.key"))).collect();
    assert!(directory.admits(&keys[0]));
    settle(&mut directory, &keys[0]);
    directory.list.look_takes = Some(Duration::from_millis(10));
    let (before, began) = (directory.list.look_count(), directory.now);
    let (questions, mut pending) = (10_000, 0);
    for question in 0..questions {
        let now = began + Duration::from_micros(question * 99);
        pending += u64::from(directory.list.check_at(&PublicKey::from_bytes([7; 32]), now) == Decision::Pending);
    }
    // 100 ms at once, and another look for each 100 ms of the second.
    assert_eq!((directory.list.look_count() - before, pending), (20, questions - 20));

    // Listed keys cost a stat each and no look.
    let before = directory.list.look_count();
    for key in &keys {
        assert!(directory.admits(key));
    }
    assert_eq!(directory.list.look_count(), before);
}
