//! Who may do what.
//!
//! 1. An administrator may do everything.
//! 2. An owner of a project may upload to it, set permissions and decide on probation.
//! 3. An owner of an asset may upload to it and set its permissions.
//! 4. For everybody else the first `uploaders` entry that matches user, asset, version and time
//!    decides: project entries come before those of the asset. Uploads that are not `trusted` are
//!    put on probation.

use crate::registry::format::model::{Permissions, Uploader};
use crate::registry::format::time;

/// What an upload may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UploadRight {
    /// A regular version.
    Trusted,
    /// A version on probation.
    Untrusted,
    /// Nothing.
    None,
}

/// Decides on an upload. `for_asset` are the permissions of the asset itself, if it has some.
pub(super) fn upload_right(
    user: &str,
    asset: &str,
    version: &str,
    for_project: &Permissions,
    for_asset: Option<&Permissions>,
) -> UploadRight {
    let owners = for_project.owners.iter().chain(for_asset.iter().flat_map(|own| &own.owners));
    if owners.into_iter().any(|owner| owner == user) {
        return UploadRight::Trusted;
    }
    let is_match = |uploader: &&Uploader| {
        uploader.id == user
            && uploader.version.as_deref().is_none_or(|only| only == version)
            && uploader.until.as_deref().is_none_or(time::is_ahead)
    };
    let is_for_asset =
        |uploader: &&Uploader| uploader.asset.as_deref().is_none_or(|only| only == asset);
    let in_project = for_project.uploaders.iter().filter(is_for_asset).find(is_match);
    let in_asset = || for_asset.and_then(|own| own.uploaders.iter().find(is_match));
    match in_project.or_else(in_asset) {
        Some(uploader) if uploader.trusted == Some(true) => UploadRight::Trusted,
        Some(_) => UploadRight::Untrusted,
        None => UploadRight::None,
    }
}

/// Checks a list of uploaders before it is stored.
pub(super) fn check_uploaders(uploaders: &[Uploader]) -> Result<(), &'static str> {
    if uploaders.iter().any(|uploader| uploader.id.is_empty()) {
        return Err("all entries of 'uploaders' should have an 'id' property");
    }
    for uploader in uploaders {
        if uploader.until.as_deref().is_some_and(|until| time::parse(until).is_err()) {
            return Err(
                "any string in 'uploaders.until' should follow the Internet Date/Time format",
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uploader(id: &str, change: impl FnOnce(&mut Uploader)) -> Uploader {
        let mut uploader =
            Uploader { id: id.to_owned(), asset: None, version: None, until: None, trusted: None };
        change(&mut uploader);
        uploader
    }

    #[test]
    fn the_first_matching_entry_decides() {
        let project = Permissions {
            owners: vec!["owner".into()],
            uploaders: vec![
                uploader("a", |entry| entry.asset = Some("other".into())),
                uploader("a", |entry| entry.until = Some("2000-01-01T00:00:00Z".into())),
                uploader("a", |_| ()),
                uploader("a", |entry| entry.trusted = Some(true)),
                uploader("b", |entry| entry.version = Some("v2".into())),
            ],
            global_write: None,
        };
        let asset = Permissions {
            owners: vec!["asset-owner".into()],
            uploaders: vec![uploader("c", |entry| entry.trusted = Some(true))],
            global_write: None,
        };
        for (user, right) in [
            ("owner", UploadRight::Trusted),
            ("asset-owner", UploadRight::Trusted),
            ("a", UploadRight::Untrusted),
            ("b", UploadRight::None),
            ("c", UploadRight::Trusted),
            ("d", UploadRight::None),
        ] {
            assert_eq!(upload_right(user, "x", "v1", &project, Some(&asset)), right, "{user}");
        }
        assert_eq!(upload_right("c", "x", "v1", &project, None), UploadRight::None);
        assert_eq!(upload_right("b", "x", "v2", &project, None), UploadRight::Untrusted);
    }

    #[test]
    fn each_part_of_an_entry_limits_it() {
        let ahead = "2999-01-01T00:00:00Z";
        for (entry, right) in [
            (uploader("u", |_| ()), UploadRight::Untrusted),
            (uploader("u", |entry| entry.trusted = Some(true)), UploadRight::Trusted),
            (uploader("u", |entry| entry.trusted = Some(false)), UploadRight::Untrusted),
            (uploader("u", |entry| entry.asset = Some("x".into())), UploadRight::Untrusted),
            (uploader("u", |entry| entry.asset = Some("y".into())), UploadRight::None),
            (uploader("u", |entry| entry.version = Some("v1".into())), UploadRight::Untrusted),
            (uploader("u", |entry| entry.version = Some("v2".into())), UploadRight::None),
            (uploader("u", |entry| entry.until = Some(ahead.into())), UploadRight::Untrusted),
            (
                uploader("u", |entry| entry.until = Some("2000-01-01T00:00:00Z".into())),
                UploadRight::None,
            ),
            (uploader("u", |entry| entry.until = Some("soon".into())), UploadRight::None),
            (uploader("w", |_| ()), UploadRight::None),
        ] {
            let shown = format!("{entry:?}");
            let project = Permissions { uploaders: vec![entry.clone()], ..Default::default() };
            assert_eq!(upload_right("u", "x", "v1", &project, None), right, "{shown}");
            // For an asset of its own, which asset is no question.
            let own = Permissions { uploaders: vec![entry], ..Default::default() };
            let none = Permissions::default();
            let expected =
                if shown.contains("asset: Some") { UploadRight::Untrusted } else { right };
            assert_eq!(upload_right("u", "x", "v1", &none, Some(&own)), expected, "{shown}");
        }
    }

    #[test]
    fn entries_of_a_project_come_before_those_of_its_asset() {
        let permissions = |trusted| Permissions {
            uploaders: vec![uploader("u", |entry| entry.trusted = Some(trusted))],
            ..Default::default()
        };
        for (project, right) in [(true, UploadRight::Trusted), (false, UploadRight::Untrusted)] {
            let (project, asset) = (permissions(project), permissions(!project));
            assert_eq!(upload_right("u", "x", "v", &project, Some(&asset)), right);
        }
    }

    #[test]
    fn lists_of_uploaders_are_checked() {
        let until = |text: &str| uploader("u", |entry| entry.until = Some(text.into()));
        for (uploaders, fault) in [
            (vec![], None),
            (vec![uploader("u", |_| ()), until("2020-01-01T00:00:00+01:00")], None),
            (vec![uploader("u", |_| ()), uploader("", |_| ())], Some("'id'")),
            (vec![until("2020-01-01T00:00:00Z"), until("tomorrow")], Some("'uploaders.until'")),
        ] {
            let checked = check_uploaders(&uploaders);
            match fault {
                None => assert_eq!(checked, Ok(())),
                Some(fault) => assert!(checked.unwrap_err().contains(fault), "{checked:?}"),
            }
        }
    }
}
