//! Which request gets which answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::body;
use super::refusal::Refusal;
use super::signature::Slug;
use super::state::State;
use super::unpack;
use crate::digest::{Digest, REPR_DIGEST};
use crate::job::Job;
use crate::quote::quote_path;
use crate::registry::Failure;
use crate::registry::bucket::store::Content;
use crate::registry::bucket::{
    Identity, Started, VersionPath, check_start, parse_asset, parse_project,
};
use crate::registry::format::json::plain;
use crate::registry::format::layout;
use crate::service::answer::{self, empty, lost};
use crate::service::archive;
use crate::service::content::{self, About, MediaType, Source};
use crate::service::log::Entry as LogEntry;
use crate::service::query;
use crate::service::threads::caught;

/// Where the protocol is described.
const DOCUMENTATION: &str = "https://artifactdb.github.io/gypsum-worker";
/// Where a session asks for one of its files, and for many.
const PRESIGNED_FILE: &str = "/upload/presigned-file/";
const PRESIGNED_FILES: &str = "/upload/presigned-files";
/// The header that tells of the latter.
const BATCHES: &str = "selenite-presigned-files";
/// How many.
const MOST_PRESIGNED: usize = 1000;
/// The header that tells where many small files are taken at once.
const ARCHIVE: &str = "selenite-upload-archive";
/// The header by which a client chooses the token of the session that it starts, and which tells that it
/// may.
const SESSION: &str = "selenite-session-token";

type Answer = Result<Response<Body>, Refusal>;

/// All endpoints of the service.
pub(super) fn router(state: Arc<State>) -> Router {
    Router::new().fallback(respond).with_state(state)
}

async fn respond(Shared(state): Shared<Arc<State>>, request: Request) -> Response<Body> {
    let (request, mut body) = request.into_parts();
    let mut entry = LogEntry::new(&state.log, &request);
    if request.uri.path() != "/list" {
        entry.hide_query();
    }
    let routed = caught(route(&state, &request, &mut body, &mut entry)).await;
    let mut response = match routed.unwrap_or_else(|panic| Err(lost(&panic).into())) {
        Ok(response) => response,
        Err(refusal) => {
            entry.reason = Some(refusal.reason.clone());
            refusal.into_response()
        }
    };
    body::drain(&mut body).await;
    response = answer::open_to_all(response);
    // Clients look for a version before they start it.
    if request.method == Method::HEAD {
        let may_choose = HeaderValue::from_static("chosen");
        response.headers_mut().insert(HeaderName::from_static(SESSION), may_choose);
    }
    entry.answered(&response);
    response
}

/// 200 without anything.
fn done() -> Response<Body> {
    empty(StatusCode::OK)
}

/// 200 with JSON.
fn data(value: &Value) -> Response<Body> {
    answer::json(StatusCode::OK, plain(value))
}

fn moved(location: &str) -> Answer {
    answer::moved(location).ok_or_else(Refusal::no_such_endpoint)
}

/// One segment of a path, decoded.
fn decode(segment: &str) -> Result<String, Refusal> {
    text(query::unescape(segment.as_bytes())?)
}

/// The first value of a key in a query, decoded.
fn query_value(query: &str, key: &str) -> Result<Option<String>, Refusal> {
    let Some(value) = query::values(query, key).next() else { return Ok(None) };
    text(query::decode(value?.as_bytes())?).map(Some)
}

fn text(decoded: Vec<u8>) -> Result<String, Refusal> {
    String::from_utf8(decoded).map_err(|_| Refusal::new(400, "URI malformed"))
}

async fn route(
    state: &Arc<State>,
    request: &Parts,
    body: &mut Body,
    entry: &mut LogEntry<'_>,
) -> Answer {
    if let Some(reason) = state.hosts.refuse(request) {
        return Err(Refusal::new(421, reason));
    }
    let headers = &request.headers;
    if request.method == Method::OPTIONS {
        return Ok(preflight(headers));
    }
    let path = request.uri.path();
    let query = request.uri.query().unwrap_or_default();
    let raw: Vec<&str> = path.trim_end_matches('/').split('/').skip(1).collect();
    let call = Call { state, headers, entry, body };
    let method = request.method.as_str();
    match (method, raw.as_slice()) {
        _ if raw.contains(&"") => match collapsed(state, path, query, headers) {
            Some(location) => moved(&location),
            None => Err(Refusal::no_such_endpoint()),
        },
        ("GET", []) => moved(DOCUMENTATION),
        ("GET", ["list"]) => call.list(query).await,
        // Proxies may send the slashes of a key decoded: it has no empty components.
        ("GET" | "HEAD", ["file", key @ ..]) if !key.is_empty() => {
            call.file(decode(&key.join("/"))?).await
        }
        ("GET" | "HEAD", ["archive", folder @ ..]) if !folder.is_empty() => {
            call.archive(decode(&folder.join("/"))?, query).await
        }
        ("GET", ["credentials", "s3-api"]) => configured(state.options.s3_credentials.as_ref()),
        ("GET", ["credentials", "github-app"]) => configured(state.options.github_app.as_ref()),
        ("GET", ["github", "user"]) => call.github(false).await,
        ("GET", ["github", "user", "orgs"]) => call.github(true).await,
        ("POST", ["create", project]) => call.create(&decode(project)?).await,
        ("PUT", ["permissions", project]) => call.set_permissions(&decode(project)?).await,
        ("PUT", ["quota", project]) => call.set_quota(&decode(project)?).await,
        ("POST", ["refresh", "usage", project]) => call.refresh_usage(&decode(project)?).await,
        ("POST", ["refresh", "latest", project, asset]) => {
            call.refresh_latest(&decode(project)?, &decode(asset)?).await
        }
        ("DELETE", ["unlock", project]) => call.unlock(&decode(project)?).await,
        ("DELETE", ["remove", project]) => call.remove_project(&decode(project)?).await,
        ("DELETE", ["remove", project, asset]) => {
            call.remove_asset(&decode(project)?, &decode(asset)?).await
        }
        ("DELETE", ["remove", project, asset, version]) => {
            let names = [decode(project)?, decode(asset)?, decode(version)?];
            call.remove_version(&names).await
        }
        ("POST", ["probation", verb @ ("approve" | "reject"), project, asset, version]) => {
            let names = [decode(project)?, decode(asset)?, decode(version)?];
            call.decide(*verb == "approve", &names).await
        }
        ("POST", ["upload", "start", project, asset, version]) => {
            let names = [decode(project)?, decode(asset)?, decode(version)?];
            call.start(&names).await
        }
        ("POST", ["upload", "presigned-file", slug]) => call.presign(&decode(slug)?).await,
        ("POST", ["upload", "presigned-files"]) => call.presign_many().await,
        ("PUT", ["upload", "object", slug]) => {
            body::receive(state, slug, query, headers, call.body).await
        }
        ("PUT", ["upload", "archive", project, asset, version]) => {
            let names = [decode(project)?, decode(asset)?, decode(version)?];
            call.receive(&names).await
        }
        ("POST", ["upload", verb @ ("complete" | "abort"), project, asset, version]) => {
            let names = [decode(project)?, decode(asset)?, decode(version)?];
            call.end(*verb == "complete", &names).await
        }
        _ => Err(Refusal::no_such_endpoint()),
    }
}

/// What browsers ask before they send a request to another site.
fn preflight(request: &HeaderMap) -> Response<Body> {
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    let is_preflight = request.contains_key(header::ORIGIN)
        && request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    match request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        Some(wanted) if is_preflight => {
            let methods = HeaderValue::from_static("GET,HEAD,POST,OPTIONS");
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        _ => {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, OPTIONS"));
        }
    }
    response
}

/// The URL with single slashes.
fn collapsed(state: &State, path: &str, query: &str, headers: &HeaderMap) -> Option<String> {
    let mut location = base(state, headers)?;
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        location.push('/');
        location.push_str(segment);
    }
    if !query.is_empty() {
        location.push('?');
        location.push_str(query);
    }
    Some(location)
}

/// What the client calls this service; `None` if that is no name of a host.
fn base(state: &State, headers: &HeaderMap) -> Option<String> {
    if let Some(url) = &state.options.public_url {
        return Some(url.trim_end_matches('/').to_owned());
    }
    let Some(host) = headers.get(header::HOST) else { return Some(state.url.clone()) };
    let host = host.to_str().ok()?;
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    (!host.is_empty() && host.bytes().all(is_sound)).then(|| format!("http://{host}"))
}

fn configured(value: Option<&impl serde::Serialize>) -> Answer {
    value.map(|value| data(&json!(value))).ok_or_else(Refusal::no_such_endpoint)
}

fn parse_version(names: &[String; 3]) -> Result<VersionPath, Failure> {
    let [project, asset, version] = names;
    VersionPath::parse(project, asset, version)
}

/// The token in a request.
fn token(headers: &HeaderMap) -> Result<&str, Refusal> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.strip_prefix("Bearer "))
        .ok_or_else(|| Refusal::new(401, "no user identity supplied"))
}

/// One request.
struct Call<'a, 'log> {
    state: &'a Arc<State>,
    headers: &'a HeaderMap,
    entry: &'a mut LogEntry<'log>,
    body: &'a mut Body,
}

impl Call<'_, '_> {
    async fn user(&mut self) -> Result<Identity, Refusal> {
        let user = self.state.identities.identify(token(self.headers)?).await?;
        self.entry.user = Some(user.login.clone());
        Ok(user)
    }

    async fn administrator(&mut self) -> Result<Identity, Refusal> {
        let user = self.user().await?;
        self.state.bucket.check_administrator(&user)?;
        Ok(user)
    }

    /// Runs work on the registry. What comes back borrows nothing: a body cannot be shared.
    fn run<T: Send + 'static, W>(
        &self,
        work: W,
    ) -> impl Future<Output = Result<T, Refusal>> + use<T, W>
    where
        W: FnOnce(&State, &Job) -> Result<T, Failure> + Send + 'static,
    {
        let state = Arc::clone(self.state);
        async move {
            let worker = Arc::clone(&state);
            state.run(move |job| Ok(work(&worker, job)?)).await
        }
    }

    async fn list(self, query: &str) -> Answer {
        let prefix = query_value(query, "prefix")?.unwrap_or_default();
        let is_recursive = query_value(query, "recursive")?.as_deref() == Some("true");
        let keys = self
            .run(move |state, job| {
                let keys = state.bucket.objects().list(&prefix, is_recursive, job)?;
                Ok(plain(&keys))
            })
            .await?;
        let mut response = answer::json(StatusCode::OK, keys);
        // Out of a store, each file takes a request of its own: clients ask for many at once.
        if self.state.bucket.objects().is_at_hand() {
            archive::announce(response.headers_mut());
        }
        Ok(response)
    }

    /// All files of a folder in one answer.
    async fn archive(self, folder: String, query: &str) -> Answer {
        let after = query_value(query, "after")?.unwrap_or_default();
        let most = query_value(query, "most")?.and_then(|most| most.parse().ok());
        let prefix = format!("{}/", folder.trim_end_matches('/'));
        let within = prefix.clone();
        let keys = self.run(move |state, job| state.bucket.objects().list(&within, true, job));
        let keys = keys.await?;
        let names: Vec<String> =
            keys.iter().filter_map(|key| key.strip_prefix(&prefix)).map(str::to_owned).collect();
        if names.is_empty() {
            return Err(Refusal::new(404, "there is no such folder"));
        }
        let state = Arc::clone(self.state);
        let name = folder.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        let open = move |file: &str| {
            let content = state.bucket.objects().open(&format!("{prefix}{file}"));
            Ok(content.map_err(|failure| io::Error::other(failure.reason))?.map(|content| {
                match content {
                    Content::File(file, metadata) => {
                        Box::new(content::Opened::new(file, metadata)) as Box<dyn Source>
                    }
                    #[cfg(feature = "s3")]
                    Content::Remote(remote) => Box::new(remote),
                }
            }))
        };
        let wanted = archive::Wanted { after, most };
        Ok(archive::archive(&name, names, &wanted, Box::new(open)))
    }

    async fn file(self, key: String) -> Answer {
        if key.is_empty() {
            return Err(Refusal::no_such_endpoint());
        }
        let found = self
            .run(move |state, job| {
                let Some(content) = state.bucket.objects().open(&key)? else { return Ok(None) };
                let listed = state.bucket.known_digest(&key)?;
                let name = key.rsplit('/').next().unwrap_or_default();
                // Objects that no upload has brought are documents.
                let is_document =
                    listed.is_none() && (name != layout::LOCK || !layout::is_internal_key(&key));
                let told = || content.md5().map(|md5| md5.to_string());
                let md5sum = match listed.or_else(told) {
                    Some(md5sum) => md5sum,
                    None => state.bucket.objects().digests(std::slice::from_ref(&key), job)?[0]
                        .to_string(),
                };
                Ok(Some((content, md5sum, is_document)))
            })
            .await?;
        let Some((content, md5sum, is_document)) = found else {
            return Err(Refusal::new(404, "object not found"));
        };
        let digest = Digest::parse(&md5sum)
            .and_then(|digest| HeaderValue::try_from(digest.to_header()).ok());
        let about = About {
            // Whatever an upload has brought, no browser is to run it.
            media_type: MediaType::Known(Some(if is_document {
                "application/json"
            } else {
                "application/octet-stream"
            })),
            etag: Some(format!("\"{md5sum}\"")),
        };
        let response = match content {
            Content::File(file, metadata) => {
                content::content(content::Opened::new(file, metadata), &about, self.headers)
            }
            #[cfg(feature = "s3")]
            Content::Remote(remote) => content::content(remote, &about, self.headers),
        };
        let mut response = response.map_err(|error| Refusal::new(500, error.to_string()))?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            let refusal = Refusal::new(416, "no such range").into_response();
            let (mut parts, _) = response.into_parts();
            parts.headers.remove(header::CONTENT_TYPE);
            let (json_parts, json_body) = refusal.into_parts();
            parts.headers.extend(json_parts.headers);
            return Ok(Response::from_parts(parts, json_body));
        }
        // Clients compare this one: an entity tag may be anything.
        if response.status().is_success()
            && let Some(digest) = digest
        {
            response.headers_mut().insert(REPR_DIGEST, digest);
        }
        Ok(response)
    }

    /// Answers as GitHub does, for clients that are offline.
    async fn github(self, organizations: bool) -> Answer {
        if !self.state.identities.is_local() {
            return Err(Refusal::no_such_endpoint());
        }
        let value = self.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|text| text.split_once(' ')).map(|(_, token)| token);
        let found = match token {
            None => None,
            Some(token) => self.state.identities.identify(token).await.ok(),
        };
        let Some(user) = found else {
            let refusal = json!({"message": "Bad credentials"});
            return Ok(answer::json(StatusCode::UNAUTHORIZED, plain(&refusal)));
        };
        Ok(data(&if organizations {
            user.organizations.iter().map(|login| json!({"login": login})).collect()
        } else {
            json!({"login": user.login})
        }))
    }

    async fn create(mut self, project: &str) -> Answer {
        self.administrator().await?;
        if project.contains('/') {
            return Err(Refusal::new(400, "project name cannot contain '/'"));
        }
        let project = parse_project(project)?;
        let text = body::read(self.body, body::MAX_JSON_BYTES).await?;
        self.run(move |state, job| {
            state.bucket.create_project(&project, &|| body::parse(&text), job)
        })
        .await?;
        Ok(done())
    }

    async fn set_permissions(mut self, project: &str) -> Answer {
        let user = self.user().await?;
        let project = parse_project(project)?;
        let text = body::read(self.body, body::MAX_JSON_BYTES).await?;
        self.run(move |state, job| {
            state.bucket.set_permissions(&project, &user, &|| body::parse(&text), job)
        })
        .await?;
        Ok(done())
    }

    async fn set_quota(mut self, project: &str) -> Answer {
        self.administrator().await?;
        let project = parse_project(project)?;
        let text = body::read(self.body, body::MAX_JSON_BYTES).await?;
        self.run(move |state, job| state.bucket.set_quota(&project, &|| body::parse(&text), job))
            .await?;
        Ok(done())
    }

    async fn refresh_usage(mut self, project: &str) -> Answer {
        self.administrator().await?;
        let project = parse_project(project)?;
        let total = self.run(move |state, job| state.bucket.refresh_usage(&project, job)).await?;
        Ok(data(&json!({"total": total})))
    }

    async fn refresh_latest(mut self, project: &str, asset: &str) -> Answer {
        self.administrator().await?;
        let (project, asset) = (parse_project(project)?, parse_asset(asset)?);
        let latest =
            self.run(move |state, job| state.bucket.refresh_latest(&project, &asset, job)).await?;
        Ok(data(&latest.map_or_else(|| json!({}), |version| json!({"version": version}))))
    }

    async fn unlock(mut self, project: &str) -> Answer {
        self.administrator().await?;
        let project = parse_project(project)?;
        self.run(move |state, job| state.bucket.unlock(&project, job)).await?;
        Ok(done())
    }

    async fn remove_project(mut self, project: &str) -> Answer {
        self.administrator().await?;
        let project = parse_project(project)?;
        self.run(move |state, job| state.bucket.remove_project(&project, job)).await?;
        Ok(done())
    }

    async fn remove_asset(mut self, project: &str, asset: &str) -> Answer {
        self.administrator().await?;
        let (project, asset) = (parse_project(project)?, parse_asset(asset)?);
        self.run(move |state, job| state.bucket.remove_asset(&project, &asset, job)).await?;
        Ok(done())
    }

    async fn remove_version(mut self, names: &[String; 3]) -> Answer {
        self.administrator().await?;
        let version = parse_version(names)?;
        self.run(move |state, job| state.bucket.remove_version(&version, job)).await?;
        Ok(done())
    }

    async fn decide(mut self, is_approved: bool, names: &[String; 3]) -> Answer {
        let user = self.user().await?;
        let version = parse_version(names)?;
        self.run(move |state, job| {
            if is_approved {
                state.bucket.approve(&version, &user, job)
            } else {
                state.bucket.reject(&version, &user, job)
            }
        })
        .await?;
        Ok(done())
    }

    async fn start(mut self, names: &[String; 3]) -> Answer {
        let version = parse_version(names)?;
        // What is wrong with the request is told to everybody, but strangers get less memory.
        let user = self.user().await;
        let most = if user.is_ok() { body::MAX_JSON_BYTES } else { body::MAX_STRANGER_BYTES };
        let text = body::read(self.body, most).await?;
        let request = self
            .run(move |_, _| {
                let request = body::parse(&text)?;
                check_start(&request).map(|_| request)
            })
            .await?;
        let user = user?;
        let chosen = self.headers.get(SESSION);
        let chosen = chosen.map(|token| String::from_utf8_lossy(token.as_bytes()).into_owned());
        let new = version.clone();
        let started = self
            .run(move |state, job| {
                let started = state.bucket.start(&new, &request, &user, chosen, job)?;
                Ok(plain(&describe(&new, &started)))
            })
            .await?;
        Ok(self.offering(&version, answer::json(StatusCode::OK, started)))
    }

    /// Says with an answer of a session what else it can do here.
    fn offering(&self, version: &VersionPath, mut response: Response<Body>) -> Response<Body> {
        let headers = response.headers_mut();
        let batches = HeaderValue::from_static(PRESIGNED_FILES);
        headers.insert(HeaderName::from_static(BATCHES), batches);
        if self.state.bucket.objects().is_at_hand() {
            let archive = HeaderValue::try_from(format!("/upload/archive/{}", quoted(version)));
            let archive = archive.expect("made of visible ASCII letters");
            headers.insert(HeaderName::from_static(ARCHIVE), archive);
        }
        response
    }

    async fn presign(self, slug: &str) -> Answer {
        let session = token(self.headers)?.to_owned();
        let slug = Slug::decode(slug)?;
        let version = slug.version.clone();
        let presigned = self.presigned(vec![slug], session).await?.pop();
        Ok(self.offering(&version, data(&presigned.unwrap_or_default())))
    }

    /// Small files of an upload, in an archive.
    async fn receive(self, names: &[String; 3]) -> Answer {
        if !self.state.bucket.objects().is_at_hand() {
            return Err(Refusal::no_such_endpoint());
        }
        let session = token(self.headers)?.to_owned();
        let version = parse_version(names)?;
        body::length(self.headers)?;
        let upload = self.run(move |state, _| state.bucket.upload(&version, &session)).await?;
        unpack::receive(self.state, upload, self.body).await?;
        Ok(done())
    }

    /// The same for several files of a session: a list of what the session was told to ask for.
    async fn presign_many(self) -> Answer {
        let session = token(self.headers)?.to_owned();
        let text = body::read(self.body, body::MAX_JSON_BYTES).await?;
        let urls: Vec<String> = serde_json::from_slice(&text)
            .map_err(|error| Refusal::new(400, format!("expected a list of URLs: {error}")))?;
        if urls.len() > MOST_PRESIGNED {
            return Err(Refusal::new(400, format!("expected at most {MOST_PRESIGNED} URLs")));
        }
        let slugs = urls.iter().map(|url| match url.strip_prefix(PRESIGNED_FILE) {
            Some(slug) => Slug::decode(slug),
            None => Err(Refusal::new(400, format!("expected `{PRESIGNED_FILE}...`: `{url}`"))),
        });
        let slugs = slugs.collect::<Result<_, _>>()?;
        Ok(data(&self.presigned(slugs, session).await?.into()))
    }

    fn presigned(
        &self,
        slugs: Vec<Slug>,
        session: String,
    ) -> impl Future<Output = Result<Vec<Value>, Refusal>> + use<> {
        let base = base(self.state, self.headers);
        self.run(move |state, _| {
            let base = base.ok_or_else(|| Failure::invalid("the Host header is not a host"))?;
            let lifetime = state.options.url_lifetime;
            let expires = body::now().saturating_add(lifetime);
            let lifetime = Duration::from_secs(lifetime);
            let mut presigned = Vec::with_capacity(slugs.len());
            let files = slugs.iter().map(|Slug { version, path, md5sum }| (version, path, md5sum));
            for file in state.bucket.presign(files, &session)? {
                let url = state.bucket.presign_in_store(&file, lifetime)?.unwrap_or_else(|| {
                    let slug = Slug::encode(&file.version, &file.path, &file.md5.to_string());
                    let signature = state.signer.sign(&slug, expires, &file.lock.session_hash);
                    format!("{base}/upload/object/{slug}?expires={expires}&signature={signature}")
                });
                let md5sum_base64 = STANDARD.encode(file.md5.0);
                presigned.push(json!({"url": url, "md5sum_base64": md5sum_base64}));
            }
            Ok(presigned)
        })
    }

    async fn end(self, is_complete: bool, names: &[String; 3]) -> Answer {
        let session = token(self.headers)?.to_owned();
        let version = parse_version(names)?;
        self.run(move |state, job| {
            if is_complete {
                state.bucket.complete(&version, &session, job)
            } else {
                state.bucket.abort(&version, &session, job)
            }
        })
        .await?;
        Ok(done())
    }
}

/// The names of a version in a URL.
fn quoted(version: &VersionPath) -> String {
    quote_path(&format!("{}/{}/{}", version.project, version.asset, version.version))
}

/// What a client is told about the session that it has started.
fn describe(version: &VersionPath, started: &Started) -> Value {
    let folder = quoted(version);
    let files: Vec<Value> = started
        .files
        .iter()
        .map(|(path, md5sum)| {
            let slug = Slug::encode(version, path, md5sum);
            let url = format!("{PRESIGNED_FILE}{slug}");
            json!({"path": path, "url": url, "method": "presigned"})
        })
        .collect();
    json!({
        "file_urls": files,
        "complete_url": format!("/upload/complete/{folder}"),
        "abort_url": format!("/upload/abort/{folder}"),
        "session_token": started.token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_decoded_once() {
        for (segment, text) in [("a+b", "a+b"), ("a%20b", "a b"), ("%2525", "%25"), ("%C3%BC", "ü")]
        {
            assert_eq!(decode(segment).unwrap(), text);
        }
        for segment in ["%", "%2", "%zz", "a%+1", "%FF"] {
            assert_eq!(decode(segment).unwrap_err().reason, "URI malformed", "{segment}");
        }
    }

    #[test]
    fn values_of_queries_are_decoded_once() {
        let value = |query: &str| query_value(query, "prefix").unwrap();
        assert_eq!(value("recursive=true&prefix=a%2Fb+c&prefix=d"), Some("a/b c".to_owned()));
        assert_eq!(value("prefix"), Some(String::new()));
        assert_eq!(value("prefix=%2525"), Some("%25".to_owned()));
        assert_eq!(value(""), None);
        assert!(query_value("prefix=%", "prefix").is_err());
    }
}
