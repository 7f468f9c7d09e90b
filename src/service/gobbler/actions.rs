//! What each request asks for: rights and names are checked in the documented order, then the engine
//! is called.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::request::{Fields, Request};
use super::users;
use crate::fs::open::Root;
use crate::fs::owner::other_writer;
use crate::job::Job;
use crate::names::{AssetName, ProjectName, VersionName};
use crate::registry::tree::{Engine, Receipt, Upload};
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

/// What requests work on.
pub(super) struct Context<'a> {
    /// The registry.
    pub(super) engine: &'a Engine,
    /// The staging directory.
    pub(super) staging: &'a Path,
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
        "create_project" => return call.create_project().map(receipt),
        "upload" => return call.upload().map(receipt),
        "approve_probation" => return call.approve_probation().map(receipt),
        "reject_probation" => return call.reject_probation().map(receipt),
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
    fn create_project(&self) -> Result<Receipt, Failure> {
        self.administrators_only("create a project")?;
        let fields = self.request.fields()?;
        let name = fields.text("project")?;
        let change = fields.permissions()?;
        let name = name.ok_or_else(|| self.request.expected("a 'project' property"))?;
        let project = ProjectName::parse(name)
            .map_err(|why| Failure::invalid(format!("invalid project name; {why}")))?;
        let change = change.unwrap_or_default();
        self.engine().create_project(self.request.user, &project, change, self.job)
    }

    fn upload(&self) -> Result<Receipt, Failure> {
        let fields = self.request.fields()?;
        let source = fields.text("source")?;
        let names = ["project", "asset", "version"].map(|name| fields.text(name));
        let [project, asset, version] = names;
        let (project, asset, version) = (project?, asset?, version?);
        let on_probation = fields.flag("on_probation")?;
        let consume = fields.flag("consume")?;
        let ignore_dot = fields.flag("ignore_dot")?;
        let user =
            fields.user().within(|| format!("failed to find owner of {:?}", self.request.path))?;

        let source = source.ok_or_else(|| {
            self.request.expected("a 'source' property").with_suffix("; %!w(<nil>)")
        })?;
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
        let project = self.request.quoted_name("project", "a", project, ProjectName::parse)?;
        let asset = self.request.quoted_name("asset", "an", asset, AssetName::parse)?;
        let version = self.request.quoted_name("version", "a", version, VersionName::parse)?;
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
        let fields = self.request.fields()?;
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
        let change = change.ok_or_else(|| self.request.expected("a 'permissions' object"))?;
        let (engine, job) = (self.engine(), self.job);
        match asset {
            None => engine.set_project_permissions(user, &project, change, job),
            Some(asset) => engine.set_asset_permissions(user, &project, &asset, change, job),
        }?;
        Ok(Extras::new())
    }

    fn approve_probation(&self) -> Result<Receipt, Failure> {
        let fields = self.request.fields()?;
        let (project, asset, version) = fields.version()?;
        let user = fields.user().within(|| "failed to identify user")?;
        self.engine().approve_probation(user, &project, &asset, &version, self.job)
    }

    fn reject_probation(&self) -> Result<Receipt, Failure> {
        let fields = self.request.fields()?;
        let force = fields.flag("force")?;
        let (project, asset, version) = fields.version()?;
        let user = fields.user().within(|| "failed to identify user")?;
        self.engine().reject_probation(user, &project, &asset, &version, force, self.job)
    }

    fn refresh_latest(&self) -> Result<Extras, Failure> {
        self.administrators_only_here("refresh the latest version")?;
        let fields = self.request.fields()?;
        let (project, asset) = (fields.project()?, fields.asset()?);
        let latest = self.engine().refresh_latest(&project, &asset, self.job)?;
        Ok(latest.into_iter().map(|version| ("version".to_owned(), json!(version))).collect())
    }

    fn refresh_usage(&self) -> Result<Extras, Failure> {
        self.administrators_only_here("refresh the latest version")?;
        let fields = self.request.fields()?;
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
        let fields = self.request.fields()?;
        self.engine().delete_project(&fields.project()?, self.job)?;
        Ok(Extras::new())
    }

    fn delete_asset(&self) -> Result<Extras, Failure> {
        self.administrators_only("delete a project")?;
        let fields = self.request.fields()?;
        let force = fields.flag("force")?;
        let (project, asset) = (fields.project()?, fields.asset()?);
        self.engine().delete_asset(&project, &asset, force, self.job)?;
        Ok(Extras::new())
    }

    fn delete_version(&self) -> Result<Extras, Failure> {
        self.administrators_only("delete a project")?;
        let fields = self.request.fields()?;
        let force = fields.flag("force")?;
        let (project, asset, version) = fields.version()?;
        self.engine().delete_version(&project, &asset, &version, force, self.job)?;
        Ok(Extras::new())
    }

    fn reroute_links(&self) -> Result<Extras, Failure> {
        self.administrators_only("delete a project")?;
        let fields = self.request.fields()?;
        let dry_run = fields.flag("dry_run")?;
        let list = fields.objects("to_delete")?.ok_or_else(|| {
            self.request.expected("a 'to_delete' property").with_suffix("; %!w(<nil>)")
        })?;
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
        let fields = self.request.fields()?;
        let (project, asset, version) =
            (fields.text("project")?, fields.text("asset")?, fields.text("version")?);
        let project = self.request.quoted_name("project", "a", project, ProjectName::parse)?;
        let asset = self.request.quoted_name("asset", "an", asset, AssetName::parse)?;
        let version = self.request.quoted_name("version", "a", version, VersionName::parse)?;
        if !self.engine().is_administrator(self.request.user) {
            return Err(Failure::forbidden(format!(
                "user '{}' is not authorized to {verb} '{project}'",
                self.request.user
            )));
        }
        Ok((project, asset, version))
    }
}
