//! What every registry that can be read has in common, wherever it is.

use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use selenite::client::{gobbler, gypsum};
use selenite::http::Trust;
use selenite::job::Job;
use selenite::registry::bucket::store::Objects;
use selenite::registry::read::{Files, Linked, Registry, Stat, Tree, is_absent};
use selenite::relpath::RelPath;
use selenite::{runtime, service};
use serde_json::json;

use crate::registry as tree;
use crate::rules::{InBucket, Rules as _};

/// The files of both versions; those of the second that equal one of the first are links there.
const FIRST: [(&str, &str); 3] = [("d/g", "more"), ("f", "content"), ("ü +%?#", "odd")];
const SECOND: [(&str, &str); 3] = [("d/e/h", "more"), ("f", "content"), ("n", "new")];

fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

/// The suite: whatever the registry is, this is how it reads.
fn conforms(registry: &dyn Registry) {
    let job = Job::default();
    let list = |folder: &str, is_recursive| registry.list(Some(&path(folder)), is_recursive, &job);
    let root = registry.list(None, false, &job).unwrap();
    assert_eq!(root, ["..logs/", "p/"]);
    assert_eq!(
        list("p", false).unwrap(),
        ["..permissions", "..quota", "..usage", "a/"],
        "locks are nobody else's matter"
    );
    assert_eq!(list("p/a", false).unwrap(), ["..latest", "v1/", "v2/"]);
    assert_eq!(list("p/a/v1", false).unwrap(), ["..manifest", "..summary", "d/", "f", "ü +%?#"]);
    assert_eq!(
        list("p/a/v2", false).unwrap(),
        ["..links", "..manifest", "..summary", "d/", "f", "n"]
    );
    let whole = ["..links", "..manifest", "..summary", "d/e/..links", "d/e/h", "f", "n"];
    assert_eq!(list("p/a/v2", true).unwrap(), whole);
    assert_eq!(list("p/a/v2/d", true).unwrap(), ["e/..links", "e/h"]);
    let all = registry.list(None, true, &job).unwrap();
    assert!(whole.iter().all(|name| all.contains(&format!("p/a/v2/{name}"))), "{all:?}");

    for (version, files) in [("p/a/v1", FIRST), ("p/a/v2", SECOND)] {
        let manifest = registry.manifest(&path(version), &job).unwrap();
        assert!(manifest.keys().eq(files.iter().map(|(name, _)| name)), "{manifest:?}");
        let summary = registry.summary(&path(version), &job).unwrap();
        assert!(summary.is_finished() && !summary.is_probational());
        assert_eq!(summary.upload_user_id, "admin");
        for (name, text) in files {
            let file = path(&format!("{version}/{name}"));
            let size = text.len() as u64;
            assert_eq!(registry.stat(&file, &job).unwrap(), Stat::File { size }, "{file}");
            assert_eq!(registry.read(&file, &job).unwrap(), text.as_bytes(), "{file}");
            assert_eq!(manifest[name].size, size);
        }
        let links = manifest.values().filter(|entry| entry.link.is_some()).count();
        assert_eq!(links, if version == "p/a/v1" { 0 } else { 2 });
    }
    let mut start = [0; 3];
    registry.open(&path("p/a/v2/f"), &job).unwrap().read_exact(&mut start).unwrap();
    assert_eq!(start, *b"con");

    for folder in ["p", "p/a", "p/a/v2", "p/a/v2/d"] {
        assert_eq!(registry.stat(&path(folder), &job).unwrap(), Stat::Folder, "{folder}");
        assert!(registry.open(&path(folder), &job).is_err(), "{folder}");
    }
    for missing in ["q", "p/b", "p/a/v3", "p/a/v1/none", "p/a/v2/d/none", "p/..LOCK", "..LOCK"] {
        let missing = path(missing);
        for error in [
            registry.list(Some(&missing), false, &job).unwrap_err(),
            registry.list(Some(&missing), true, &job).unwrap_err(),
            registry.stat(&missing, &job).unwrap_err(),
            registry.open(&missing, &job).err().unwrap(),
            registry.read(&missing, &job).unwrap_err(),
            registry.manifest(&missing, &job).unwrap_err(),
        ] {
            assert!(is_absent(&error), "{missing}: {error:?}");
        }
    }
    for is_recursive in [false, true] {
        assert!(list("p/a/v1/f", is_recursive).is_err(), "a file has no entries");
    }
}

/// A tree with both versions.
fn grown() -> tree::Registry {
    let registry = tree::Registry::new();
    registry.create("p");
    for (version, files) in [("v1", FIRST), ("v2", SECOND)] {
        let source = registry.source(version, &files);
        registry.upload(("p", "a", version), &source, |_| ()).unwrap();
    }
    registry
}

/// The same in a bucket that is a directory.
fn filled(folder: &Path) -> Arc<dyn Objects> {
    let bucket = InBucket::new(folder);
    for (version, files) in [("v1", FIRST), ("v2", SECOND)] {
        bucket.upload(version, &files, false).unwrap();
    }
    bucket.objects
}

/// Runs a service on a port until the tests end.
fn serve(run: impl FnOnce(u16) -> selenite::Result<()> + Send + 'static) -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    thread::spawn(move || run(port).unwrap());
    answers(port);
    format!("http://127.0.0.1:{port}")
}

/// Waits until somebody answers.
fn answers(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "nobody answers");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_folder_tree() {
    conforms(&Tree::new(grown().root()));
}

#[test]
fn a_bucket_in_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    conforms(&Linked(filled(folder.path())));
}

#[test]
fn the_files_of_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    conforms(&Linked(Files::new(folder.path())));
}

#[test]
fn a_gobbler_service() {
    let registry = grown();
    let (root, staging) = (registry.root(), registry.other());
    let url = serve(move |port| {
        let settings = json!({"registry": root, "staging": staging, "port": port});
        let settings: service::gobbler::Settings = serde_json::from_value(settings).unwrap();
        let options = settings.check().unwrap();
        service::gobbler::serve(options, None)
    });
    conforms(&gobbler::Remote::new(&url, &runtime::current().unwrap()).unwrap());
}

#[test]
fn a_gypsum_service() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let root = folder.path().to_owned();
    let url = serve(move |port| {
        let options = serde_json::from_value(json!({"registry": root, "port": port})).unwrap();
        service::gypsum::serve(options, None)
    });
    let runtime = runtime::current().unwrap();
    conforms(&Linked(gypsum::Remote::new(&url, &Trust::Environment, &runtime).unwrap()));
}

#[cfg(feature = "s3")]
mod s3 {
    use std::process::Command;

    use axum::body::Body;
    use axum::http::{Request, Response, StatusCode};
    use percent_encoding::percent_decode_str;
    use selenite::registry::bucket::store::S3;

    use super::*;

    const KEYS: [(&str, &str); 2] =
        [("AWS_ACCESS_KEY_ID", "an-access-key"), ("AWS_SECRET_ACCESS_KEY", "a-secret-key")];

    /// The store takes its credentials from the environment, which belongs to a process of its own.
    #[test]
    fn a_bucket_in_an_s3_store() {
        if KEYS.iter().any(|(name, value)| std::env::var(name).as_deref() != Ok(*value)) {
            let program = std::env::current_exe().unwrap();
            let mut again = Command::new(program);
            again.args(["--exact", "read::s3::a_bucket_in_an_s3_store"]).envs(KEYS);
            let done = again.output().unwrap();
            let text = String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success() && text.contains("1 passed"), "{text}");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let bucket = folder.path().join("data");
        fs::create_dir(&bucket).unwrap();
        filled(&bucket);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let url = imitate(&runtime, folder.path().to_owned());
        let place = format!("s3://data?endpoint={url}&region=us-east-1");
        let objects: Arc<dyn Objects> =
            Arc::new(S3::new(&place, runtime.handle().clone()).unwrap());
        conforms(&Linked(objects));
    }

    /// As much of a store as reading takes. `s3s-fs`, which `tests/gypsum_store` has, fails for a key
    /// that names a directory, where a store has nothing.
    fn imitate(runtime: &tokio::runtime::Runtime, root: PathBuf) -> String {
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(move |request: Request<Body>| {
            let answer = answer(&root, &request);
            async { answer }
        });
        runtime.spawn(async { axum::serve(listener, router).await.unwrap() });
        url
    }

    fn answer(root: &Path, request: &Request<Body>) -> Response<Body> {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
        let key = decoded(request.uri().path());
        let query = request.uri().query().unwrap_or_default();
        if query.contains("list-type=2") {
            let parameter = |name: &str| {
                let found =
                    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
                found.map(decoded).unwrap_or_default()
            };
            let listing =
                listing(&root.join("data"), &parameter("prefix"), &parameter("delimiter"));
            return Response::new(Body::from(listing));
        }
        let Ok(content) = fs::read(root.join(key.trim_start_matches('/'))) else {
            return Response::builder().status(StatusCode::NOT_FOUND).body(Body::empty()).unwrap();
        };
        let response = Response::builder()
            .header("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT")
            .header("ETag", "\"tag\"");
        let range = request.headers().get("Range").map(|range| {
            let (from, to) = range.to_str().unwrap()["bytes=".len()..].split_once('-').unwrap();
            from.parse().unwrap()..to.parse::<usize>().unwrap() + 1
        });
        let Some(range) = range else { return response.body(Body::from(content)).unwrap() };
        let about = format!("bytes {}-{}/{}", range.start, range.end - 1, content.len());
        response
            .status(StatusCode::PARTIAL_CONTENT)
            .header("Content-Range", about)
            .body(Body::from(content[range].to_owned()))
            .unwrap()
    }

    fn listing(bucket: &Path, prefix: &str, delimiter: &str) -> String {
        let (mut objects, mut folders) = (Vec::new(), std::collections::BTreeSet::new());
        for entry in walkdir::WalkDir::new(bucket).sort_by_file_name() {
            let entry = entry.unwrap();
            let key = entry.path().strip_prefix(bucket).unwrap().to_str().unwrap();
            let Some(rest) = key.strip_prefix(prefix).filter(|_| entry.file_type().is_file())
            else {
                continue;
            };
            if let Some(end) = rest.find('/').filter(|_| !delimiter.is_empty()) {
                folders.insert(format!("{prefix}{}", &rest[..=end]));
                continue;
            }
            objects.push(format!(
                "<Contents><Key>{key}</Key><Size>{}</Size><ETag>\"tag\"</ETag>\
                 <LastModified>2000-01-01T00:00:00.000Z</LastModified></Contents>",
                entry.metadata().unwrap().len()
            ));
        }
        let folders = folders
            .into_iter()
            .map(|folder| format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"));
        let all: String = objects.into_iter().chain(folders).collect();
        format!("<ListBucketResult>{all}</ListBucketResult>")
    }
}
