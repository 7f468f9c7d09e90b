//! Files and folders: listing, atomic replacement, locks.

pub(crate) mod atomic;
pub(crate) mod fold;
pub(crate) mod litter;
pub(crate) mod lock;
pub(crate) mod open;
pub(crate) mod owner;
pub(crate) mod walk;

/// Opens or reads once more what another host has replaced meanwhile: its file server no longer
/// knows the file that was just looked up.
pub(crate) fn once_more_if_stale<T>(
    mut attempt: impl FnMut() -> std::io::Result<T>,
) -> std::io::Result<T> {
    match attempt() {
        Err(error) if error.kind() == std::io::ErrorKind::StaleNetworkFileHandle => attempt(),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::{Error, ErrorKind};

    use super::once_more_if_stale;

    #[test]
    fn only_what_is_stale_is_tried_again_and_once() {
        let tries = Cell::new(0);
        let failing = |kind: ErrorKind, times: u32| {
            tries.set(0);
            once_more_if_stale(|| {
                tries.set(tries.get() + 1);
                if tries.get() > times { Ok(()) } else { Err(Error::from(kind)) }
            })
        };
        assert!(failing(ErrorKind::StaleNetworkFileHandle, 1).is_ok());
        assert!(failing(ErrorKind::StaleNetworkFileHandle, 2).is_err());
        assert_eq!(tries.get(), 2);
        assert!(failing(ErrorKind::NotFound, 1).is_err());
        assert_eq!(tries.get(), 1);
    }
}
