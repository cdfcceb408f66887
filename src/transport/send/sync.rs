//! The primitives of the queue and of the handover, or loom's model of them (`RUSTFLAGS="--cfg loom" cargo test --lib loom`).

#[cfg(loom)]
pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
#[cfg(loom)]
pub(super) use noted::{Guard as TriedMutexGuard, Noted as TriedMutex};
#[cfg(not(loom))]
pub(super) use std::sync::{Condvar, Mutex, Mutex as TriedMutex, MutexGuard, MutexGuard as TriedMutexGuard};

/// A mutex whose release is a step of its own. loom reorders what accesses the same object, and releasing its own mutex is no
/// access: it would hardly ever find that `try_lock` comes just before a release.
#[cfg(loom)]
mod noted {
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::sync::{Mutex, MutexGuard};
    use std::ops::{Deref, DerefMut};
    use std::sync::{LockResult, TryLockError, TryLockResult};

    pub(in super::super) struct Noted<T> {
        mutex: Mutex<T>,
        releases: AtomicUsize,
    }

    pub(in super::super) struct Guard<'a, T> {
        guard: MutexGuard<'a, T>,
        releases: &'a AtomicUsize,
    }

    impl<T> Noted<T> {
        pub(in super::super) fn new(value: T) -> Self {
            Self { mutex: Mutex::new(value), releases: AtomicUsize::new(0) }
        }

        pub(in super::super) fn lock(&self) -> LockResult<Guard<'_, T>> {
            Ok(Guard { guard: self.mutex.lock().unwrap(), releases: &self.releases })
        }

        pub(in super::super) fn try_lock(&self) -> TryLockResult<Guard<'_, T>> {
            self.releases.fetch_add(0, Ordering::Relaxed);
            let guard = self.mutex.try_lock().map_err(|_| TryLockError::WouldBlock)?;
            Ok(Guard { guard, releases: &self.releases })
        }
    }

    impl<T> Drop for Guard<'_, T> {
        fn drop(&mut self) {
            self.releases.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl<T> Deref for Guard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            &self.guard
        }
    }

    impl<T> DerefMut for Guard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.guard
        }
    }
}
