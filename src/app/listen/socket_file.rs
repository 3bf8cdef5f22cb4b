//! Unix sockets: files that are there as long as somebody listens, and often longer.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::net::{UnixListener, UnixSocket};

/// How the address of a unix socket begins.
pub(super) const SCHEME: &str = "unix:";
/// The owner and its group may connect: to connect is to write.
const MODE: u32 = 0o660;

/// The file of an address, where it is one: `unix:/run/raingauge.sock`, `unix:///run/raingauge.sock`, `unix:relative.sock`.
pub fn path(address: &str) -> anyhow::Result<Option<&Path>> {
    let Some(path) = address.strip_prefix(SCHEME) else { return Ok(None) };
    let path = match path.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => anyhow::bail!("the path must be absolute after unix://: write unix:///run/raingauge.sock"),
        None => path,
    };
    anyhow::ensure!(!path.is_empty(), "the path is missing: write unix:/run/raingauge.sock");
    anyhow::ensure!(!path.starts_with('@'), "abstract sockets know no permissions: write the path of a file");
    Ok(Some(Path::new(path)))
}

/// A socket's file of ours; removed when this is dropped, which is to happen when nobody listens any more.
pub struct SocketFile {
    path: PathBuf,
    /// Device and number. Numbers are given again, so that this alone does not tell ours from a successor's.
    identity: (u64, u64),
}

impl SocketFile {
    /// Listens there. A file that a dead process has left is replaced, anything else is left alone. Nobody can connect before the
    /// permissions are right.
    pub(super) fn bind(path: &Path, backlog: u32) -> anyhow::Result<(UnixListener, Self)> {
        make_room(path)?;
        let socket = UnixSocket::new_stream()?;
        socket.bind(path).with_context(|| format!("create {}", path.display()))?;
        let prepare = || {
            fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
            let there = fs::symlink_metadata(path)?;
            std::io::Result::Ok((there.dev(), there.ino()))
        };
        let identity = prepare().with_context(|| format!("set the permissions of {}", path.display()))?;
        // From here on it goes with us, also where listening fails.
        let file = Self { path: path.to_owned(), identity };
        Ok((socket.listen(backlog)?, file))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_alike = fs::symlink_metadata(&self.path).is_ok_and(|there| (there.dev(), there.ino()) == self.identity);
        // Whoever listens there now has come after us.
        if is_alike
            && UnixStream::connect(&self.path).is_err()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "failed to remove the socket; the next start does");
        }
    }
}

/// Removes what a dead process has left.
fn make_room(path: &Path) -> anyhow::Result<()> {
    let there = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        there => there.with_context(|| format!("look at {}", path.display()))?,
    };
    anyhow::ensure!(there.file_type().is_socket(), "{} is there, and is no socket: remove it yourself", path.display());
    match UnixStream::connect(path) {
        Ok(_) => anyhow::bail!("another process listens on {}: stop it, or choose another path", path.display()),
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).with_context(|| format!("remove {}, which a dead process has left", path.display()))
        }
        // Gone in between.
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e).with_context(|| format!("find out whether somebody listens on {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_left_is_replaced_and_what_is_another_s_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a dead process leaves its file");
        let (listener, file) = SocketFile::bind(&path, 1).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert!(SocketFile::bind(&path, 1).is_err());
        drop(listener);
        // Whoever comes next has its own file there, which is not removed by who goes.
        let (next, next_file) = SocketFile::bind(&path, 1).unwrap();
        drop(file);
        assert!(path.exists());
        drop((next, next_file));
        assert!(!path.exists());
        fs::write(&path, "precious").unwrap();
        let error = SocketFile::bind(&path, 1).err().unwrap().to_string();
        assert!(error.contains("no socket"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        let other = folder.path().join("link.sock");
        std::os::unix::fs::symlink(&path, &other).unwrap();
        assert!(SocketFile::bind(&other, 1).is_err());
    }
}
