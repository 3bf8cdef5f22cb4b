//! Where processes of this very program listen: their open sockets, by `/proc`. Only those of the same user can be seen.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The state of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";
/// The flag of a listening socket in `/proc/net/unix`.
const ACCEPTS: u32 = 0x1_0000;

/// Where somebody listens, as this machine reaches it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// An address and a port.
    Net(SocketAddr),
    /// A unix socket.
    File(PathBuf),
}

/// Where other processes with the executable of process `own` listen.
pub(super) fn of_this_program(proc: &Path, own: u32) -> Vec<Place> {
    let Ok(program) = fs::read_link(proc.join(own.to_string()).join("exe")) else { return Vec::new() };
    let Ok(processes) = fs::read_dir(proc) else { return Vec::new() };
    let others = processes.flatten().map(|entry| entry.path()).filter(|path| {
        let id = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        id.is_some_and(|id: u32| id != own) && fs::read_link(path.join("exe")).is_ok_and(|exe| exe == program)
    });
    let sockets: HashSet<String> = others.flat_map(|path| sockets(&path)).collect();
    let [tcp, tcp6, unix] =
        ["net/tcp", "net/tcp6", "net/unix"].map(|table| fs::read_to_string(proc.join(table)).unwrap_or_default());
    let net = [tcp, tcp6].into_iter().flat_map(|table| listening(&table, &sockets)).map(Place::Net);
    let mut found: Vec<Place> = net.chain(files(&unix, &sockets).into_iter().map(Place::File)).collect();
    found.sort();
    found.dedup();
    found
}

/// The inodes of a process's sockets: its descriptors are links like `socket:[1234]`.
fn sockets(process: &Path) -> Vec<String> {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return Vec::new() };
    let links = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    links.filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect()
}

/// The listening sockets of a table among these inodes; "every interface" is this machine.
fn listening(table: &str, inodes: &HashSet<String>) -> Vec<SocketAddr> {
    let rows = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        (*state == LISTEN && inodes.contains(*inode)).then(|| address(local))?
    });
    rows.map(|found| match found.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), found.port()),
        _ => found,
    })
    .collect()
}

/// The same in the table of unix sockets: `Num: RefCount Protocol Flags Type St Inode Path`. Those without a file are left out.
fn files(table: &str, inodes: &HashSet<String>) -> Vec<PathBuf> {
    let rows = table.lines().skip(1).filter_map(|line| {
        let (mut rest, mut fields) = (line, [""; 7]);
        for field in &mut fields {
            (*field, rest) = rest.trim_start().split_once(' ')?;
        }
        let [_, _, _, flags, _, _, inode] = fields;
        let accepts = u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & ACCEPTS != 0);
        // A path may have spaces.
        (accepts && inodes.contains(inode) && !rest.starts_with('@')).then(|| PathBuf::from(rest))
    });
    rows.collect()
}

/// `0100007F:1388`, or the same with 32 digits: words of the machine's byte order, and a port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let words: Vec<u32> = ip
        .as_bytes()
        .chunks(8)
        .map(|word| u32::from_str_radix(str::from_utf8(word).ok()?, 16).ok())
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let ip = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(v4) => IpAddr::V4(Ipv4Addr::from(v4)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?)),
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_of_these_inodes_are_found() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000 1000 0 111 1 x\n\
            1: 00000000:2427 00000000:0000 0A 00000000:00000000 00:00000000 00000000 1000 0 222 1 x\n\
            2: 0100007F:1388 0100007F:9999 01 00000000:00000000 00:00000000 00000000 1000 0 111 1 x\n\
            3: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 333 1 x\n\
            nonsense\n";
        let inodes = ["111", "222"].map(str::to_owned).into();
        let found: Vec<String> = listening(table, &inodes).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["127.0.0.1:5000", "127.0.0.1:9255"]);
        let v6 = "00000000000000000000000001000000:1388";
        assert_eq!(address(v6).unwrap().to_string(), "[::1]:5000");
        for wrong in ["", ":", "0100007F", "XX:1", "0100007F0100007F:1"] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn listening_unix_sockets_are_found() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 111 /run/rain gauge.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 222 /run/connected.sock\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 333 /run/other.sock\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 444\n\
            0000000000000000: 00000002 00000000 00010000 0001 01  555 @abstract\n\
            nonsense\n";
        let inodes = ["111", "222", "444", "555"].map(str::to_owned).into();
        assert_eq!(files(table, &inodes), [Path::new("/run/rain gauge.sock")]);
    }

    #[test]
    fn a_proc_that_is_not_there_has_nobody() {
        assert!(of_this_program(Path::new("/nowhere"), 1).is_empty());
    }
}
