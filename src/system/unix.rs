//! What Linux and macOS have in common.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::net::TcpListener;
pub(crate) use std::os::fd::AsFd as AsHandle;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::unistd::{Gid, Uid};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawMode, RenameFlags};
use rustix::io::Errno;
use rustix::path::Arg;

use super::{Group, Identity, Kind, Links, Name, Place, Stat, User, own};

/// Something that is open, of whatever kind.
pub(crate) type Handle = OwnedFd;
/// A connection between processes of one machine.
pub(crate) type LocalStream = std::os::unix::net::UnixStream;
/// Memory for the names that the system gives at a time.
pub(crate) type Buffer = Vec<MaybeUninit<u8>>;

/// Bytes of names that the system gives at a time.
const BUFFER_BYTES: usize = 64 * 1024;
/// Bits of a mode that let only the owner of an entry, and that of its folder, rename it.
const STICKY: u32 = 0o1000;
/// Nobody is waited for: a FIFO without a writer, or a terminal, is opened at once.
const READ: OFlags =
    OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// Where users' programs keep data, seen from the user's home.
pub(crate) const DATA_BELOW_HOME: &str =
    if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
/// Whether a path may begin with a drive.
pub(crate) const HAS_DRIVES: bool = false;
/// Whether the environment may name that folder.
pub(crate) const HAS_XDG: bool = !cfg!(target_os = "macos");

impl Links {
    fn flags(self) -> OFlags {
        match self {
            Self::Follow => OFlags::empty(),
            Self::Refuse => OFlags::NOFOLLOW,
        }
    }
}

impl Kind {
    pub(super) fn of(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Symlink => Self::Link,
            FileType::Directory => Self::Folder,
            _ => Self::Special,
        }
    }
}

impl Stat {
    /// Looks at something that is open.
    #[inline]
    pub(crate) fn of(handle: impl AsFd) -> io::Result<Self> {
        Ok(Self::of_raw(&rustix::fs::fstat(handle)?))
    }

    #[inline]
    #[allow(
        clippy::useless_conversion,
        clippy::unnecessary_cast,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        reason = "the types differ between systems"
    )]
    fn of_raw(stat: &rustix::fs::Stat) -> Self {
        Self {
            kind: Kind::of(FileType::from_raw_mode(stat.st_mode)),
            identity: Identity {
                place: Place { device: stat.st_dev as u64, inode: stat.st_ino.into() },
                size: u64::try_from(stat.st_size).unwrap_or_default(),
                modified: (stat.st_mtime.into(), stat.st_mtime_nsec as i64),
            },
            changed: (stat.st_ctime.into(), stat.st_ctime_nsec as i64),
            mode: u32::from(stat.st_mode) & 0o7777,
            user: stat.st_uid,
            group: stat.st_gid,
            names: u64::from(stat.st_nlink),
        }
    }

    /// Size in bytes.
    #[inline]
    pub(crate) fn size(&self) -> u64 {
        self.identity.size
    }

    /// Whether everybody who may write to this folder may also rename what others have put there.
    pub(crate) fn is_sticky(&self) -> bool {
        self.mode & STICKY != 0
    }
}

/// What the standard library was told.
impl From<&Metadata> for Stat {
    fn from(found: &Metadata) -> Self {
        let kind = found.file_type();
        Self {
            kind: if kind.is_file() {
                Kind::File
            } else if kind.is_symlink() {
                Kind::Link
            } else if kind.is_dir() {
                Kind::Folder
            } else {
                Kind::Special
            },
            identity: Identity {
                place: Place { device: found.dev(), inode: found.ino() },
                size: found.size(),
                modified: (found.mtime(), found.mtime_nsec()),
            },
            changed: (found.ctime(), found.ctime_nsec()),
            mode: found.mode() & 0o7777,
            user: found.uid(),
            group: found.gid(),
            names: found.nlink(),
        }
    }
}

/// A folder that stays the same whatever happens to its name.
#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Folder {
    /// Opens a folder.
    pub(crate) fn open(path: &Path, links: Links) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, FOLDER | links.flags(), Mode::empty())?))
    }

    /// The same folder once more.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Opens a folder below; only the last component is known not to be a link.
    #[inline]
    pub(crate) fn folder(&self, path: &str) -> io::Result<Self> {
        let flags = FOLDER | OFlags::NOFOLLOW;
        Ok(Self(rustix::fs::openat(&self.0, path, flags, Mode::empty())?))
    }

    /// Opens what has this name for reading, without waiting for anybody; a link is refused.
    #[inline]
    pub(crate) fn file(&self, name: &str) -> io::Result<File> {
        let flags = READ | OFlags::NOFOLLOW;
        Ok(rustix::fs::openat(&self.0, name, flags, Mode::empty())?.into())
    }

    /// Makes a file for reading and writing, with `mode` less the umask.
    #[inline]
    pub(crate) fn new_file(&self, name: &str, mode: u32) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.0, name, flags, Mode::from_raw_mode(raw(mode)))?.into())
    }

    /// Opens what is at `path` below for reading, without waiting for anybody. No component may be a
    /// link, or `..`.
    #[inline]
    pub(crate) fn file_beneath(&self, path: &str) -> io::Result<File> {
        self.beneath(Path::new(path), READ).map(File::from)
    }

    /// Opens the folder at `path` below. No component may be a link, or `..`.
    #[inline]
    pub(crate) fn folder_beneath(&self, path: impl AsRef<Path>) -> io::Result<Self> {
        self.beneath(path.as_ref(), FOLDER).map(Self)
    }

    fn beneath(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW;
        own::open_beneath(&self.0, path, flags)
            .unwrap_or_else(|| self.beneath_by_component(path, flags))
    }

    fn beneath_by_component(&self, path: &Path, last: OFlags) -> io::Result<OwnedFd> {
        let path = path.as_os_str().as_bytes();
        let mut parts = path.split(|byte| *byte == b'/').peekable();
        let mut handle = self.0.try_clone()?;
        while let Some(part) = parts.next() {
            if matches!(part, b"" | b"." | b"..") {
                return Err(Errno::INVAL.into());
            }
            let flags = if parts.peek().is_some() { FOLDER | OFlags::NOFOLLOW } else { last };
            handle = rustix::fs::openat(&handle, part, flags, Mode::empty())?;
        }
        Ok(handle)
    }

    /// Looks at what is at `path` below, links in the last component not followed.
    #[inline]
    pub(crate) fn stat(&self, path: impl Arg) -> io::Result<Stat> {
        let stat = rustix::fs::statat(&self.0, path, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Stat::of_raw(&stat))
    }

    /// What an entry is.
    pub(crate) fn kind_of(&self, name: &CStr) -> io::Result<Kind> {
        let stat = rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Kind::of(FileType::from_raw_mode(stat.st_mode)))
    }

    /// The size of an entry.
    #[inline]
    pub(crate) fn size_of(&self, name: &CStr) -> io::Result<u64> {
        own::size_of(self.0.as_fd(), name)
    }

    /// The text of a link.
    pub(crate) fn read_link(&self, name: &str) -> io::Result<OsString> {
        let text = rustix::fs::readlinkat(&self.0, name, Vec::new())?;
        Ok(OsString::from_vec(text.into_bytes()))
    }

    /// Takes away the name of a file.
    pub(crate) fn remove_file(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Calls `each` with every name, in the order of the file system, and with what has that name if
    /// the file system tells. `failed` makes an error of the system's.
    pub(crate) fn each<E>(
        &self,
        buffer: &mut Buffer,
        failed: impl Fn(io::Error) -> E,
        mut each: impl FnMut(&CStr, Option<Kind>) -> Result<(), E>,
    ) -> Result<(), E> {
        own::each_entry(self.0.as_fd(), buffer, failed, |name, kind| {
            if matches!(name.to_bytes(), b"." | b"..") {
                return Ok(());
            }
            each(name, (kind != FileType::Unknown).then(|| Kind::of(kind)))
        })
    }
}

/// Memory for [`Folder::each`].
pub(crate) fn buffer() -> Buffer {
    vec![MaybeUninit::uninit(); BUFFER_BYTES]
}

/// Opens what is at `path` for reading, without waiting for anybody.
#[inline]
pub(crate) fn open(path: &Path, links: Links) -> io::Result<File> {
    Ok(rustix::fs::open(path, READ | links.flags(), Mode::empty())?.into())
}

/// Options for opening a file that is no link, with `mode` less the umask if it is made.
pub(crate) fn no_link(mode: u32) -> OpenOptions {
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    options.mode(mode).custom_flags(flags);
    options
}

/// Makes a file for reading and writing, with `mode` less the umask.
#[inline]
pub(crate) fn new_file(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path)
}

/// Makes a folder, with `mode` less the umask.
pub(crate) fn new_folder(path: &Path, mode: u32) -> io::Result<()> {
    fs::DirBuilder::new().mode(mode).create(path)
}

/// Makes a symbolic link with exactly this text.
pub(crate) fn new_link(text: impl AsRef<Path>, path: impl AsRef<Path>) -> io::Result<()> {
    std::os::unix::fs::symlink(text, path)
}

/// The permissions that a mode stands for.
pub(crate) fn permissions(mode: u32) -> Permissions {
    Permissions::from_mode(mode)
}

/// The mode that permissions stand for.
pub(crate) fn mode_of(permissions: &Permissions) -> u32 {
    permissions.mode() & 0o7777
}

/// Gives a file another mode.
pub(crate) fn set_mode(path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, permissions(mode))
}

fn raw(mode: u32) -> RawMode {
    RawMode::try_from(mode).expect("a mode has twelve bits")
}

/// Closes a file that was written: network file systems tell only then that a disk or a quota is
/// full, and dropping a file does not listen.
pub(crate) fn close(file: File) -> io::Result<()> {
    match nix::unistd::close(file) {
        // It is closed all the same.
        Ok(()) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Reads from where the file is, whatever signals come; 0 bytes mean the end.
#[inline]
pub(crate) fn read(file: &File, window: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::io::retry_on_intr(|| rustix::io::read(file, &mut *window))?)
}

/// Reads from `offset` on, whatever signals come; 0 bytes mean the end.
#[inline]
pub(crate) fn read_at(file: &File, window: &mut [u8], offset: u64) -> io::Result<usize> {
    Ok(rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut *window, offset))?)
}

/// Reads from `offset` on into the spare room of `bytes`, whatever signals come; 0 bytes mean the end.
#[inline]
pub(crate) fn append_at(file: &File, bytes: &mut Vec<u8>, offset: u64) -> io::Result<usize> {
    let room = || rustix::io::pread(file, rustix::buffer::spare_capacity(bytes), offset);
    Ok(rustix::io::retry_on_intr(room)?)
}

/// Writes all of `bytes`, from `offset` on.
#[inline]
pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Gives something a name that nothing else has. The kind of the error is `AlreadyExists` if it is
/// taken, `CrossesDevices` if nothing can be moved there, and `InvalidInput` or `Unsupported` where
/// the file system cannot tell.
pub(crate) fn rename_new(old: Name<'_>, new: Name<'_>) -> io::Result<()> {
    let (from, old) = old.parts();
    let (to, new) = new.parts();
    Ok(rustix::fs::renameat_with(from, old, to, new, RenameFlags::NOREPLACE)?)
}

impl<'a> Name<'a> {
    fn parts(self) -> (BorrowedFd<'a>, &'a Path) {
        match self {
            Self::Path(path) => (CWD, path),
            Self::In(folder, name) => (folder.as_fd(), Path::new(name)),
        }
    }
}

/// Reads an extended attribute of what is at `path`; gives its length.
pub(crate) fn attribute(path: &Path, name: &str, value: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::fs::getxattr(path, name, value)?)
}

/// Reads an extended attribute of something that is open; gives its length.
pub(crate) fn attribute_of(handle: impl AsFd, name: &str, value: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::fs::fgetxattr(handle, name, value)?)
}

/// Writes an extended attribute of what is at `path`.
pub(crate) fn set_attribute(path: &Path, name: &str, value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::setxattr(path, name, value, rustix::fs::XattrFlags::empty())?)
}

/// Takes away an extended attribute of what is at `path`.
pub(crate) fn remove_attribute(path: &Path, name: &str) -> io::Result<()> {
    Ok(rustix::fs::removexattr(path, name)?)
}

/// True if no process has this id.
pub(crate) fn is_dead(process: i32) -> bool {
    rustix::process::Pid::from_raw(process)
        .is_some_and(|process| rustix::process::test_kill_process(process) == Err(Errno::SRCH))
}

/// The user for whom this process acts.
#[inline]
pub(crate) fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The user of this number, if the user database can tell.
pub(crate) fn user(id: u32) -> Option<User> {
    let found = nix::unistd::User::from_uid(Uid::from_raw(id)).ok().flatten()?;
    Some(User { name: found.name, group: found.gid.as_raw() })
}

/// The group of this number, if the user database can tell.
pub(crate) fn group(id: u32) -> Option<Group> {
    let found = nix::unistd::Group::from_gid(Gid::from_raw(id)).ok().flatten()?;
    Some(Group { name: found.name, members: found.mem })
}

/// How many files this process may have open.
pub(crate) fn most_open_files() -> u64 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current.unwrap_or(u64::MAX)
}

/// Allows as many open files as the system does.
pub(crate) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where that is refused, the limit stays as it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Text of these bytes.
pub(crate) fn text(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// Text of these bytes.
pub(crate) fn into_text(bytes: Vec<u8>) -> OsString {
    OsString::from_vec(bytes)
}

/// Takes a listener from stdin and a connection from stdout, where another process has put them; both
/// streams lead to nowhere afterwards.
pub(crate) fn take_standard_streams() -> io::Result<(TcpListener, LocalStream)> {
    let listener = io::stdin().as_fd().try_clone_to_owned()?;
    let lifeline = io::stdout().as_fd().try_clone_to_owned()?;
    let nowhere = nowhere()?;
    rustix::stdio::dup2_stdin(&nowhere)?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    Ok((listener.into(), lifeline.into()))
}

/// Opens nowhere in place of standard streams that are closed: what is opened next would be taken for
/// them.
pub(crate) fn fill_standard_streams() {
    // Where there is no such device, nothing can be done.
    while let Ok(nowhere) = nowhere() {
        if nowhere.as_raw_fd() > 2 {
            return;
        }
        let _ = nowhere.into_raw_fd(); // stays open
    }
}

fn nowhere() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/null")
}

/// Writes to a connection whenever this process is asked to end, instead of ending it; dropped, it
/// ends again as before.
#[derive(Debug)]
pub(crate) struct EndSignals {
    handlers: Vec<signal_hook::SigId>,
}

impl EndSignals {
    /// From now on.
    pub(crate) fn to(stream: &LocalStream) -> io::Result<Self> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let mut signals = Self { handlers: Vec::new() };
        for signal in [SIGTERM, SIGINT] {
            let handler = signal_hook::low_level::pipe::register(signal, stream.try_clone()?)?;
            signals.handlers.push(handler);
        }
        Ok(signals)
    }
}

impl Drop for EndSignals {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            signal_hook::low_level::unregister(handler);
        }
    }
}

/// The system's own error of a kind, with the system's number and words.
pub(crate) fn error(kind: ErrorKind) -> io::Error {
    code_of(kind).map_or_else(|| kind.into(), io::Error::from_raw_os_error)
}

/// The system's number for a kind of error.
pub(crate) fn code_of(kind: ErrorKind) -> Option<i32> {
    use ErrorKind as Kind;

    let code = match kind {
        Kind::NotFound => Errno::NOENT,
        Kind::PermissionDenied => Errno::ACCESS,
        Kind::ConnectionRefused => Errno::CONNREFUSED,
        Kind::ConnectionReset => Errno::CONNRESET,
        Kind::ConnectionAborted => Errno::CONNABORTED,
        Kind::HostUnreachable => Errno::HOSTUNREACH,
        Kind::NetworkUnreachable => Errno::NETUNREACH,
        Kind::NotConnected => Errno::NOTCONN,
        Kind::BrokenPipe => Errno::PIPE,
        Kind::AlreadyExists => Errno::EXIST,
        Kind::WouldBlock => Errno::AGAIN,
        Kind::NotADirectory => Errno::NOTDIR,
        Kind::IsADirectory => Errno::ISDIR,
        Kind::DirectoryNotEmpty => Errno::NOTEMPTY,
        Kind::ReadOnlyFilesystem => Errno::ROFS,
        Kind::StaleNetworkFileHandle => Errno::STALE,
        Kind::InvalidInput => Errno::INVAL,
        Kind::TimedOut => Errno::TIMEDOUT,
        Kind::StorageFull => Errno::NOSPC,
        Kind::QuotaExceeded => Errno::DQUOT,
        Kind::FileTooLarge => Errno::FBIG,
        Kind::ResourceBusy => Errno::BUSY,
        Kind::CrossesDevices => Errno::XDEV,
        Kind::TooManyLinks => Errno::MLINK,
        Kind::Interrupted => Errno::INTR,
        Kind::Unsupported => Errno::NOTSUP,
        Kind::OutOfMemory => Errno::NOMEM,
        _ => return None,
    };
    Some(code.raw_os_error())
}

/// The system's number for a fault of input or output that says nothing else.
pub(crate) fn fault_code() -> i32 {
    Errno::IO.raw_os_error()
}

/// Whether this number means that too many files are open, here or on the machine.
pub(crate) fn is_lack_of_handles(code: i32) -> bool {
    [Errno::MFILE, Errno::NFILE].contains(&Errno::from_raw_os_error(code))
}

/// Whether a path led round in a circle, or through a link where none was to be followed.
pub(crate) fn is_loop(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::LOOP)
}

/// Whether there is nothing that could be read as a file by this name: nothing at all, something of
/// another kind, or no such name.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidFilename
    ) || matches!(
        Errno::from_io_error(error),
        // A circle of links or a link that is not followed, a socket, and a way out of the root.
        Some(Errno::LOOP | Errno::NXIO | Errno::XDEV)
    )
}

/// Whether a file could not be locked because its file system has no locks. Some network file systems
/// lock only what is open for writing.
pub(crate) fn lacks_locks(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::BADF)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_below_a_folder_is_reached_through_a_link_or_upward() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        fs::write(folder.path().join("d/f"), "inside").unwrap();
        fs::write(outside.path().join("f"), "secret").unwrap();
        new_link(outside.path(), folder.path().join("l")).unwrap();
        new_link("d/f", folder.path().join("k")).unwrap();
        let root = Folder::open(folder.path(), Links::Refuse).unwrap();
        let by_component =
            |path: &str| root.beneath_by_component(Path::new(path), READ | OFlags::NOFOLLOW);
        assert!(root.file_beneath("d/f").is_ok() && by_component("d/f").is_ok());
        for path in ["l/f", "k", "../x", "d/../d/f", "/etc/passwd", "d//f", "", "none"] {
            assert!(by_component(path).is_err(), "{path}");
        }
        for path in ["l/f", "k", "../x", "/etc/passwd", "", "none"] {
            assert!(root.file_beneath(path).is_err(), "{path}");
        }
    }

    #[test]
    fn the_ways_to_look_at_a_file_agree() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let file = new_file(&path, 0o640).unwrap();
        write_all_at(&file, b"some", 3).unwrap();
        let stat = Stat::of(&file).unwrap();
        assert_eq!(stat, Stat::from(&path.metadata().unwrap()));
        let root = Folder::open(folder.path(), Links::Follow).unwrap();
        assert_eq!(stat, root.stat("f").unwrap());
        assert_eq!((stat.size(), stat.kind, stat.names), (7, Kind::File, 1));
        assert_eq!(root.size_of(c"f").unwrap(), 7);
        let mut bytes = b"x".to_vec();
        bytes.reserve_exact(2);
        assert!(append_at(&file, &mut bytes, 3).unwrap() > 1);
        assert_eq!(bytes[..3], *b"xso");
    }

    #[test]
    fn a_name_that_is_taken_is_not_given_again() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let root = Folder::open(folder.path(), Links::Follow).unwrap();
        let path = folder.path().join("b");
        let refused = rename_new(Name::In(&root, "a"), Name::Path(&path)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        rename_new(Name::Path(&path), Name::In(&root, "c")).unwrap();
        assert_eq!(fs::read(folder.path().join("c")).unwrap(), b"b");
    }

    #[test]
    fn kinds_have_the_numbers_of_the_system() {
        let missing = fs::File::open("/none/such").unwrap_err();
        assert_eq!(missing.raw_os_error(), code_of(ErrorKind::NotFound));
        assert_eq!(error(ErrorKind::NotFound).to_string(), missing.to_string());
        assert!(is_absent(&missing) && !is_absent(&error(ErrorKind::PermissionDenied)));
    }
}
