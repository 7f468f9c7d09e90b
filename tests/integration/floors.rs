//! The map of the crate in `src/lib.rs` is what the files import.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The rows `room -> room, room` of the map, in order.
fn map() -> Vec<(String, BTreeSet<String>)> {
    let text = fs::read_to_string(source().join("lib.rs")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! ")?.split_once(" -> "));
    rows.map(|(room, used)| {
        (room.trim().to_owned(), used.split(',').map(|room| room.trim().to_owned()).collect())
    })
    .collect()
}

fn source() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
}

/// Which room each room imports from, tests aside. `error` serves all of them.
fn imports() -> Arrows {
    let mut arrows = Arrows::new();
    for entry in walkdir::WalkDir::new(source()).min_depth(1).into_iter().map(Result::unwrap) {
        let path = entry.path().strip_prefix(source()).unwrap().with_extension("");
        let room = path.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
        if !entry.file_type().is_file() || room == "lib" || path.ends_with("testing") {
            continue;
        }
        let used = rooms_of(&fs::read_to_string(entry.path()).unwrap());
        let used = used.into_iter().filter(|used| *used != room && used != "error");
        arrows.entry(room.clone()).or_default().extend(used);
    }
    arrows.retain(|_, used| !used.is_empty());
    arrows
}

/// The rooms that follow `crate::`.
fn rooms_of(text: &str) -> BTreeSet<String> {
    let names = names_after("crate::", text);
    names
        .into_iter()
        .filter(|name| name.starts_with(|letter: char| letter.is_ascii_lowercase()))
        .collect()
}

/// The names that follow some text, alone or in braces.
fn names_after(start: &str, text: &str) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    let mut rooms = BTreeSet::new();
    for rest in text.split(start).skip(1) {
        let mut names = Vec::new();
        if let Some(list) = rest.strip_prefix('{') {
            let (mut depth, mut name) = (0, String::new());
            for letter in list.chars() {
                match letter {
                    '}' if depth == 0 => break,
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.push(std::mem::take(&mut name)),
                    _ if depth == 0 => name.push(letter),
                    _ => {}
                }
            }
            names.push(name);
        } else {
            names.push(rest.to_owned());
        }
        for name in names {
            let end = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
            let room = name.trim().split(end).next().unwrap_or_default();
            if !room.is_empty() {
                rooms.insert(room.to_owned());
            }
        }
    }
    rooms
}

#[test]
fn the_map_is_what_the_files_import() {
    let map: Arrows = map().into_iter().collect();
    assert_eq!(imports(), map);
}

#[test]
fn no_arrow_leads_upward() {
    let mut above: BTreeSet<String> = BTreeSet::new();
    for (room, used) in map() {
        above.insert(room.clone());
        let upward: Vec<_> = used.intersection(&above).collect();
        assert!(upward.is_empty(), "{room} -> {upward:?}");
    }
}

/// Files of `src/` in which one of these words is, but for those below `but`.
fn files_with(words: &[&str], but: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(source()).into_iter().map(Result::unwrap) {
        let path = entry.path().strip_prefix(source()).unwrap();
        if !entry.file_type().is_file() || but.iter().any(|one| path.starts_with(one)) {
            continue;
        }
        let text = fs::read_to_string(entry.path()).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for (line, word) in code.flat_map(|line| words.iter().map(move |word| (line, word))) {
            if line.contains(word) {
                found.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    found
}

#[test]
fn only_system_knows_which_system_it_is() {
    let words = [
        "std::os::",
        "rustix",
        "nix::",
        "libc",
        "signal_hook",
        "target_os",
        "cfg(unix",
        "cfg(windows",
        "cfg!(unix",
        "cfg!(windows",
        "/dev/null",
        "/proc/",
    ];
    assert_eq!(files_with(&words, &["system"]), Vec::<String>::new());
    assert!(!files_with(&words, &[]).is_empty(), "the search finds something where it is");
}

/// The files of a room that each of its files imports from, tests aside. A module imports from its
/// parts, and a part that names something of `super` that is no other part, from the module.
fn files_of(room: &str) -> BTreeMap<PathBuf, BTreeSet<PathBuf>> {
    let top = source().join(room);
    let file_of = |folder: &Path, name: &str| {
        let module = folder.join(name).join("mod.rs");
        [folder.join(name).with_extension("rs"), module].into_iter().find(|file| file.exists())
    };
    let mut files = BTreeMap::new();
    for entry in walkdir::WalkDir::new(&top).into_iter().map(Result::unwrap) {
        let path = entry.into_path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let folder = path.parent().unwrap();
        let mut used: BTreeSet<_> = names_after(&format!("crate::{room}::"), &text)
            .iter()
            .map(|name| file_of(&top, name).unwrap_or_else(|| top.join("mod.rs")))
            .collect();
        if path.ends_with("mod.rs") {
            let parts =
                text.lines().filter_map(|line| line.split("mod ").nth(1)?.strip_suffix(';'));
            used.extend(parts.filter_map(|part| file_of(folder, part)));
        } else {
            let beside = names_after("super::", &text);
            used.extend(
                beside
                    .iter()
                    .map(|name| file_of(folder, name).unwrap_or_else(|| folder.join("mod.rs"))),
            );
        }
        files.insert(path, used);
    }
    files
}

#[test]
fn no_files_of_the_services_import_one_another_in_a_circle() {
    let mut files = files_of("service");
    // Again and again without those that import nothing that is left.
    while let Some(last) =
        files.iter().find(|(_, used)| used.is_empty()).map(|(file, _)| file.clone())
    {
        files.remove(&last);
        for used in files.values_mut() {
            used.remove(&last);
        }
    }
    assert_eq!(files, BTreeMap::new());
}

#[test]
fn a_service_asks_others_only_who_a_token_is() {
    let asks = |path: &Path| fs::read_to_string(path).unwrap().contains("crate::http");
    let asking: Vec<_> = files_of("service").into_keys().filter(|path| asks(path)).collect();
    assert_eq!(asking, [source().join("service/gypsum/identity.rs")]);
}

#[test]
fn only_settings_reads_the_environment() {
    let words = ["env::var", "env!(\"SELENITE"];
    assert_eq!(files_with(&words, &["settings.rs"]), Vec::<String>::new());
    assert!(!files_with(&words, &[]).is_empty(), "the search finds something where it is");
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::fs::walk;\nuse crate::{Error, job, names::{A, B}};\n// crate::http\n\
                fn f() -> crate::runtime::Runtime {}\n#[cfg(test)]\nmod tests { use crate::python; }";
    assert_eq!(Vec::from_iter(rooms_of(text)), ["fs", "job", "names", "runtime"]);
}
