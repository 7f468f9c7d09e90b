//! Who else may write to a file: whether its owner is a proof of who wrote it, and whether a link
//! leads where its user wants.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::error::IoContext;
use crate::system::{self, AsHandle, Stat};
use crate::{Error, Result};

/// Where Linux keeps a POSIX access list.
const ACCESS_LIST: &str = "system.posix_acl_access";
/// Links in a row that are followed, as by the system.
const MOST_LINKS: usize = 40;
/// Largest access list that is looked at, by far.
const ACCESS_LIST_BYTES: usize = 64 * 1024;

/// Somebody who may write to a file, beside its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    User(u32),
    Group(u32),
}

/// Names somebody who may write to an open file or directory, but is neither its owner, nor this
/// process, nor the superuser. None if there is nobody.
///
/// 1. A group counts, unless its owner is known to be its only member.
/// 2. Of a POSIX access list each user and group counts.
pub(crate) fn other_writer(handle: &impl AsHandle) -> io::Result<Option<String>> {
    const GROUP_WRITES: u32 = 0o020;
    const OTHERS_WRITE: u32 = 0o002;
    let stat = Stat::of(handle)?;
    if stat.mode & OTHERS_WRITE != 0 {
        return Ok(Some("everybody".to_owned()));
    }
    // With an access list these bits are its mask: without them it allows nobody to write.
    if stat.mode & GROUP_WRITES == 0 {
        return Ok(None);
    }
    let mut text = vec![0; ACCESS_LIST_BYTES];
    let writers = match system::attribute_of(handle, ACCESS_LIST, &mut text) {
        Ok(length) => writers_of(&text[..length], stat.group),
        // There is no such list.
        Err(_) => vec![Writer::Group(stat.group)],
    };
    Ok(writers.into_iter().find_map(|writer| name_unless_owner(writer, stat.user)))
}

/// Makes a folder, and those around it, without following a link that somebody else may have put on
/// the way.
///
/// A link is followed if it belongs to this user or the superuser, and lies where nobody else can
/// make or rename anything.
pub(crate) fn make_folders(folder: &Path) -> Result<()> {
    let absolute = std::path::absolute(folder).at(folder)?;
    if let Some(link) = foreign_link(&absolute, MOST_LINKS) {
        return Err(Error::UnsafePath {
            path: link.to_string_lossy().into_owned(),
            why: "it is a link that another user may have put there; remove it, or take care that \
                  nobody else can write to the folder it is in",
        });
    }
    fs::create_dir_all(folder).at(folder)
}

/// The first link on the way to an absolute path that is not to be followed.
fn foreign_link(path: &Path, links: usize) -> Option<PathBuf> {
    let mut at = PathBuf::new();
    let mut parts = path.components();
    while let Some(part) = parts.next() {
        if part == Component::ParentDir {
            at.pop();
            continue;
        }
        let folder = at.clone();
        at.push(part);
        // What is not there, or not to be seen, is left to whoever makes it.
        let Ok(found) = fs::symlink_metadata(&at) else { return None };
        if !found.is_symlink() {
            continue;
        }
        if links == 0 || !is_ours(Stat::from(&found).user) || has_foreign_entries(&folder) {
            return Some(at);
        }
        let target = fs::read_link(&at).ok()?;
        return foreign_link(&folder.join(target).join(parts.as_path()), links - 1);
    }
    None
}

/// Whether a file of this owner is this user's own, or the superuser's.
pub(crate) fn is_ours(uid: u32) -> bool {
    uid == 0 || uid == system::user_id()
}

/// Whether others may rename what is in a folder. One that cannot be looked at is left to the
/// owners of its entries.
fn has_foreign_entries(folder: &Path) -> bool {
    File::open(folder).is_ok_and(|handle| {
        Stat::of(&handle).is_ok_and(|found| !found.is_sticky())
            && other_writer(&handle).is_ok_and(|writer| writer.is_some())
    })
}

/// The users and groups that an access list allows to write; `gid` is the group of the file.
fn writers_of(list: &[u8], gid: u32) -> Vec<Writer> {
    const HEADER: usize = 4;
    const WRITE: u16 = 2;
    let (_, entries) = list.split_at(list.len().min(HEADER));
    let (entries, _) = entries.as_chunks::<8>();
    entries
        .iter()
        .filter_map(|&[tag, tag_high, right, right_high, id @ ..]| {
            let id = u32::from_le_bytes(id);
            match (u16::from_le_bytes([right, right_high]) & WRITE, [tag, tag_high]) {
                (0, _) => None,
                (_, [0x02, 0]) => Some(Writer::User(id)),
                (_, [0x04, 0]) => Some(Writer::Group(gid)),
                (_, [0x08, 0]) => Some(Writer::Group(id)),
                // The owner, the mask, and the others, who are in the mode.
                _ => None,
            }
        })
        .collect()
}

fn name_unless_owner(writer: Writer, owner: u32) -> Option<String> {
    match writer {
        Writer::User(uid) if uid == owner || uid == 0 || system::user_id() == uid => None,
        Writer::User(uid) => {
            let name = system::user(uid).map_or_else(|| uid.to_string(), |user| user.name);
            Some(format!("user '{name}'"))
        }
        Writer::Group(gid) if is_private(gid, owner) => None,
        Writer::Group(gid) => {
            let name = system::group(gid).map_or_else(|| gid.to_string(), |group| group.name);
            Some(format!("the members of group '{name}'"))
        }
    }
}

/// Whether a user is the only member of a group. A group that nobody knows may have any.
fn is_private(gid: u32, owner: u32) -> bool {
    let (Some(user), Some(group)) = (system::user(owner), system::group(gid)) else {
        return false;
    };
    let is_member = user.group == gid || group.members.contains(&user.name);
    is_member
        && group.members.iter().all(|name| *name == user.name)
        && !is_group_of_others(&read("/etc/passwd"), gid, owner)
        // Users of a directory service cannot be listed, but by custom nobody else gets a group
        // that is named like a user.
        && (group.name == user.name || has_local_users_only(&read("/etc/nsswitch.conf")))
}

/// What cannot be read names nobody.
fn read(path: &str) -> String {
    fs::read(path).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
}

/// Whether a user database has the group as that of another user.
fn is_group_of_others(passwd: &str, gid: u32, owner: u32) -> bool {
    passwd.lines().any(|line| {
        let mut numbers = line.split(':').skip(2).map(str::parse::<u32>);
        let (uid, group) = (numbers.next(), numbers.next());
        group == Some(Ok(gid)) && uid != Some(Ok(owner))
    })
}

/// Whether all users are in the user database of this machine.
fn has_local_users_only(nsswitch: &str) -> bool {
    nsswitch.lines().find_map(|line| line.trim().strip_prefix("passwd:")).is_some_and(|sources| {
        sources.split_whitespace().all(|source| matches!(source, "files" | "systemd"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::testing;

    const PASSWD: &str = "root:x:0:0::/:\nann:x:1:100::/:/bin/sh\nbob:x:2:100::/:\n\ncat:x:3:3::/:";

    #[test]
    fn groups_of_several_users_are_found_by_both_databases() {
        for (gid, owner, is_shared) in [(100, 1, true), (3, 3, false), (3, 1, true), (9, 1, false)]
        {
            assert_eq!(is_group_of_others(PASSWD, gid, owner), is_shared, "{gid} {owner}");
        }
        for (text, is_local) in [
            ("# x\npasswd: files systemd\ngroup: files", true),
            ("passwd:\tfiles", true),
            ("passwd: files sss", false),
            ("group: files", false),
            ("", false),
        ] {
            assert_eq!(has_local_users_only(text), is_local, "{text}");
        }
    }

    #[test]
    fn modes_say_who_may_write() {
        let file = tempfile::tempfile().unwrap();
        let writer = |mode| {
            file.set_permissions(system::permissions(mode)).unwrap();
            other_writer(&file).unwrap()
        };
        for mode in [0o600, 0o644, 0o755, 0o444] {
            assert_eq!(writer(mode), None, "{mode:o}");
        }
        assert_eq!(writer(0o646).as_deref(), Some("everybody"));
        let gid = Stat::of(&file).unwrap().group;
        let is_alone = is_private(gid, system::user_id());
        assert_eq!(writer(0o664).is_none(), is_alone);
    }

    #[test]
    fn links_are_followed_where_nobody_else_can_put_them() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["cache", "other/deep", "safe"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        let link = |target: &str, name: &str| {
            system::new_link(at(target), at(name)).unwrap();
        };
        link("other", "cache/own");
        link("cache/own/deep", "safe/chain");
        make_folders(&at("cache/own/new")).unwrap();
        make_folders(&at("safe/chain/new")).unwrap();
        assert!(at("other/new").is_dir() && at("other/deep/new").is_dir());
        let with_mode = |mode| {
            fs::set_permissions(at("cache"), system::permissions(mode)).unwrap();
            [make_folders(&at("cache/own/more")), make_folders(&at("safe/chain/more"))]
        };
        for refused in with_mode(0o777) {
            let Err(Error::UnsafePath { path, .. }) = refused else { panic!("{refused:?}") };
            assert!(path.ends_with("cache/own"));
        }
        assert!(!at("other/more").exists() && !at("other/deep/more").exists());
        make_folders(&at("cache/plain/folder")).unwrap();
        assert!(with_mode(0o1777).iter().all(Result::is_ok));
        link("cache/loop", "cache/loop");
        assert!(make_folders(&at("cache/loop/x")).is_err());
        // Only the superuser can give a link away.
        if testing::is_superuser() {
            testing::give_link_to(&at("cache/own"), 54_321);
            assert!(make_folders(&at("cache/own/theirs")).is_err());
        }
    }

    #[test]
    fn access_lists_name_users_and_groups() {
        let entry = |tag: u16, right: u16, id: u32| {
            let mut bytes = tag.to_le_bytes().to_vec();
            bytes.extend(right.to_le_bytes());
            bytes.extend(id.to_le_bytes());
            bytes
        };
        let of_user = |right| {
            [
                2_u32.to_le_bytes().to_vec(),
                entry(0x01, 6, u32::MAX),
                entry(0x02, right, 54_321),
                entry(0x04, 4, u32::MAX),
                entry(0x08, 4, 100),
                entry(0x10, 6, u32::MAX),
                entry(0x20, 4, u32::MAX),
            ]
            .concat()
        };
        assert_eq!(writers_of(&of_user(6), 7), [Writer::User(54_321)]);
        assert_eq!(writers_of(&of_user(4), 7), []);
        let of_groups =
            [entry(0, 0, 0)[..4].to_vec(), entry(0x04, 2, 0), entry(0x08, 7, 8)].concat();
        assert_eq!(writers_of(&of_groups, 7), [Writer::Group(7), Writer::Group(8)]);
        assert_eq!(writers_of(&[], 7), []);

        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("f");
        let file = File::create(&path).unwrap();
        // Where the file system has no access lists there is nothing more to see.
        if system::set_attribute(&path, ACCESS_LIST, &of_user(6)).is_ok() {
            assert_eq!(other_writer(&file).unwrap().as_deref(), Some("user '54321'"));
        }
    }
}
