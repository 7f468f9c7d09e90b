//! Uploads: what they leave when they fail, and when many run at once.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Barrier;

use proptest::prelude::*;
use selenite::job::Job;
use selenite::registry::FailureKind;
use selenite::registry::tree::{PermissionsChange, Upload};

use crate::registry::{Registry, listing, names};

#[test]
fn a_failed_upload_changes_nothing() {
    let registry = Registry::new();
    registry.create("p");
    let before = registry.listing();
    let source = registry.source("s", &[("a", "1"), ("d/b", "2"), ("l", "-> /does/not/exist")]);
    let content = listing(&source);
    for consume in [false, true] {
        let result = registry.upload(("p", "a", "v"), &source, |upload| upload.consume = consume);
        assert!(result.unwrap_err().reason.contains("failed to stat target of link"));
        assert_eq!(registry.listing(), before);
        assert_eq!(listing(&source), content);
    }
    assert_eq!(registry.logs(), 0);
}

#[test]
fn a_failure_after_files_were_moved_puts_them_back() {
    let registry = Registry::new();
    registry.create("p");
    let source = registry.source("s", &[("a", "1"), ("d/b", "2")]);
    let content = listing(&source);
    // A directory in place of the usage file makes the last step fail.
    let usage = registry.root().join("p/..usage");
    std::fs::remove_file(&usage).unwrap();
    std::fs::create_dir(&usage).unwrap();
    let before = registry.listing();
    registry.upload(("p", "a", "v"), &source, |upload| upload.consume = true).unwrap_err();
    assert_eq!(registry.listing(), before);
    assert_eq!(listing(&source), content);
    assert_eq!(registry.logs(), 0);
}

#[test]
fn a_cancelled_upload_changes_nothing() {
    let registry = Registry::new();
    registry.create("p");
    let before = registry.listing();
    let source = registry.source("s", &[("a", "1")]);
    let job = Job::default();
    job.cancel();
    let (project, asset, version) = names("p", "a", "v");
    let failure = registry
        .engine
        .upload(
            &selenite::registry::tree::Upload {
                project: &project,
                asset: &asset,
                version: &version,
                source: &source,
                source_owner: None,
                user: "admin",
                on_probation: false,
                consume: true,
                ignore_dot: false,
            },
            &job,
        )
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Stopped);
    assert_eq!(registry.listing(), before);
}

#[test]
fn special_files_and_names_that_are_not_text_are_refused() {
    let registry = Registry::new();
    registry.create("p");
    let fifo = registry.source("fifo", &[("a", "1")]);
    nix::unistd::mkfifo(&fifo.join("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let failure = registry.upload(("p", "a", "v"), &fifo, |_| ()).unwrap_err();
    assert!(failure.reason.contains("pipe\" is not a regular file"), "{failure}");
    let bytes = registry.source("bytes", &[]);
    std::fs::write(bytes.join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    let failure = registry.upload(("p", "a", "v"), &bytes, |_| ()).unwrap_err();
    assert!(failure.reason.contains("not valid UTF-8"), "{failure}");
}

#[test]
fn a_hard_linked_file_is_copied_although_it_may_be_consumed() {
    let registry = Registry::new();
    registry.create("p");
    let source = registry.source("s", &[("a", "1")]);
    let elsewhere = registry.other().join("a");
    std::fs::hard_link(source.join("a"), &elsewhere).unwrap();
    registry.upload(("p", "a", "v"), &source, |upload| upload.consume = true).unwrap();
    std::fs::write(&elsewhere, "changed").unwrap();
    registry.validate("p", "a", "v");
    assert!(listing(&source).is_empty());
}

#[test]
fn of_many_uploads_of_one_version_one_wins() {
    let registry = Registry::new();
    registry.create("p");
    let barrier = Barrier::new(32);
    let results: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..32)
            .map(|index| {
                let (registry, barrier) = (&registry, &barrier);
                scope.spawn(move || {
                    let name = format!("s{index}");
                    let source = registry.source(&name, &[("f", &name), ("d/g", "same")]);
                    barrier.wait();
                    registry.upload(("p", "a", "v"), &source, |_| ())
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for failure in results.into_iter().filter_map(Result::err) {
        assert_eq!(failure.kind, FailureKind::Invalid);
        assert!(failure.reason.starts_with("version \"v\" already exists in "), "{failure}");
    }
    registry.validate("p", "a", "v");
    assert_eq!(
        registry.usage("p"),
        registry.manifest("p/a/v").values().map(|entry| entry.size).sum::<u64>()
    );
    assert_eq!(registry.logs(), 1);
}

#[test]
fn many_uploads_to_one_project_all_count() {
    let registry = Registry::new();
    registry.create("p");
    std::thread::scope(|scope| {
        for index in 0..32 {
            let registry = &registry;
            scope.spawn(move || {
                let source = registry.source(&format!("s{index}"), &[("f", "12345")]);
                let asset = format!("a{}", index % 8);
                let version = format!("v{index}");
                registry.upload(("p", &asset, &version), &source, |_| ()).unwrap();
            });
        }
    });
    let (project, ..) = names("p", "-", "-");
    let counted = registry.usage("p");
    assert_eq!(counted, registry.engine.refresh_usage(&project, &Job::default()).unwrap());
    assert_eq!(counted, 8 * 5);
    for asset in 0..8 {
        let latest = registry.latest(&format!("p/a{asset}")).unwrap();
        registry.validate("p", &format!("a{asset}"), &latest);
    }
    assert_eq!(registry.logs(), 32);
}

#[test]
fn a_failed_first_upload_leaves_the_asset_to_the_next_user() {
    let registry = Registry::new();
    let (project, ..) = names("p", "-", "-");
    let open = PermissionsChange { global_write: Some(true), ..PermissionsChange::default() };
    drop(registry.engine.create_project("admin", &project, open, &Job::default()).unwrap());
    let bad = registry.source("bad", &[("l", "-> /does/not/exist")]);
    registry.upload(("p", "a", "v"), &bad, |upload| upload.user = "eve").unwrap_err();
    let good = registry.source("good", &[("f", "1")]);
    registry.upload(("p", "a", "v"), &good, |upload| upload.user = "joe").unwrap();
    let permissions = std::fs::read_to_string(registry.root().join("p/a/..permissions")).unwrap();
    assert!(permissions.contains("joe") && !permissions.contains("eve"));
    assert!(permissions.contains("\"uploaders\": []"));
}

fn tree() -> impl Strategy<Value = BTreeMap<String, String>> {
    let name = prop::sample::select(vec!["a", "b", ".c", "d e", "f%2F#?", "é", "x&<y>"]);
    let path = prop::collection::vec(name, 1..4).prop_map(|parts| parts.join("/"));
    let content = prop::sample::select(vec!["", "1", "22", "same", "/"]);
    prop::collection::btree_map(path, content.prop_map(str::to_owned), 0..12).prop_map(|tree| {
        // A file cannot be the folder of another.
        let paths: Vec<String> = tree.keys().cloned().collect();
        tree.into_iter()
            .filter(|(path, content)| {
                content == "/" || !paths.iter().any(|other| other.starts_with(&format!("{path}/")))
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn what_was_uploaded_can_be_read_and_validated(trees in prop::collection::vec(tree(), 1..4)) {
        let registry = Registry::new();
        registry.create("p");
        let mut expected_usage = 0;
        for (index, tree) in trees.iter().enumerate() {
            let entries: Vec<(&str, &str)> =
                tree.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
            let source = registry.source(&format!("s{index}"), &entries);
            let version = format!("v{index}");
            registry.upload(("p", "a", &version), &source, |upload| {
                upload.consume = index % 2 == 1;
            }).unwrap();
            registry.validate("p", "a", &version);
            let folder = registry.root().join("p/a").join(&version);
            let manifest = registry.manifest(&format!("p/a/{version}"));
            for (path, content) in entries.iter().filter(|(_, content)| *content != "/") {
                assert_eq!(std::fs::read_to_string(folder.join(path)).unwrap(), *content);
                assert_eq!(manifest[*path].size, content.len() as u64);
            }
            expected_usage += manifest
                .values()
                .filter(|entry| entry.link.is_none())
                .map(|entry| entry.size)
                .sum::<u64>();
            let before = registry.listing();
            let (project, asset, version) = names("p", "a", &version);
            registry.engine.reindex_version(&project, &asset, &version, &Job::default()).unwrap();
            assert_eq!(registry.listing(), before, "reindexing a good version changes nothing");
        }
        assert_eq!(registry.usage("p"), expected_usage);
    }
}

#[test]
fn files_whose_content_was_deleted_are_not_linked_to() {
    let registry = Registry::new();
    registry.create("p");
    let (project, asset, first) = names("p", "a", "v1");
    let source = registry.source("s", &[("f", "content")]);
    let other = registry.source("other", &[("f", "another")]);
    let upload = |version: &str, on_probation: bool, source: &Path| {
        let change = |upload: &mut Upload<'_>| upload.on_probation = on_probation;
        registry.upload(("p", "a", version), source, change).unwrap();
        registry.validate("p", "a", version);
        std::fs::read_to_string(registry.root().join("p/a").join(version).join("f")).unwrap()
    };
    // The same version again, and another in its place that is of equal size.
    for again in [&source, &other] {
        upload("v1", false, &source);
        upload("v2", false, &source);
        assert!(registry.manifest("p/a/v2")["f"].link.is_some());
        registry.engine.delete_version(&project, &asset, &first, false, &Job::default()).unwrap();
        let expected = std::fs::read_to_string(again.join("f")).unwrap();
        assert_eq!(upload("v1", true, again), expected);
        assert_eq!(upload("v3", false, &source), "content");
        registry.engine.delete_asset(&project, &asset, false, &Job::default()).unwrap();
    }
}
