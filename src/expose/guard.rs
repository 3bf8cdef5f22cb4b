//! Who may ask, how often, and what every answer says besides: passwords, a rate, headers. Values and rules; the routes
//! apply them (`expose/http/guarded.rs`).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

/// Answers of the hash function that are remembered: it takes a tenth of a second by design, and scrapers come every few.
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
    turn: tokio::sync::Mutex<()>,
}

/// What came of earlier attempts, by the SHA-256 of all that was compared: no password stays in memory.
#[derive(Default)]
struct Remembered {
    answers: HashMap<[u8; 32], bool>,
    oldest_first: VecDeque<[u8; 32]>,
}

impl Passwords {
    /// Hashes that [`is_hash`] finds good.
    pub fn new(hashes: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { hashes: hashes.into_iter().collect(), remembered: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// Whether this is the user's password. A first attempt takes what bcrypt takes, also for a user that there is not.
    pub async fn fit(&self, user: &str, password: &str) -> bool {
        let hash = self.hashes.get(user).map_or(NOBODY, String::as_str).to_owned();
        let key = digest(&[user, &hash, password]);
        if let Some(known) = lock(&self.remembered).answers.get(&key) {
            return *known;
        }
        let _turn = self.turn.lock().await;
        // Whoever had the turn before may have asked the same.
        if let Some(known) = lock(&self.remembered).answers.get(&key) {
            return *known;
        }
        let (exists, password) = (self.hashes.contains_key(user), password.to_owned());
        let fits = spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false)).await.unwrap_or(false);
        let answer = fits && exists;
        lock(&self.remembered).keep(key, answer);
        answer
    }
}

impl Remembered {
    fn keep(&mut self, key: [u8; 32], answer: bool) {
        if self.answers.insert(key, answer).is_none() {
            self.oldest_first.push_back(key);
        }
        if self.oldest_first.len() > MAX_REMEMBERED
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.answers.remove(&oldest);
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

    #[tokio::test]
    async fn only_the_right_password_of_the_right_user_fits() {
        let hash = bcrypt::hash("correct horse", 4).unwrap();
        let passwords = Passwords::new([("alice".to_owned(), hash)]);
        for _ in 0..2 {
            assert!(passwords.fit("alice", "correct horse").await);
            assert!(!passwords.fit("alice", "wrong").await);
            assert!(!passwords.fit("bob", "correct horse").await);
            assert!(!passwords.fit("", "").await);
        }
        assert_eq!(lock(&passwords.remembered).answers.len(), 4, "each is hashed once");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut remembered = Remembered::default();
        for n in 0..2 * MAX_REMEMBERED {
            remembered.keep(digest(&[&n.to_string()]), true);
        }
        assert_eq!((remembered.answers.len(), remembered.oldest_first.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
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
