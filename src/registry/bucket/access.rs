//! Who may do what with a project.

use serde::Deserialize;
use serde_json::Value;

use super::Bucket;
use crate::names::ProjectName;
use crate::registry::failure::Failure;
use crate::registry::format::layout;
use crate::registry::format::model::null_is_default;
use crate::registry::format::time;

/// A user who is known by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's name.
    pub login: String,
    /// Names of the organizations that the user belongs to.
    pub organizations: Vec<String>,
}

impl Identity {
    /// True if the user or one of its organizations is in a list.
    pub fn is_in(&self, names: &[String]) -> bool {
        names.iter().any(|name| self.is(name))
    }

    fn is(&self, name: &str) -> bool {
        self.login == name || self.organizations.iter().any(|organization| organization == name)
    }
}

/// `..permissions` of a project, as far as rights depend on it. What cannot be understood grants
/// nothing.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Permissions {
    #[serde(default, deserialize_with = "null_is_default")]
    owners: Vec<Value>,
    #[serde(default, deserialize_with = "null_is_default")]
    uploaders: Vec<Value>,
}

/// What somebody may do with a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// Everything that an owner may.
    Owner,
    /// Upload; not on probation if trusted.
    Uploader { is_trusted: bool },
}

impl Permissions {
    pub(super) fn is_owner(&self, user: &Identity) -> bool {
        self.owners.iter().filter_map(Value::as_str).any(|owner| user.is(owner))
    }

    /// The first entry that names the user decides, whatever comes after it.
    fn uploader(&self, user: &Identity, asset: &str, version: &str) -> Option<Right> {
        let text =
            |entry: &Value, key: &str| entry.get(key).filter(|value| !value.is_null()).cloned();
        let entry = self
            .uploaders
            .iter()
            .find(|entry| entry.get("id").and_then(Value::as_str).is_some_and(|id| user.is(id)))?;
        let fits = |key: &str, name: &str| text(entry, key).is_none_or(|only| only == name);
        let is_in_time =
            text(entry, "until").is_none_or(|until| until.as_str().is_some_and(time::is_ahead_any));
        let is_trusted = entry.get("trusted") == Some(&Value::Bool(true));
        (fits("asset", asset) && fits("version", version) && is_in_time)
            .then_some(Right::Uploader { is_trusted })
    }
}

impl Bucket {
    /// The permissions of a project; `None` if there is no such project.
    pub(super) fn permissions(
        &self,
        project: &ProjectName,
    ) -> Result<Option<Permissions>, Failure> {
        self.get(&format!("{project}/{}", layout::PERMISSIONS))
    }

    pub(super) fn known_permissions(&self, project: &ProjectName) -> Result<Permissions, Failure> {
        self.permissions(project)?.ok_or_else(|| {
            Failure::invalid(format!("no existing permissions for project '{project}'"))
        })
    }

    /// What a user may do with a version, or that it may do nothing.
    pub(super) fn upload_right(
        &self,
        user: &Identity,
        version: &super::VersionPath,
    ) -> Result<Right, Failure> {
        let permissions = self.known_permissions(&version.project)?;
        if self.is_administrator(user) || permissions.is_owner(user) {
            return Ok(Right::Owner);
        }
        permissions
            .uploader(user, version.asset.as_str(), version.version.as_str())
            .ok_or_else(|| Failure::forbidden("user is not authorized to upload"))
    }

    /// Refuses everybody but administrators.
    pub fn check_administrator(&self, user: &Identity) -> Result<(), Failure> {
        if self.is_administrator(user) {
            Ok(())
        } else {
            Err(Failure::forbidden("user is not an administrator"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_entry_that_names_the_user_decides() {
        let permissions: Permissions = serde_json::from_value(json!({"uploaders": [
            {"id": "a", "asset": "x"},
            {"id": "a", "trusted": true},
            {"id": "org", "version": "v1", "trusted": true},
            {"id": "old", "until": "2020-01-01T00:00:00"},
            {"id": "new", "until": "2999-01-01T00:00:00+01:00"},
            {"id": "odd", "until": 7},
        ]}))
        .unwrap();
        let right = |login: &str, organizations: &[&str], asset: &str, version: &str| {
            let user = Identity {
                login: login.into(),
                organizations: organizations.iter().map(ToString::to_string).collect(),
            };
            permissions.uploader(&user, asset, version)
        };
        let untrusted = Some(Right::Uploader { is_trusted: false });
        assert_eq!(right("a", &[], "x", "v1"), untrusted);
        assert_eq!(right("a", &[], "y", "v1"), None);
        assert_eq!(right("b", &["org"], "y", "v1"), Some(Right::Uploader { is_trusted: true }));
        assert_eq!(right("b", &["org"], "y", "v2"), None);
        assert_eq!(right("old", &[], "x", "v1"), None);
        assert_eq!(right("new", &[], "x", "v1"), untrusted);
        assert_eq!(right("odd", &[], "x", "v1"), None);
        assert_eq!(right("nobody", &[], "x", "v1"), None);
    }

    fn user(login: &str, organizations: &[&str]) -> Identity {
        let organizations = organizations.iter().map(ToString::to_string).collect();
        Identity { login: login.into(), organizations }
    }

    #[test]
    fn a_user_counts_as_each_of_its_organizations() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (user, list, is_in) in [
            (user("a", &[]), names(&["b", "a"]), true),
            (user("a", &["x", "y"]), names(&["y"]), true),
            (user("a", &["x"]), names(&["b", "y"]), false),
            (user("a", &[]), names(&[]), false),
        ] {
            assert_eq!(user.is_in(&list), is_in, "{user:?} {list:?}");
            let permissions = Permissions {
                owners: list.into_iter().map(Value::from).collect(),
                ..Permissions::default()
            };
            assert_eq!(permissions.is_owner(&user), is_in, "{user:?}");
        }
        let odd: Permissions = serde_json::from_value(json!({"owners": [7, null]})).unwrap();
        assert!(!odd.is_owner(&user("7", &[])));
        let none: Permissions =
            serde_json::from_value(json!({"owners": null, "uploaders": null})).unwrap();
        assert!(!none.is_owner(&user("a", &[])));
        assert_eq!(none.uploader(&user("a", &[]), "x", "v"), None);
    }

    #[test]
    fn only_true_is_trust_and_only_a_match_is_a_right() {
        let right = |entry: Value| {
            let list = json!({"uploaders": [entry]});
            let permissions: Permissions = serde_json::from_value(list).unwrap();
            permissions.uploader(&user("u", &[]), "x", "v1")
        };
        let is_trusted = |is_trusted| Some(Right::Uploader { is_trusted });
        for (entry, expected) in [
            (json!({"id": "u"}), is_trusted(false)),
            (json!({"id": "u", "trusted": true}), is_trusted(true)),
            (json!({"id": "u", "trusted": false}), is_trusted(false)),
            (json!({"id": "u", "trusted": "true"}), is_trusted(false)),
            (json!({"id": "u", "asset": "x", "version": "v1"}), is_trusted(false)),
            (json!({"id": "u", "asset": "x", "version": "v2"}), None),
            (json!({"id": "u", "asset": "y", "version": "v1"}), None),
            (json!({"id": "u", "asset": null, "until": null}), is_trusted(false)),
            (json!({"id": "u", "asset": 7}), None),
            (json!({"id": "w"}), None),
            (json!({"id": ["u"]}), None),
            (json!("u"), None),
        ] {
            assert_eq!(right(entry.clone()), expected, "{entry}");
        }
    }

    #[test]
    fn the_bucket_knows_its_administrators_and_the_rights_in_its_projects() {
        use std::sync::Arc;

        use super::super::{Options, VersionPath};
        use crate::job::Job;
        use crate::registry::bucket::store::Directory;

        let folder = tempfile::tempdir().unwrap();
        let objects = Arc::new(Directory::new(folder.path(), false));
        let administrators = vec!["admin".to_owned(), "staff".to_owned()];
        let bucket = Bucket::new(objects, Options { administrators, ..Options::default() });
        let project = super::super::parse_project("p").unwrap();
        let permissions = json!({"owners": ["owner"], "uploaders": [{"id": "u", "asset": "x"}]});
        let body = || Ok(json!({"permissions": permissions}));
        bucket.create_project(&project, &body, &Job::default()).unwrap();
        let version = |asset| VersionPath::parse("p", asset, "v").unwrap();
        let owner = Some(Right::Owner);
        let uploader = Some(Right::Uploader { is_trusted: false });
        for (user, asset, right) in [
            (user("admin", &[]), "x", owner),
            (user("a", &["staff"]), "x", owner),
            (user("owner", &[]), "x", owner),
            (user("u", &[]), "x", uploader),
            (user("u", &[]), "y", None),
            (user("a", &["others"]), "x", None),
        ] {
            assert_eq!(bucket.upload_right(&user, &version(asset)).ok(), right, "{user:?}");
            let is_administrator = user.login == "admin" || user.is_in(&["staff".to_owned()]);
            assert_eq!(bucket.check_administrator(&user).is_ok(), is_administrator, "{user:?}");
        }
        let missing = VersionPath::parse("q", "x", "v").unwrap();
        assert!(bucket.upload_right(&user("admin", &[]), &missing).is_err());
        assert!(bucket.permissions(&missing.project).unwrap().is_none());
    }
}
