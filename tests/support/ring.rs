//! The key ring of tests.

use carnet::agency::keys::Ring;

/// A ring of known keys, always the same.
pub(crate) fn ring() -> Ring {
    Ring::new([3; 32], [4; 32])
}
