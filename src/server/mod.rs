//! The shell: it listens, shakes hands, moves bytes. It decides nothing.

pub mod clock;
pub mod tls;
