//! Names of users.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::runtime::PerProcess;
use crate::shared::{Memory, lock};
use crate::system;

/// How long a name is believed: lookups may go over the network, renames are rare.
const VALID: Duration = Duration::from_secs(5 * 60);
/// Users whose names are remembered.
const MOST: usize = 4096;

static NAMES: PerProcess<Mutex<Memory<u32, (Instant, String), MOST>>> = PerProcess::empty();

/// The name of a user, or the number as text if the user database has none.
pub(super) fn name_of(uid: u32) -> String {
    let names = NAMES.get(Mutex::default);
    let cached = lock(names).get(&uid).cloned();
    if let Some((since, name)) = cached
        && since.elapsed() < VALID
    {
        return name;
    }
    // Asked without the lock, so that a slow answer for one user holds up nobody else.
    match system::user(uid) {
        Some(user) => {
            let mut names = lock(names);
            names.insert(uid, (Instant::now(), user.name.clone()));
            user.name
        }
        None => uid.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names_or_numbers() {
        assert_eq!(name_of(0), "root");
        assert_eq!(name_of(0), "root");
        assert_eq!(name_of(4_000_000_123), "4000000123");
    }
}
