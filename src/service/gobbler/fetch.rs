//! Files of the registry over HTTP.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::fs::{Mode, OFlags};

use super::list;
use crate::fs::atomic::STAGE_PREFIX;
use crate::registry::layout::Layout;
use crate::relpath::clean;
use crate::service::content::{
    About, MediaType, Opened, content, insert_last_modified, is_modified_since, last_modified,
    not_modified, plain,
};
use crate::service::threads;

/// What stays as it is in a URL.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The directories whose content may be served.
#[derive(Debug)]
pub(super) struct Roots {
    layout: Layout,
    whitelist: Vec<PathBuf>,
}

impl Roots {
    /// The registry, and directories outside of it that its links may point to.
    pub(super) fn new(layout: Layout, whitelist: Vec<PathBuf>) -> Self {
        Self { layout, whitelist }
    }

    /// The registry.
    pub(super) fn registry(&self) -> &Path {
        self.layout.root()
    }

    /// Where its projects may be.
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Opens what is at `path`, relative to the registry and without `..`.
    ///
    /// Links are followed, but what is really opened lies in the registry or in a whitelisted
    /// directory; anything else does not exist.
    fn open(&self, path: &Path) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        #[cfg(target_os = "linux")]
        if let Some(result) = self.open_beneath(path, flags) {
            return result;
        }
        let whole = self.registry().join(path);
        let file = File::from(rustix::fs::open(&whole, flags, Mode::empty())?);
        self.check(&real_path(&file).or_else(|_| real_path_by_name(&file, &whole))?)?;
        Ok(file)
    }

    /// Lets the kernel resolve a path that never leaves the registry. None if the path leaves it (or
    /// has absolute links), or if the kernel cannot do that.
    #[cfg(target_os = "linux")]
    fn open_beneath(&self, path: &Path, flags: OFlags) -> Option<io::Result<File>> {
        use rustix::fs::ResolveFlags;
        use rustix::io::Errno;

        // Without a link and without `..` no path can leave: one step for most.
        let whole = self.registry().join(path);
        let resolve = ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(rustix::fs::CWD, &whole, flags, Mode::empty(), resolve) {
            Ok(file) => return Some(Ok(file.into())),
            Err(Errno::LOOP) => {}
            Err(Errno::NOSYS | Errno::PERM) => return None,
            Err(error) => return Some(Err(error.into())),
        }
        // Opened each time: the registry may be replaced while the service runs.
        let root = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = match rustix::fs::open(self.registry(), root, Mode::empty()) {
            Ok(root) => root,
            Err(error) => return Some(Err(error.into())),
        };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
            Ok(file) => Some(Ok(file.into())),
            Err(Errno::XDEV | Errno::NOSYS | Errno::PERM | Errno::AGAIN) => None,
            Err(error) => Some(Err(error.into())),
        }
    }

    /// Fails unless the real path of a folder lies in the registry or a whitelisted directory.
    pub(super) fn check_folder(&self, folder: &Path) -> io::Result<()> {
        self.check(&fs::canonicalize(folder)?)
    }

    fn check(&self, real: &Path) -> io::Result<()> {
        let lies_in = |root: &Path| fs::canonicalize(root).is_ok_and(|root| real.starts_with(root));
        let mut others = self.layout.allowed().iter().chain(&self.whitelist);
        if lies_in(self.registry()) || others.any(|root| lies_in(root)) {
            Ok(())
        } else {
            Err(rustix::io::Errno::NOENT.into())
        }
    }
}

#[cfg(target_os = "linux")]
fn real_path(file: &File) -> io::Result<PathBuf> {
    use std::os::fd::AsRawFd;
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(not(target_os = "linux"))]
fn real_path(file: &File) -> io::Result<PathBuf> {
    Ok(PathBuf::from(OsStr::from_bytes(rustix::fs::getpath(file)?.as_bytes())))
}

/// The path of an open file where the system does not tell it.
fn real_path_by_name(file: &File, name: &Path) -> io::Result<PathBuf> {
    let real = fs::canonicalize(name)?;
    let (open, named) = (file.metadata()?, fs::symlink_metadata(&real)?);
    if (open.dev(), open.ino()) == (named.dev(), named.ino()) {
        Ok(real)
    } else {
        // Something else has taken its place meanwhile.
        Err(rustix::io::Errno::NOENT.into())
    }
}

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
    let mut components = inner.split(|byte| *byte == b'/');
    if components.any(|component| component.starts_with(STAGE_PREFIX.as_bytes())) {
        return plain(StatusCode::NOT_FOUND, "404 page not found");
    }
    if path == b"index.html" || path.ends_with(b"/index.html") {
        return redirect("./".to_owned(), query);
    }
    let relative = Path::new(OsStr::from_bytes(if inner.is_empty() { b"." } else { inner }));
    let (mut file, mut metadata) = match open(roots, relative) {
        Ok(opened) => opened,
        Err(error) => return refusal(&error),
    };
    let base = String::from_utf8_lossy(inner.rsplit(|byte| *byte == b'/').next().unwrap_or(inner));
    let escaped = utf8_percent_encode(&base, ESCAPED);
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

fn open(roots: &Roots, path: &Path) -> io::Result<(File, fs::Metadata)> {
    let file = roots.open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() || metadata.is_dir() {
        Ok((file, metadata))
    } else {
        Err(rustix::io::Errno::NOENT.into())
    }
}

fn refusal(error: &io::Error) -> Response<Body> {
    match error.kind() {
        io::ErrorKind::PermissionDenied => plain(StatusCode::FORBIDDEN, "403 Forbidden"),
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::InvalidFilename => plain(StatusCode::NOT_FOUND, "404 page not found"),
        // A loop of links, or a socket: nothing that could be served.
        _ if [rustix::io::Errno::LOOP, rustix::io::Errno::NXIO]
            .iter()
            .any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) =>
        {
            plain(StatusCode::NOT_FOUND, "404 page not found")
        }
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
    let Ok(location) = HeaderValue::try_from(location) else {
        return plain(StatusCode::BAD_REQUEST, "400 Bad Request");
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(header::LOCATION, location);
    response
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
            let mut response = Response::new(Body::from(page));
            let headers = response.headers_mut();
            headers
                .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            insert_last_modified(headers, modified);
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
        let target = utf8_percent_encode(&name, ESCAPED);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_lead_only_to_the_registry_and_the_whitelist() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["registry/p", "white", "black", "other"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for name in ["registry/p/f", "white/f", "black/f"] {
            fs::write(at(name), name).unwrap();
        }
        for (target, link) in [
            ("../p/f".into(), "registry/p/relative"),
            (at("registry/p/f"), "registry/p/absolute"),
            ("../../registry/p/f".into(), "registry/p/around"),
            (at("white/f"), "registry/p/white"),
            (at("white"), "registry/p/whites"),
            (at("black/f"), "registry/p/black"),
            ("../../black/f".into(), "registry/p/blacker"),
            (at("black"), "registry/p/blacks"),
            (at("black/f"), "white/black"),
            (at("white/black"), "registry/p/detour"),
            ("loop".into(), "registry/p/loop"),
            ("nothing".into(), "registry/p/dangling"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        symlink(at("white"), at("listed")).unwrap();
        let roots = Roots::new(Layout::new(at("registry")), vec![at("listed")]);
        let opened = |name: &str| {
            roots.open(Path::new(name)).and_then(io::read_to_string).map_err(|error| error.kind())
        };
        for name in ["p/f", "p/relative", "p/absolute", "p/around"] {
            assert_eq!(opened(name).unwrap(), "registry/p/f", "{name}");
        }
        for name in ["p/white", "p/whites/f"] {
            assert_eq!(opened(name).unwrap(), "white/f", "{name}");
        }
        for name in ["p/black", "p/blacker", "p/blacks/f", "p/detour", "p/dangling", "p/none"] {
            assert_eq!(opened(name), Err(io::ErrorKind::NotFound), "{name}");
        }
        assert!(opened("p/loop").is_err());
    }
}
