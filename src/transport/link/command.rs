//! What others tell the thread that owns a socket.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::curve::keys::PublicKey;
use crate::curve::security::Security;
use crate::sys::descriptors::PeerAddress;
use crate::sys::waker::LateWaker;
use crate::transport::counters::ConnectionCounters;

/// A key that must not stay connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// The key.
    pub key: PublicKey,
    /// The addresses it has been admitted from.
    pub addresses: Vec<PeerAddress>,
}

/// What a socket's thread shares with those who steer it.
pub trait Steered: Send + Sync {
    /// Its orders.
    fn control(&self) -> &Control;
    /// What it counts about its connections.
    fn connections(&self) -> &ConnectionCounters;
}

/// Something to do.
#[derive(Debug)]
pub enum Order {
    /// End the connections of a key.
    Revoke(Revoked),
    /// A revoked key is admitted again.
    Readmit(PublicKey),
    /// Open the socket anew with these keys.
    Rekey(Arc<Security>),
}

/// Any thread may give orders; the socket's thread polls the descriptor and takes them.
#[derive(Debug, Default)]
pub struct Control {
    waker: LateWaker,
    is_stopping: AtomicBool,
    has_orders: AtomicBool,
    orders: Mutex<Vec<Order>>,
}

impl Control {
    /// Opens the descriptor; before the thread starts, and not before the process may have descriptors.
    pub fn open(&self) -> std::io::Result<()> {
        self.waker.open()
    }

    /// Wakes the thread.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Forgets the wakes so far.
    pub fn clear(&self) {
        self.waker.clear();
    }

    /// The descriptor to poll for reading.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.waker.descriptor()
    }

    /// Tells the thread to stop, for good.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Whether the thread has been told to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// Gives an order.
    pub fn order(&self, order: Order) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push(order);
        self.has_orders.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// The orders given since the last call; nearly free where there are none.
    #[must_use]
    pub fn take_orders(&self) -> Vec<Order> {
        if !self.has_orders.swap(false, Ordering::SeqCst) {
            return Vec::new();
        }
        std::mem::take(&mut *self.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_taken_once_and_in_order() {
        let control = Control::default();
        assert!(control.take_orders().is_empty());
        let key = PublicKey::from_bytes([7; 32]);
        control.order(Order::Readmit(key));
        control.order(Order::Revoke(Revoked { key, addresses: Vec::new() }));
        assert!(matches!(control.take_orders()[..], [Order::Readmit(_), Order::Revoke(_)]));
        assert!(control.take_orders().is_empty());
        assert!(!control.is_stopping());
        control.stop();
        assert!(control.is_stopping());
    }
}
