//! What each request asks for: reading its JSON, checking rights and names in the documented order,
//! and calling the engine.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::spoofing::Spoofing;
use super::users;
use crate::fs::open::Root;
use crate::fs::owner::other_writer;
use crate::job::Job;
use crate::names::{AssetName, BadName, ProjectName, VersionName};
use crate::registry::engine::{Doomed, Engine, PermissionsChange, Receipt, Upload};
use crate::registry::format::model::Uploader;
use crate::registry::{Failure, FailureContext};
use crate::system::Stat;

/// The actions that a request file can name, without the health check.
pub(super) const ACTIONS: &[&str] = &[
    "create_project",
    "upload",
    "set_permissions",
    "approve_probation",
    "reject_probation",
    "refresh_latest",
    "refresh_usage",
    "reindex_version",
    "validate_version",
    "delete_project",
    "delete_asset",
    "delete_version",
    "reroute_links",
];

/// A request file that was accepted.
pub(super) struct Request<'a> {
    /// One of [`ACTIONS`].
    pub(super) action: &'a str,
    /// The file, for messages.
    pub(super) path: &'a Path,
    /// Owner of the file.
    pub(super) user: &'a str,
    /// Content of the file.
    pub(super) text: &'a [u8],
}

/// What requests work on.
pub(super) struct Context<'a> {
    /// The registry.
    pub(super) engine: &'a Engine,
    /// The staging directory.
    pub(super) staging: &'a Path,
    /// Who may act for whom.
    pub(super) spoofing: &'a Spoofing,
}

/// Further keys of a successful answer.
type Extras = Map<String, Value>;

/// A successful answer, and the receipt to keep until it is given.
pub(super) type Answer = (Extras, Option<Receipt>);

/// Runs a request to its end.
pub(super) fn run(
    context: &Context<'_>,
    request: &Request<'_>,
    job: &Job,
) -> Result<Answer, Failure> {
    let call = Call { context, request, job };
    let receipt = |receipt| (Extras::new(), Some(receipt));
    match request.action {
        "upload" => return call.upload().map(receipt),
        "approve_probation" => return call.approve_probation().map(receipt),
        "reject_probation" => return call.reject_probation().map(receipt),
        "create_project" => call.create_project(),
        "set_permissions" => call.set_permissions(),
        "refresh_latest" => call.refresh_latest(),
        "refresh_usage" => call.refresh_usage(),
        "reindex_version" => call.reindex_version(),
        "validate_version" => call.validate_version(),
        "delete_project" => call.delete_project(),
        "delete_asset" => call.delete_asset(),
        "delete_version" => call.delete_version(),
        "reroute_links" => call.reroute_links(),
        _ => Err(Failure::invalid("invalid request type")),
    }
    .map(|extras| (extras, None))
}

struct Call<'a> {
    context: &'a Context<'a>,
    request: &'a Request<'a>,
    job: &'a Job,
}

impl Call<'_> {
    fn create_project(&self) -> Result<Extras, Failure> {
        self.administrators_only("create a project")?;
        let fields = self.fields(
            "struct { Project *string \"json:\\\"project\\\"\"; Permissions \
             *main.unsafePermissionsMetadata \"json:\\\"permissions\\\"\" }",
        )?;
        let name = fields.text("project")?;
        let change = fields.permissions()?;
        let name = name.ok_or_else(|| self.expected("a 'project' property"))?;
        let project = ProjectName::parse(name)
            .map_err(|why| Failure::invalid(format!("invalid project name; {why}")))?;
        let change = change.unwrap_or_default();
        self.engine().create_project(self.request.user, &project, change, self.job)?;
        Ok(Extras::new())
    }

    fn upload(&self) -> Result<Receipt, Failure> {
        let fields = self.fields("main.uploadRequest")?;
        let source = fields.text("source")?;
        let names = ["project", "asset", "version"].map(|name| fields.text(name));
        let [project, asset, version] = names;
        let (project, asset, version) = (project?, asset?, version?);
        let on_probation = fields.flag("on_probation")?;
        let consume = fields.flag("consume")?;
        let ignore_dot = fields.flag("ignore_dot")?;
        let user =
            fields.user().within(|| format!("failed to find owner of {:?}", self.request.path))?;

        let source = source
            .ok_or_else(|| self.expected("a 'source' property").with_suffix("; %!w(<nil>)"))?;
        if source.is_empty() || source.contains(['/', '\0']) || matches!(source, "." | "..") {
            return Err(Failure::invalid(format!(
                "expected 'source' to be a name, not a path, in {:?}",
                self.request.path
            )));
        }
        let directory = self.context.staging.join(source);
        let metadata = fs::symlink_metadata(&directory).map_err(|error| {
            let cause = Failure::system("lstat", &directory, &error).reason;
            Failure::invalid(format!("failed to stat {source:?} in the staging directory; {cause}"))
        })?;
        if !metadata.is_dir() {
            return Err(Failure::invalid(format!("expected {source:?} to be a directory")));
        }
        let opened =
            Root::open(&directory).map_err(|error| Failure::system("open", &directory, &error))?;
        let writer = other_writer(opened.handle())
            .map_err(|error| Failure::system("fstat", &directory, &error))?;
        if let Some(writer) = writer {
            return Err(Failure::forbidden(format!(
                "directory {source:?} can be written by {writer}, so that its content need not be \
                 its owner's; run `chmod go-w` on it and look at what is in it"
            )));
        }
        let owner_id = Stat::from(&metadata).user;
        let owner = users::name_of(owner_id);
        let owner =
            fields.acting(&owner).within(|| format!("failed to find owner of {directory:?}"))?;
        if owner != user {
            return Err(Failure::forbidden(format!(
                "requesting user must be the same as the owner of the 'source' directory ({owner} \
                 vs {user})"
            )));
        }
        let project = self.quoted_name("project", "a", project, ProjectName::parse)?;
        let asset = self.quoted_name("asset", "an", asset, AssetName::parse)?;
        let version = self.quoted_name("version", "a", version, VersionName::parse)?;
        let upload = Upload {
            project: &project,
            asset: &asset,
            version: &version,
            source: &directory,
            source_owner: Some(owner_id),
            user,
            on_probation,
            consume,
            ignore_dot,
        };
        self.engine().upload(&upload, self.job)
    }

    fn set_permissions(&self) -> Result<Extras, Failure> {
        let fields = self.fields("main.setPermissionsRequest")?;
        let project = fields.text("project")?;
        let asset = fields.text("asset")?;
        let change = fields.permissions()?;
        let user = fields.user().within(|| "failed to identify user")?;
        let invalid = |what: &str, why: String| {
            Failure::invalid(format!("{what} property in {:?}; {why}", self.request.path))
        };
        let project = project
            .ok_or_else(|| "missing name".to_owned())
            .and_then(|name| ProjectName::parse(name).map_err(|why| why.to_string()))
            .map_err(|why| invalid("missing or invalid 'project'", why))?;
        let asset = asset
            .map(|name| {
                AssetName::parse(name).map_err(|why| invalid("invalid 'asset'", why.to_string()))
            })
            .transpose()?;
        let change = change.ok_or_else(|| self.expected("a 'permissions' object"))?;
        let (engine, job) = (self.engine(), self.job);
        match asset {
            None => engine.set_project_permissions(user, &project, change, job),
            Some(asset) => engine.set_asset_permissions(user, &project, &asset, change, job),
        }?;
        Ok(Extras::new())
    }

    fn approve_probation(&self) -> Result<Receipt, Failure> {
        let fields = self.fields("main.probationRequest")?;
        let (project, asset, version) = fields.version()?;
        let user = fields.user().within(|| "failed to identify user")?;
        self.engine().approve_probation(user, &project, &asset, &version, self.job)
    }

    fn reject_probation(&self) -> Result<Receipt, Failure> {
        let fields = self.fields("main.probationRequest")?;
        let force = fields.flag("force")?;
        let (project, asset, version) = fields.version()?;
        let user = fields.user().within(|| "failed to identify user")?;
        self.engine().reject_probation(user, &project, &asset, &version, force, self.job)
    }

    fn refresh_latest(&self) -> Result<Extras, Failure> {
        self.administrators_only_here("refresh the latest version")?;
        let fields = self.fields("main.refreshRequest")?;
        let (project, asset) = (fields.project()?, fields.asset()?);
        let latest = self.engine().refresh_latest(&project, &asset, self.job)?;
        Ok(latest.into_iter().map(|version| ("version".to_owned(), json!(version))).collect())
    }

    fn refresh_usage(&self) -> Result<Extras, Failure> {
        self.administrators_only_here("refresh the latest version")?;
        let fields = self.fields("main.refreshRequest")?;
        let total = self.engine().refresh_usage(&fields.project()?, self.job)?;
        Ok(Extras::from_iter([("total".to_owned(), json!(total))]))
    }

    fn reindex_version(&self) -> Result<Extras, Failure> {
        let (project, asset, version) = self.indexed("reindex")?;
        self.engine().reindex_version(&project, &asset, &version, self.job)?;
        Ok(Extras::new())
    }

    fn validate_version(&self) -> Result<Extras, Failure> {
        let (project, asset, version) = self.indexed("validate")?;
        self.engine().validate_version(&project, &asset, &version, self.job)?;
        Ok(Extras::new())
    }

    fn delete_project(&self) -> Result<Extras, Failure> {
        self.administrators_only("delete a project")?;
        let fields = self.fields("main.deleteRequest")?;
        self.engine().delete_project(&fields.project()?, self.job)?;
        Ok(Extras::new())
    }

    fn delete_asset(&self) -> Result<Extras, Failure> {
        self.administrators_only("delete a project")?;
        let fields = self.fields("main.deleteRequest")?;
        let force = fields.flag("force")?;
        let (project, asset) = (fields.project()?, fields.asset()?);
        self.engine().delete_asset(&project, &asset, force, self.job)?;
        Ok(Extras::new())
    }

    fn delete_version(&self) -> Result<Extras, Failure> {
        self.administrators_only("delete a project")?;
        let fields = self.fields("main.deleteRequest")?;
        let force = fields.flag("force")?;
        let (project, asset, version) = fields.version()?;
        self.engine().delete_version(&project, &asset, &version, force, self.job)?;
        Ok(Extras::new())
    }

    fn reroute_links(&self) -> Result<Extras, Failure> {
        self.administrators_only("delete a project")?;
        let fields = self.fields("main.rerouteRequest")?;
        let dry_run = fields.flag("dry_run")?;
        let list = fields
            .objects("to_delete")?
            .ok_or_else(|| self.expected("a 'to_delete' property").with_suffix("; %!w(<nil>)"))?;
        let doomed = list.iter().map(Fields::doomed).collect::<Result<Vec<_>, _>>()?;
        let changes = self.engine().reroute_links(&doomed, dry_run, self.job)?;
        Ok(Extras::from_iter([("changes".to_owned(), json!(changes))]))
    }

    fn engine(&self) -> &Engine {
        self.context.engine
    }

    fn administrators_only(&self, what: &str) -> Result<(), Failure> {
        if self.engine().is_administrator(self.request.user) {
            return Ok(());
        }
        Err(Failure::forbidden(format!("user {:?} is not authorized to {what}", self.request.user)))
    }

    fn administrators_only_here(&self, what: &str) -> Result<(), Failure> {
        self.administrators_only(&format!("{what} ({:?})", self.request.path))
    }

    /// The version of a request for administrators whose names are looked at first.
    fn indexed(&self, verb: &str) -> Result<(ProjectName, AssetName, VersionName), Failure> {
        let fields = self.fields("main.indexRequest")?;
        let (project, asset, version) =
            (fields.text("project")?, fields.text("asset")?, fields.text("version")?);
        let project = self.quoted_name("project", "a", project, ProjectName::parse)?;
        let asset = self.quoted_name("asset", "an", asset, AssetName::parse)?;
        let version = self.quoted_name("version", "a", version, VersionName::parse)?;
        if !self.engine().is_administrator(self.request.user) {
            return Err(Failure::forbidden(format!(
                "user '{}' is not authorized to {verb} '{project}'",
                self.request.user
            )));
        }
        Ok((project, asset, version))
    }

    fn expected(&self, what: &str) -> Failure {
        Failure::invalid(format!("expected {what} in {:?}", self.request.path))
    }

    fn quoted_name<T>(
        &self,
        what: &str,
        article: &str,
        name: Option<&str>,
        parse: impl Fn(String) -> Result<T, BadName>,
    ) -> Result<T, Failure> {
        let name = name.ok_or_else(|| self.expected(&format!("{article} '{what}' property")))?;
        parse(name.to_owned())
            .map_err(|why| Failure::invalid(format!("invalid {what} name {name:?}; {why}")))
    }

    /// Parses the request. `kind` names the expected type in the message of a failure.
    fn fields(&self, kind: &str) -> Result<Fields<'_>, Failure> {
        let parsed = serde_json::from_slice(self.request.text).map_err(|error| error.to_string());
        let object = match parsed {
            Ok(Value::Object(object)) => Ok(object),
            Ok(Value::Null) => Ok(Map::new()),
            Ok(other) => Err(format!(
                "json: cannot unmarshal {} into Go value of type {kind}",
                kind_of(&other)
            )),
            Err(fault) => Err(fault),
        };
        let object = object.map_err(|fault| {
            Failure::invalid(format!("failed to parse JSON from {:?}; {fault}", self.request.path))
        })?;
        // Whoever can rename the file must not choose what is done in its owner's name.
        let action = object.get("action").filter(|action| !action.is_null());
        if action.is_some_and(|action| action != self.request.action) {
            return Err(Failure::invalid(format!(
                "{:?} asks for another action than its name says; write a new request file with \
                 the same action in its name and its content",
                self.request.path
            )));
        }
        Ok(Fields { call: self, object, owner: "", path: "" })
    }
}

/// The members of a request, or of an object in it.
struct Fields<'a> {
    call: &'a Call<'a>,
    object: Map<String, Value>,
    /// Type that a mismatch is reported for.
    owner: &'static str,
    /// Where the object is in the request, with a dot at the end.
    path: &'static str,
}

impl Fields<'_> {
    fn mismatch(&self, found: &Value, name: &str, wanted: &str) -> Failure {
        Failure::invalid(format!(
            "failed to parse JSON from {:?}; json: cannot unmarshal {} into Go struct field \
             {}.{}{name} of type {wanted}",
            self.call.request.path,
            kind_of(found),
            self.owner,
            self.path
        ))
    }

    /// A member that is there and not null.
    fn member(&self, name: &str) -> Option<&Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        self.member(name)
            .map(|value| value.as_str().ok_or_else(|| self.mismatch(value, name, "string")))
            .transpose()
    }

    fn truth(&self, name: &str) -> Result<Option<bool>, Failure> {
        self.member(name)
            .map(|value| value.as_bool().ok_or_else(|| self.mismatch(value, name, "bool")))
            .transpose()
    }

    fn flag(&self, name: &str) -> Result<bool, Failure> {
        self.truth(name).map(Option::unwrap_or_default)
    }

    fn list(&self, name: &str, of: &str) -> Result<Option<&Vec<Value>>, Failure> {
        let wanted = || format!("[]{of}");
        self.member(name)
            .map(|value| value.as_array().ok_or_else(|| self.mismatch(value, name, &wanted())))
            .transpose()
    }

    fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Failure> {
        let Some(list) = self.list(name, "string")? else { return Ok(None) };
        list.iter()
            .map(|value| match value {
                Value::String(text) => Ok(text.clone()),
                Value::Null => Ok(String::new()),
                other => Err(self.mismatch(other, name, "string")),
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn objects(&self, name: &str) -> Result<Option<Vec<Fields<'_>>>, Failure> {
        let Some(list) = self.list(name, "main.entry")? else { return Ok(None) };
        list.iter()
            .map(|value| match value {
                Value::Object(object) => Ok(Fields { object: object.clone(), ..*self }),
                Value::Null => Ok(Fields { object: Map::new(), ..*self }),
                other => Err(self.mismatch(other, name, "main.entry")),
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// The user that acts.
    fn user(&self) -> Result<&str, Failure> {
        self.acting(self.call.request.user)
    }

    /// The owner of a file, or the user that it is allowed to act for and does.
    fn acting<'b>(&'b self, owner: &'b str) -> Result<&'b str, Failure> {
        match self.text("spoof")? {
            None => Ok(owner),
            Some(user) if self.call.context.spoofing.allows(owner, user) => Ok(user),
            Some(user) => Err(Failure::forbidden(format!(
                "user {owner:?} is not authorized to spoof {user:?}"
            ))),
        }
    }

    fn named<T>(
        &self,
        what: &str,
        parse: impl Fn(String) -> Result<T, BadName>,
    ) -> Result<T, Failure> {
        self.text(what)?
            .ok_or_else(|| "missing name".to_owned())
            .and_then(|name| parse(name.to_owned()).map_err(|why| why.to_string()))
            .map_err(|why| self.invalid(what, &why))
    }

    fn invalid(&self, what: &str, why: &str) -> Failure {
        Failure::invalid(format!(
            "invalid '{what}' property in {:?}; {why}",
            self.call.request.path
        ))
    }

    fn project(&self) -> Result<ProjectName, Failure> {
        self.named("project", ProjectName::parse)
    }

    fn asset(&self) -> Result<AssetName, Failure> {
        self.named("asset", AssetName::parse)
    }

    fn version(&self) -> Result<(ProjectName, AssetName, VersionName), Failure> {
        Ok((self.project()?, self.asset()?, self.named("version", VersionName::parse)?))
    }

    fn doomed(&self) -> Result<Doomed, Failure> {
        let project = ProjectName::parse(self.text("project")?.unwrap_or_default())
            .map_err(|why| self.invalid("project", &why.to_string()))?;
        let asset = self.text("asset")?.map(|_| self.asset()).transpose()?;
        let version = self.text("version")?.map(|_| self.named("version", VersionName::parse));
        let version = version.transpose()?;
        if version.is_some() && asset.is_none() {
            return Err(Failure::invalid(format!(
                "'version' requires the 'asset' to be specified in {:?}; %!w(<nil>)",
                self.call.request.path
            )));
        }
        Ok(Doomed { project, asset, version })
    }

    /// The `permissions` member as it stands in the request.
    fn permissions(&self) -> Result<Option<PermissionsChange>, Failure> {
        let Some(value) = self.member("permissions") else { return Ok(None) };
        let Value::Object(object) = value else {
            return Err(self.mismatch(value, "permissions", "main.unsafePermissionsMetadata"));
        };
        let fields = Fields {
            call: self.call,
            object: object.clone(),
            owner: "unsafePermissionsMetadata",
            path: "permissions.",
        };
        let uploaders = fields
            .objects("uploaders")?
            .map(|list| list.iter().map(Fields::uploader).collect::<Result<Vec<_>, _>>())
            .transpose()?;
        Ok(Some(PermissionsChange {
            owners: fields.texts("owners")?,
            uploaders,
            global_write: fields.truth("global_write")?,
        }))
    }

    /// An uploader; the engine refuses one whose id is missing, and so empty here.
    fn uploader(&self) -> Result<Uploader, Failure> {
        let text = |name| Ok::<_, Failure>(self.text(name)?.map(str::to_owned));
        Ok(Uploader {
            id: text("id")?.unwrap_or_default(),
            asset: text("asset")?,
            version: text("version")?,
            until: text("until")?,
            trusted: self.truth("trusted")?,
        })
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
