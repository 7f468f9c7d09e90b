//! What a request file says: its JSON, and whose wish it is.

use std::path::Path;

use serde_json::{Map, Value};

use super::spoofing::Spoofing;
use crate::names::{AssetName, BadName, ProjectName, VersionName};
use crate::registry::Failure;
use crate::registry::format::model::Uploader;
use crate::registry::tree::{Doomed, PermissionsChange};

/// A request file that was accepted.
pub(super) struct Request<'a> {
    /// What is asked for.
    pub(super) action: &'a str,
    /// The file, for messages.
    pub(super) path: &'a Path,
    /// Owner of the file.
    pub(super) user: &'a str,
    /// Content of the file.
    pub(super) text: &'a [u8],
    /// Who may act for whom.
    pub(super) spoofing: &'a Spoofing,
}

impl Request<'_> {
    /// The refusal of a request that lacks something.
    pub(super) fn expected(&self, what: &str) -> Failure {
        Failure::invalid(format!("expected {what} in {:?}", self.path))
    }

    /// A name that the request must hold, told with quotes if it is none.
    pub(super) fn quoted_name<T>(
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

    /// Parses the request.
    pub(super) fn fields(&self) -> Result<Fields<'_>, Failure> {
        let object = match serde_json::from_slice(self.text) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(Value::Null) => Ok(Map::new()),
            Ok(other) => Err(format!("it is {}, not an object", kind_of(&other))),
            Err(error) => Err(error.to_string()),
        };
        let object = object.map_err(|fault| {
            Failure::invalid(format!("failed to parse JSON from {:?}; {fault}", self.path))
        })?;
        // Whoever can rename the file must not choose what is done in its owner's name.
        let action = object.get("action").filter(|action| !action.is_null());
        if action.is_some_and(|action| action != self.action) {
            return Err(Failure::invalid(format!(
                "{:?} asks for another action than its name says; write a new request file with \
                 the same action in its name and its content",
                self.path
            )));
        }
        Ok(Fields { request: self, object, path: "" })
    }
}

/// The members of a request, or of an object in it.
pub(super) struct Fields<'a> {
    request: &'a Request<'a>,
    object: Map<String, Value>,
    /// Where the object is in the request, with a dot at the end.
    path: &'static str,
}

impl Fields<'_> {
    fn mismatch(&self, found: &Value, name: &str, wanted: &str) -> Failure {
        let (file, path, kind) = (self.request.path, self.path, kind_of(found));
        let why = format!("`{path}{name}` is {kind}, not {wanted}");
        Failure::invalid(format!("failed to parse JSON from {file:?}; {why}"))
    }

    /// A member that is there and not null.
    fn member(&self, name: &str) -> Option<&Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// A member that is a text, if it is there.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        self.member(name)
            .map(|value| value.as_str().ok_or_else(|| self.mismatch(value, name, "a text")))
            .transpose()
    }

    fn truth(&self, name: &str) -> Result<Option<bool>, Failure> {
        self.member(name)
            .map(|value| value.as_bool().ok_or_else(|| self.mismatch(value, name, "true or false")))
            .transpose()
    }

    /// A member that is true or false; false if it is missing.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Failure> {
        self.truth(name).map(Option::unwrap_or_default)
    }

    fn list(&self, name: &str) -> Result<Option<&Vec<Value>>, Failure> {
        self.member(name)
            .map(|value| value.as_array().ok_or_else(|| self.mismatch(value, name, "a list")))
            .transpose()
    }

    fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Failure> {
        let Some(list) = self.list(name)? else { return Ok(None) };
        list.iter()
            .map(|value| match value {
                Value::String(text) => Ok(text.clone()),
                Value::Null => Ok(String::new()),
                other => Err(self.mismatch(other, name, "a text")),
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// A member that is a list of objects, if it is there.
    pub(super) fn objects(&self, name: &str) -> Result<Option<Vec<Fields<'_>>>, Failure> {
        let Some(list) = self.list(name)? else { return Ok(None) };
        list.iter()
            .map(|value| match value {
                Value::Object(object) => Ok(Fields { object: object.clone(), ..*self }),
                Value::Null => Ok(Fields { object: Map::new(), ..*self }),
                other => Err(self.mismatch(other, name, "a list of objects")),
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// The user that acts.
    pub(super) fn user(&self) -> Result<&str, Failure> {
        self.acting(self.request.user)
    }

    /// The owner of a file, or the user that it is allowed to act for and does.
    pub(super) fn acting<'b>(&'b self, owner: &'b str) -> Result<&'b str, Failure> {
        match self.text("spoof")? {
            None => Ok(owner),
            Some(user) if self.request.spoofing.allows(owner, user) => Ok(user),
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
        Failure::invalid(format!("invalid '{what}' property in {:?}; {why}", self.request.path))
    }

    /// The project that is named.
    pub(super) fn project(&self) -> Result<ProjectName, Failure> {
        self.named("project", ProjectName::parse)
    }

    /// The asset that is named.
    pub(super) fn asset(&self) -> Result<AssetName, Failure> {
        self.named("asset", AssetName::parse)
    }

    /// The version that is named.
    pub(super) fn version(&self) -> Result<(ProjectName, AssetName, VersionName), Failure> {
        Ok((self.project()?, self.asset()?, self.named("version", VersionName::parse)?))
    }

    /// What is to go, in a list of such.
    pub(super) fn doomed(&self) -> Result<Doomed, Failure> {
        let project = ProjectName::parse(self.text("project")?.unwrap_or_default())
            .map_err(|why| self.invalid("project", &why.to_string()))?;
        let asset = self.text("asset")?.map(|_| self.asset()).transpose()?;
        let version = self.text("version")?.map(|_| self.named("version", VersionName::parse));
        let version = version.transpose()?;
        if version.is_some() && asset.is_none() {
            return Err(Failure::invalid(format!(
                "'version' requires the 'asset' to be specified in {:?}; %!w(<nil>)",
                self.request.path
            )));
        }
        Ok(Doomed { project, asset, version })
    }

    /// The `permissions` member as it stands in the request.
    pub(super) fn permissions(&self) -> Result<Option<PermissionsChange>, Failure> {
        let Some(value) = self.member("permissions") else { return Ok(None) };
        let Value::Object(object) = value else {
            return Err(self.mismatch(value, "permissions", "an object"));
        };
        let fields = Fields { request: self.request, object: object.clone(), path: "permissions." };
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
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
