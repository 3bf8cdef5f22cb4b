//! Who may ask, how often, and what every answer says besides: passwords, a rate, headers. Values and rules; the routes
//! apply them (`expose/http/guarded.rs`).

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::connection::Peer;

/// Answers of the hash function that are remembered, of each kind: it takes a tenth of a second by design, and scrapers come every few.
const MAX_REMEMBERED: usize = 1_000;
/// Compared with when there is no such user, so that it takes as long: nobody learns who exists. It is the hash of nothing
/// that anybody types.
const NOBODY: &str = "$2b$10$abcdefghijklmnopqrstuuDpG/lb3RG6BPMNhSMuxfVfGmSSHhQcm";

/// Everything that stands between a request and its route. The default lets everybody in.
#[derive(Default)]
pub struct Guard {
    /// `None`: plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
    /// Names and values that every answer carries; legal ones.
    pub headers: Vec<(String, String)>,
    /// `None`: nobody is asked for a password.
    pub passwords: Option<Passwords>,
    /// `None`: any number of requests.
    pub rate: Option<Rate>,
}

/// The guard in force; a new file replaces it while requests run.
pub type Guarding = Arc<ArcSwap<Guard>>;

/// The users and their bcrypt hashes.
pub struct Passwords {
    hashes: HashMap<String, String>,
    remembered: Mutex<Remembered>,
    /// One at a time: a flood of wrong passwords takes one core, not all.
    turn: Turn,
    /// One of each peer waits for it: a flood from one place delays others by one comparison. Those that nobody waits in
    /// are gone.
    lanes: Mutex<HashMap<Peer, Weak<Turn>>>,
}

type Turn = tokio::sync::Mutex<()>;

/// What came of earlier attempts, by the SHA-256 of all that was compared: no password stays in memory. Apart, so that no
/// number of wrong passwords makes the right one forgotten.
#[derive(Default)]
struct Remembered {
    right: Digests,
    wrong: Digests,
}

#[derive(Default)]
struct Digests {
    all: HashSet<[u8; 32]>,
    oldest_first: VecDeque<[u8; 32]>,
}

impl Passwords {
    /// Hashes that [`is_hash`] finds good.
    pub fn new(hashes: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            hashes: hashes.into_iter().collect(),
            remembered: Mutex::default(),
            turn: Turn::default(),
            lanes: Mutex::default(),
        }
    }

    /// Whether this is the user's password. A first attempt takes what bcrypt takes, also for a user that there is not.
    pub async fn fit(&self, peer: Peer, user: &str, password: &str) -> bool {
        let hash = self.hashes.get(user).map_or(NOBODY, String::as_str).to_owned();
        let key = digest(&[user, &hash, password]);
        if let Some(known) = lock(&self.remembered).get(&key) {
            return known;
        }
        let lane = self.lane(peer);
        let _first_of_its_peer = lane.lock().await;
        let _turn = self.turn.lock().await;
        // Whoever had the turn before may have asked the same.
        if let Some(known) = lock(&self.remembered).get(&key) {
            return known;
        }
        let (exists, password) = (self.hashes.contains_key(user), password.to_owned());
        let fits = spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false)).await.unwrap_or(false);
        let answer = fits && exists;
        lock(&self.remembered).keep(key, answer);
        answer
    }
}

impl Passwords {
    fn lane(&self, peer: Peer) -> Arc<Turn> {
        let mut lanes = lock(&self.lanes);
        if let Some(lane) = lanes.get(&peer).and_then(Weak::upgrade) {
            return lane;
        }
        lanes.retain(|_, lane| lane.strong_count() > 0);
        let lane = Arc::new(Turn::default());
        lanes.insert(peer, Arc::downgrade(&lane));
        lane
    }
}

impl Remembered {
    fn get(&self, key: &[u8; 32]) -> Option<bool> {
        if self.right.all.contains(key) { Some(true) } else { self.wrong.all.contains(key).then_some(false) }
    }

    fn keep(&mut self, key: [u8; 32], answer: bool) {
        let digests = if answer { &mut self.right } else { &mut self.wrong };
        if digests.all.insert(key) {
            digests.oldest_first.push_back(key);
        }
        if digests.oldest_first.len() > MAX_REMEMBERED
            && let Some(oldest) = digests.oldest_first.pop_front()
        {
            digests.all.remove(&oldest);
        }
    }
}

/// Lengths are part of it: `("ab", "c")` is not `("a", "bc")`.
fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Whether a text is a bcrypt hash.
pub fn is_hash(text: &str) -> bool {
    text.parse::<bcrypt::HashParts>().is_ok()
}

/// A token bucket for all requests together.
pub struct Rate {
    every: Duration,
    burst: u32,
    bucket: Mutex<(f64, Option<Instant>)>,
}

impl Rate {
    /// One request in `every`, and up to `burst` at once (at least one).
    pub fn new(every: Duration, burst: u32) -> Self {
        let burst = burst.max(1);
        Self { every, burst, bucket: Mutex::new((f64::from(burst), None)) }
    }

    /// Whether a request that comes now may pass.
    pub fn admits(&self, now: Instant) -> bool {
        if self.every.is_zero() {
            return true;
        }
        let mut bucket = lock(&self.bucket);
        let (tokens, at) = *bucket;
        let earned = at.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64() / self.every.as_secs_f64());
        let tokens = (tokens + earned).min(f64::from(self.burst));
        let admits = tokens >= 1.0;
        *bucket = (if admits { tokens - 1.0 } else { tokens }, Some(now));
        admits
    }
}

/// Nothing panics while these locks are held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Peer = Peer::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn only_the_right_password_of_the_right_user_fits() {
        let hash = bcrypt::hash("correct horse", 4).unwrap();
        let passwords = Passwords::new([("alice".to_owned(), hash)]);
        for _ in 0..2 {
            assert!(passwords.fit(ONE, "alice", "correct horse").await);
            assert!(!passwords.fit(ONE, "alice", "wrong").await);
            assert!(!passwords.fit(ONE, "bob", "correct horse").await);
            assert!(!passwords.fit(ONE, "", "").await);
        }
        let remembered = lock(&passwords.remembered);
        assert_eq!((remembered.right.all.len(), remembered.wrong.all.len()), (1, 3), "each is hashed once");
    }

    #[tokio::test]
    async fn a_flood_of_wrong_passwords_delays_others_by_one_comparison() {
        let hash = bcrypt::hash("correct horse", 4).unwrap();
        let passwords = Arc::new(Passwords::new([("alice".to_owned(), hash)]));
        let mut flood = tokio::task::JoinSet::new();
        for n in 0..200 {
            let passwords = Arc::clone(&passwords);
            flood.spawn(async move { passwords.fit(ONE, "alice", &n.to_string()).await });
        }
        tokio::task::yield_now().await;
        assert!(passwords.fit(Peer::Local, "alice", "correct horse").await);
        let before = lock(&passwords.remembered).wrong.all.len();
        assert!(before < 100, "the right password waited for {before} wrong ones");
        while let Some(fits) = flood.join_next().await {
            assert!(!fits.unwrap());
        }
        assert!(lock(&passwords.lanes).values().all(|lane| lane.strong_count() == 0));
        assert!(passwords.fit(Peer::V6([0; 4]), "alice", "correct horse").await);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut remembered = Remembered::default();
        remembered.keep(digest(&["right"]), true);
        for n in 0..2 * MAX_REMEMBERED {
            remembered.keep(digest(&[&n.to_string()]), false);
        }
        let wrong = &remembered.wrong;
        assert_eq!((wrong.all.len(), wrong.oldest_first.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
        assert_eq!(remembered.get(&digest(&["right"])), Some(true), "no flood makes it forgotten");
    }

    #[test]
    fn hashes_are_recognised() {
        assert!(is_hash(NOBODY));
        assert!(is_hash("$2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze"));
        assert!(!is_hash("secret"));
        assert!(!is_hash(""));
    }

    #[test]
    fn a_burst_passes_then_the_rate() {
        let (rate, now) = (Rate::new(Duration::from_secs(1), 2), Instant::now());
        assert_eq!([rate.admits(now), rate.admits(now), rate.admits(now)], [true, true, false]);
        assert!(rate.admits(now + Duration::from_secs(1)));
        assert!(!rate.admits(now + Duration::from_secs(1)));
        assert!(Rate::new(Duration::ZERO, 0).admits(now));
    }
}
