//! The map of the crate in `src/lib.rs` is what the files import, no arrow leads upward, and no files
//! import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A path of names, as of a module or of what is in it.
type Names = Vec<String>;
type Arrows = BTreeMap<String, BTreeSet<String>>;

fn source() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
}

/// The rows `room -> room, room` of the map, in order.
fn map() -> Vec<(String, BTreeSet<String>)> {
    let text = fs::read_to_string(source().join("lib.rs")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! ")?.split_once(" -> "));
    rows.map(|(room, used)| {
        (room.trim().to_owned(), used.split(',').map(|room| room.trim().to_owned()).collect())
    })
    .collect()
}

/// What a file uses, tests aside.
#[derive(Debug, Default)]
struct Uses {
    /// Paths that it names, from the crate's root.
    paths: BTreeSet<Names>,
    /// Paths that it makes public under its own name.
    shown: BTreeSet<Names>,
}

/// The files of the crate by the path of their module.
fn files() -> BTreeMap<Names, Uses> {
    let mut files = BTreeMap::new();
    for entry in walkdir::WalkDir::new(source()).min_depth(1).into_iter().map(Result::unwrap) {
        let path = entry.path().strip_prefix(source()).unwrap().with_extension("");
        if !entry.file_type().is_file() || path.ends_with("testing") || path.ends_with("lib") {
            continue;
        }
        let names = path.iter().map(|name| name.to_str().unwrap().to_owned());
        let module: Names = names.filter(|name| name != "mod").collect();
        let uses = uses(&module, &fs::read_to_string(entry.path()).unwrap());
        files.insert(module, uses);
    }
    files
}

fn uses(module: &[String], text: &str) -> Uses {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    let declared = |line: &str| Some(line.split_once("mod ")?.1.strip_suffix(';')?.to_owned());
    let children: BTreeSet<String> = text.lines().filter_map(declared).collect();
    let from_root = |path: &str| absolute(module, &children, path);

    let mut uses = Uses::default();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("use ") {
        let lead = before.rsplit('\n').next().unwrap_or_default().trim();
        uses.paths.extend(inline(before, &children).iter().filter_map(|path| from_root(path)));
        let Some((tree, after)) =
            after.split_once(';').filter(|_| lead.is_empty() || lead.starts_with("pub"))
        else {
            rest = after;
            continue;
        };
        let mut paths = Vec::new();
        expand("", tree, &mut paths);
        let into = if lead.is_empty() { &mut uses.paths } else { &mut uses.shown };
        into.extend(paths.iter().filter_map(|path| from_root(path)));
        rest = after;
    }
    uses.paths.extend(inline(rest, &children).iter().filter_map(|path| from_root(path)));
    uses
}

/// The paths of a tree as it follows `use`.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let (mut depth, mut item, mut items) = (0, String::new(), Vec::new());
    for letter in tree.chars().chain([',']) {
        match letter {
            ',' if depth == 0 => items.push(std::mem::take(&mut item)),
            letter => {
                depth += i32::from(letter == '{') - i32::from(letter == '}');
                item.push(letter);
            }
        }
    }
    for item in items.iter().map(|item| item.trim()).filter(|item| !item.is_empty()) {
        match item.split_once('{') {
            Some((head, inner)) => {
                expand(&format!("{prefix}{head}"), inner.strip_suffix('}').unwrap(), paths);
            }
            None if item == "self" => paths.push(prefix.trim_end_matches("::").to_owned()),
            None => paths.push(format!("{prefix}{}", item.split(" as ").next().unwrap())),
        }
    }
}

/// Paths in code that begin with a name of a module.
fn inline(code: &str, children: &BTreeSet<String>) -> Vec<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':');
    let words = code.split(|letter: char| !is_part(letter));
    let is_path = |word: &&str| {
        word.split_once("::").is_some_and(|(first, _)| {
            matches!(first, "crate" | "super") || children.contains(first)
        })
    };
    words.filter(is_path).map(str::to_owned).collect()
}

/// A path from the crate's root; `None` if it leads out of the crate.
fn absolute(module: &[String], children: &BTreeSet<String>, path: &str) -> Option<Names> {
    let mut names = path.split("::").filter(|name| !name.is_empty()).peekable();
    let mut from: Names = match *names.peek()? {
        "crate" => Vec::new(),
        "super" | "self" => module.to_owned(),
        first if children.contains(first) => module.to_owned(),
        _ => return None,
    };
    while let Some(name) = names.next_if(|name| matches!(*name, "crate" | "super" | "self")) {
        if name == "super" {
            from.pop();
        }
    }
    from.extend(names.map(str::to_owned));
    Some(from)
}

/// The file that a path leads to, by way of what modules show of others.
fn target(files: &BTreeMap<Names, Uses>, path: &[String]) -> Option<Names> {
    let length = (1..=path.len()).rev().find(|&length| files.contains_key(&path[..length]))?;
    let (module, inside) = path.split_at(length);
    let shown = inside.first().and_then(|name| {
        files[module].shown.iter().find(|shown| shown.last() == Some(name) && *shown != path)
    });
    match shown {
        Some(shown) => target(files, &[shown, &inside[1..]].concat()),
        None => Some(module.to_owned()),
    }
}

/// Which room each room imports from. `error` serves all of them.
fn between_rooms(files: &BTreeMap<Names, Uses>) -> Arrows {
    let mut arrows = Arrows::new();
    let rooms: BTreeSet<&String> = files.keys().map(|module| &module[0]).collect();
    for (module, uses) in files {
        let used = uses.paths.iter().chain(&uses.shown).filter_map(|path| path.first());
        let used =
            used.filter(|used| **used != module[0] && *used != "error" && rooms.contains(used));
        arrows.entry(module[0].clone()).or_default().extend(used.cloned());
    }
    arrows.retain(|_, used| !used.is_empty());
    arrows
}

/// Which file each file imports from. What a module shows of its own children is no import.
fn between_files(files: &BTreeMap<Names, Uses>) -> Arrows {
    let mut arrows = Arrows::new();
    for (module, uses) in files {
        let used = uses.paths.iter().filter_map(|path| target(files, path));
        let used = used.filter(|used| used != module).map(|used| used.join("/"));
        arrows.insert(module.join("/"), used.collect());
    }
    arrows
}

/// What is left when all that leads to no circle is taken away.
fn circles(mut arrows: Arrows) -> Arrows {
    loop {
        let all: BTreeSet<String> = arrows.keys().cloned().collect();
        let used: BTreeSet<String> = arrows.values().flatten().cloned().collect();
        arrows.retain(|file, to| {
            to.retain(|used| all.contains(used));
            !to.is_empty() && used.contains(file)
        });
        if arrows.len() == all.len() {
            return arrows;
        }
    }
}

#[test]
fn the_map_is_what_the_files_import() {
    let map: Arrows = map().into_iter().collect();
    assert_eq!(between_rooms(&files()), map);
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

/// Modules that choose among their parts, which are written in the module's terms.
const CHOOSING: [&str; 3] = ["digest", "digest/kernel", "system"];

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut arrows = between_files(&files());
    for module in CHOOSING {
        let used = arrows.get_mut(module).unwrap();
        used.retain(|used| !used.starts_with(&format!("{module}/")));
    }
    assert_eq!(circles(arrows), Arrows::new());
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

#[test]
fn a_service_asks_others_only_who_a_token_is() {
    let asks = |uses: &Uses| uses.paths.iter().any(|path| path[0] == "http");
    let asking: Vec<_> = files()
        .into_iter()
        .filter(|(module, uses)| module[0] == "service" && asks(uses))
        .map(|(module, _)| module.join("/"))
        .collect();
    assert_eq!(asking, ["service/gypsum/identity"]);
}

#[test]
fn only_settings_reads_the_environment() {
    let words = ["env::var", "env!(\"SELENITE"];
    assert_eq!(files_with(&words, &["settings.rs"]), Vec::<String>::new());
    assert!(!files_with(&words, &[]).is_empty(), "the search finds something where it is");
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "mod own;\npub(super) use own::{Shown, deep::Item as Other};\n\
                use crate::fs::walk;\nuse crate::{Error, job, names::{A, self}};\n// crate::http\n\
                fn f() -> crate::runtime::Runtime { own::make(super::beside::B, other::C) }\n\
                #[cfg(test)]\nmod tests { use crate::python; }";
    let found = uses(&["a".to_owned(), "b".to_owned()], text);
    let texts = |paths: BTreeSet<Names>| {
        paths.into_iter().map(|path| path.join("::")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        texts(found.paths),
        "Error a::b::own::make a::beside::B fs::walk job names names::A runtime::Runtime"
    );
    assert_eq!(texts(found.shown), "a::b::own::Shown a::b::own::deep::Item");
}

#[test]
fn a_circle_is_found_through_what_a_module_shows() {
    let file = |module: &str, text: &str| {
        let module: Names = module.split('/').map(str::to_owned).collect();
        let uses = uses(&module, text);
        (module, uses)
    };
    let mut files = BTreeMap::from([
        file("a", "mod b;\nmod c;\npub use b::B;\npub use c::C;"),
        file("a/b", "use super::C;"),
        file("a/c", "use crate::d::D;"),
        file("d", "use crate::a::{self};\nuse crate::a::c::C;"),
    ]);
    let arrows = circles(between_files(&files));
    assert_eq!(arrows.keys().collect::<Vec<_>>(), ["a/c", "d"]);
    files.extend([file("a/c", "use super::B;"), file("d", "")]);
    let arrows = circles(between_files(&files));
    assert_eq!(arrows.keys().collect::<Vec<_>>(), ["a/b", "a/c"]);
}
