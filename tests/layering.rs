//! The arrows of ARCHITECTURE.md, read off the source: a layer may only use the layers under it, and only the rooms named
//! there may contain unsafe code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What each layer may use besides itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("abi", &[]),
    ("host", &["abi"]),
    ("sys", &[]),
    ("curve", &["sys"]),
    ("transport", &["curve", "sys"]),
    ("modules", &["host", "transport", "curve", "sys"]),
    ("cli", &["transport", "curve", "sys"]),
    // src/lib.rs: modInit.
    ("lib", &["abi", "host", "modules"]),
];

/// The rooms that may contain unsafe code; everything else forbids it.
const UNSAFE: &[&str] = &["abi", "host", "sys", "lib"];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The source without comments and string literals, so that neither counts as a use.
fn code(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        let mut in_string = false;
        let mut previous = ' ';
        for (index, character) in line.char_indices() {
            if !in_string && line[index..].starts_with("//") {
                break;
            }
            if character == '"' && previous != '\\' && previous != '\'' {
                in_string = !in_string;
            } else if !in_string {
                code.push(character);
            }
            previous = character;
        }
        code.push('\n');
    }
    code
}

/// The layers that a piece of code names after `crate::`, also in `use crate::{a, b::c}`.
fn used_layers(code: &str) -> Vec<String> {
    used_after("crate::", code)
}

fn used_after(prefix: &str, code: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut used = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            None => used.push(word(rest)),
            Some(list) => {
                let mut depth = 1;
                let mut is_start = true;
                for (index, character) in list.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 1 => is_start = true,
                        c if is_start && depth == 1 && c.is_alphabetic() => {
                            used.push(word(&list[index..]));
                            is_start = false;
                        }
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    used
}

fn layers() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut layers: BTreeMap<String, Vec<(PathBuf, String)>> = BTreeMap::new();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap().to_owned();
        let layer = relative.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
        layers.entry(layer).or_default().push((relative, std::fs::read_to_string(&file).unwrap()));
    }
    layers
}

#[test]
fn every_use_of_another_layer_follows_an_arrow() {
    let mut wrong = Vec::new();
    let layers = layers();
    let known: Vec<&str> = ARROWS.iter().map(|(layer, _)| *layer).collect();
    for (layer, files) in layers.iter().filter(|(layer, _)| *layer != "bin") {
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| known == layer) else {
            panic!("src/{layer} is in no picture: add it to ARCHITECTURE.md and to this test");
        };
        for (file, text) in files {
            for used in used_layers(&code(text)) {
                if known.contains(&used.as_str()) && used != *layer && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("src/{} uses {used}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "these uses have no arrow in ARCHITECTURE.md:\n{}", wrong.join("\n"));
    assert!(layers.len() > ARROWS.len(), "the walk found only {:?}", layers.keys());
}

#[test]
fn the_check_sees_a_use_however_it_is_written() {
    assert_eq!(used_layers("use crate::host::log;"), ["host"]);
    assert_eq!(used_layers("use crate::{curve::{keys, zpl}, host};"), ["curve", "host"]);
    assert_eq!(used_layers(&code("// crate::host\nlet a = \"crate::host\";")), Vec::<String>::new());
    assert_eq!(used_layers(&code("let a = crate::sys::zmq::has(\"curve\"); // \"")), ["sys"]);
}

/// Rooms whose files use each other in one direction only. The file of the room itself may use all others, and none of them it.
const ROOMS_WITHOUT_CIRCLES: &[&str] = &["cli/metrics"];

/// The files of a room (without `.rs`; a file with a directory beside it is one with that), and which others each uses.
fn uses_in_room(room: &str) -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room);
    let prefix = format!("crate::{}::", room.replace('/', "::"));
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut uses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files.iter().filter(|file| **file != root.join("mod.rs")) {
        let relative = file.strip_prefix(&root).unwrap();
        let name = relative.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
        let code = code(&std::fs::read_to_string(file).unwrap());
        let used = uses.entry(name).or_default();
        used.extend(used_after(&prefix, &code));
        // The tests at a file's end mean the file itself.
        let own = code.split("#[cfg(test)]").next().unwrap();
        if relative.components().count() == 1 {
            used.extend(used_after("super::", own));
        }
    }
    uses
}

/// A way through the files that comes back to where it began.
fn circle(uses: &BTreeMap<String, Vec<String>>) -> Option<Vec<String>> {
    fn follow(uses: &BTreeMap<String, Vec<String>>, way: &mut Vec<String>, done: &mut Vec<String>) -> bool {
        let last = way.last().unwrap().clone();
        for used in uses.get(&last).into_iter().flatten().filter(|used| **used != last) {
            if way.contains(used) {
                way.push(used.clone());
                return true;
            }
            way.push(used.clone());
            if !done.contains(used) && follow(uses, way, done) {
                return true;
            }
            way.pop();
        }
        done.push(last);
        false
    }
    let mut done = Vec::new();
    uses.keys().find_map(|file| {
        let mut way = vec![file.clone()];
        follow(uses, &mut way, &mut done).then_some(way)
    })
}

#[test]
fn the_files_of_a_room_use_each_other_in_one_direction() {
    for room in ROOMS_WITHOUT_CIRCLES {
        let uses = uses_in_room(room);
        assert!(uses.values().map(Vec::len).sum::<usize>() > uses.len(), "src/{room}: the walk found only {uses:?}");
        let way = circle(&uses);
        assert!(way.is_none(), "src/{room}: each of these files uses the next: {}", way.unwrap().join(" -> "));
        let unknown: Vec<_> = uses.values().flatten().filter(|used| !uses.contains_key(*used)).collect();
        assert!(unknown.is_empty(), "src/{room}: its own file, which uses all others, is used for {unknown:?}");
    }
}

#[test]
fn the_check_sees_a_circle() {
    let uses = |list: &[(&str, &[&str])]| {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        list.iter().map(|(file, used)| ((*file).to_owned(), names(used))).collect()
    };
    let arrows: BTreeMap<_, _> = uses(&[("a", &["b", "c"]), ("b", &["c", "b"]), ("c", &[])]);
    assert_eq!(circle(&arrows), None);
    let around: BTreeMap<_, _> = uses(&[("a", &["c"]), ("b", &["a"]), ("c", &["b"])]);
    assert_eq!(circle(&around).unwrap().join(" "), "a c b a");
}

#[test]
fn unsafe_code_is_in_its_rooms_only() {
    for (layer, files) in layers() {
        if UNSAFE.contains(&layer.as_str()) {
            continue;
        }
        for (file, text) in &files {
            let has_unsafe = code(text).split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
            assert!(!has_unsafe, "src/{} has unsafe code", file.display());
        }
        let root = files.iter().find(|(file, _)| file.ends_with("mod.rs") && file.components().count() == 2);
        if let Some((file, text)) = root {
            let is_forbidden = text.contains("#![forbid(unsafe_code)]");
            assert!(is_forbidden, "src/{} does not forbid unsafe code", file.display());
        }
    }
}

#[test]
fn only_the_host_layer_names_the_hosts_status_numbers() {
    for (layer, files) in layers() {
        for (file, text) in files {
            let names_them = code(&text).contains("ABI_RET_");
            let may = layer == "abi" || layer == "host";
            assert!(!names_them || may, "src/{} names a status number of the host's", file.display());
        }
    }
}
