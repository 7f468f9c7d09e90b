//! Files of the registry over HTTP.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::HeaderMap;
use axum::http::{Response, StatusCode};

use super::list;
use super::roots::Roots;
use super::state::State;
use crate::fs::atomic::STAGE_PREFIX;
use crate::quote::quote_component;
use crate::registry::Failure;
use crate::relpath::clean;
use crate::service::answer::{self, plain};
use crate::service::archive;
use crate::service::conditions::{
    insert_last_modified, is_modified_since, last_modified, not_modified,
};
use crate::service::content::{About, MediaType, Opened, Source, content};
use crate::service::threads;
use crate::system;

/// Answers a GET or HEAD of `/fetch/...`; `path` is what follows, decoded, and `query` belongs to it.
pub(super) async fn fetch(
    roots: &Arc<Roots>,
    path: &[u8],
    query: Option<&str>,
    headers: &HeaderMap,
) -> Response<Body> {
    // Rooted before it is cleaned, so that no `..` can lead out.
    let cleaned = clean(&[b"/", path].concat());
    let inner = &cleaned[1..];
    if is_unfinished(inner) {
        return plain(StatusCode::NOT_FOUND, "404 page not found");
    }
    if path == b"index.html" || path.ends_with(b"/index.html") {
        return redirect("./".to_owned(), query);
    }
    let relative = Path::new(system::text(if inner.is_empty() { b"." } else { inner }));
    let (mut file, mut metadata) = match open(roots, relative) {
        Ok(opened) => opened,
        Err(error) => return refusal(&error),
    };
    let base = String::from_utf8_lossy(inner.rsplit(|byte| *byte == b'/').next().unwrap_or(inner));
    let escaped = quote_component(&base);
    let has_slash = path.is_empty() || path.ends_with(b"/");
    match (metadata.is_dir(), has_slash) {
        (true, false) => return redirect(format!("{escaped}/"), query),
        (false, true) => return redirect(format!("../{escaped}"), query),
        (true, true) => match open(roots, &relative.join("index.html")) {
            Ok((index, found)) if found.is_file() => (file, metadata) = (index, found),
            _ => return folder(roots, relative, &metadata, headers).await,
        },
        (false, false) => {}
    }
    let name = if has_slash { "index.html" } else { &*base };
    let about = About { media_type: MediaType::OfName(name), etag: None };
    content(Opened::new(file, metadata), &about, headers).unwrap_or_else(|error| refusal(&error))
}

/// All files of a folder in one answer; `path` is what follows `/archive/`, decoded.
pub(super) async fn archive(
    state: &State,
    path: &[u8],
    wanted: &archive::Wanted,
) -> Result<Response<Body>, Failure> {
    let cleaned = clean(&[b"/", path].concat());
    let inner = cleaned[1..].to_vec();
    if is_unfinished(&inner) {
        return Err(list::no_folder());
    }
    let (roots, folder) = (Arc::clone(&state.roots), inner.clone());
    let files = state.work.run(move |job| list::files(&roots, &folder, job)).await;
    let files = files.unwrap_or_else(|error| Err(answer::lost(&error)))?;
    let roots = Arc::clone(&state.roots);
    let place = PathBuf::from(system::into_text(inner));
    let name = place.file_name().map_or("registry".into(), |name| name.to_string_lossy());
    let name = name.into_owned();
    let open = move |file: &str| match open(&roots, &place.join(file)) {
        Ok((file, metadata)) if metadata.is_file() => {
            Ok(Some(Box::new(Opened::new(file, metadata)) as Box<dyn Source>))
        }
        // Links to folders, links that lead nowhere or outside, and what has gone.
        Ok(_) => Ok(None),
        Err(error) if matches!(refusal(&error).status().as_u16(), 403 | 404) => Ok(None),
        Err(error) => Err(error),
    };
    Ok(archive::archive(&name, files, wanted, Box::new(open)))
}

/// True for what is in a folder that is being made.
fn is_unfinished(path: &[u8]) -> bool {
    let mut components = path.split(|byte| *byte == b'/');
    components.any(|component| component.starts_with(STAGE_PREFIX.as_bytes()))
}

fn open(roots: &Roots, path: &Path) -> io::Result<(File, fs::Metadata)> {
    let file = roots.open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() || metadata.is_dir() {
        Ok((file, metadata))
    } else {
        Err(system::error(io::ErrorKind::NotFound))
    }
}

fn refusal(error: &io::Error) -> Response<Body> {
    match error.kind() {
        io::ErrorKind::PermissionDenied => plain(StatusCode::FORBIDDEN, "403 Forbidden"),
        _ if system::is_absent(error) => plain(StatusCode::NOT_FOUND, "404 page not found"),
        io::ErrorKind::WouldBlock => {
            plain(StatusCode::SERVICE_UNAVAILABLE, "503 Service Unavailable")
        }
        _ => plain(StatusCode::INTERNAL_SERVER_ERROR, "500 Internal Server Error"),
    }
}

fn redirect(mut location: String, query: Option<&str>) -> Response<Body> {
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        location = format!("{location}?{query}");
    }
    // The query is the client's: it may hold what a header cannot.
    answer::moved(&location).unwrap_or_else(|| plain(StatusCode::BAD_REQUEST, "400 Bad Request"))
}

/// An HTML page of links to the entries of a folder.
async fn folder(
    roots: &Arc<Roots>,
    path: &Path,
    metadata: &fs::Metadata,
    headers: &HeaderMap,
) -> Response<Body> {
    let modified = last_modified(metadata);
    if modified.is_some_and(|time| !is_modified_since(headers, time)) {
        return not_modified(modified);
    }
    let path = roots.registry().join(path);
    let roots = Arc::clone(roots);
    let page = threads::run(move || page_of(&roots, &path)).await;
    match page.map_err(io::Error::from).flatten() {
        Err(error) => refusal(&error),
        Ok(page) => {
            let mut response = answer::of_type("text/html; charset=utf-8", StatusCode::OK, page);
            insert_last_modified(response.headers_mut(), modified);
            response
        }
    }
}

fn page_of(roots: &Roots, folder: &Path) -> io::Result<String> {
    let real = fs::canonicalize(folder)?;
    roots.check(&real)?;
    let mut page = String::from(
        "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n",
    );
    for (name, is_folder) in list::entries(&real)? {
        let name = String::from_utf8_lossy(&name);
        let slash = if is_folder { "/" } else { "" };
        let target = quote_component(&name);
        let shown = escape_html(&name);
        let _ = writeln!(page, "<a href=\"{target}{slash}\">{shown}{slash}</a>");
    }
    page.push_str("</pre>\n");
    Ok(page)
}

pub(super) fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;")
}
