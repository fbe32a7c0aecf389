//! Whether a socket's runs may leave as one message each (UDP GSO), found out as it sends.

use std::io;

/// Runs in a row that may be refused for a reason that can lie in one path, before segmentation is given up.
///
/// Each refusal costs one system call and no datagram: the run is sent again as single datagrams.
const REFUSALS_IN_A_ROW_MAX: u8 = 8;

/// What is known about segmentation on one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segmentation {
    refusals_left: u8,
}

impl Segmentation {
    pub(crate) const ON: Self = Self { refusals_left: REFUSALS_IN_A_ROW_MAX };
    pub(crate) const OFF: Self = Self { refusals_left: 0 };

    pub(crate) fn is_on(self) -> bool {
        self.refusals_left > 0
    }

    /// What is known after a run was taken.
    pub(crate) fn after_success(self) -> Self {
        if self.is_on() { Self::ON } else { Self::OFF }
    }

    /// What is known after a run was refused.
    pub(crate) fn after(self, refusal: Refusal) -> Self {
        match refusal {
            Refusal::Device => Self::OFF,
            Refusal::MaybePath => Self { refusals_left: self.refusals_left.saturating_sub(1) },
        }
    }
}

/// Why the kernel refused a run that it might take as single datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The device or the kernel cannot do it for anyone.
    Device,
    /// A segment may be longer than one path takes unfragmented, or the kernel may not do it at all.
    MaybePath,
}

impl Refusal {
    /// Reads the error of a message that was a run; `None` when it says nothing about segmentation.
    pub(crate) fn of(error: &io::Error) -> Option<Self> {
        match error.raw_os_error()? {
            libc::EIO | libc::EOPNOTSUPP | libc::ENOPROTOOPT => Some(Self::Device),
            libc::EINVAL | libc::EMSGSIZE => Some(Self::MaybePath),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_path_among_good_ones_does_not_end_segmentation() {
        let mut state = Segmentation::ON;
        for _ in 0..1000 {
            state = state.after(Refusal::MaybePath).after_success();
        }
        assert!(state.is_on());
    }

    #[test]
    fn refusals_in_a_row_end_segmentation_for_good() {
        let mut state = Segmentation::ON;
        for _ in 0..REFUSALS_IN_A_ROW_MAX {
            assert!(state.is_on());
            state = state.after(Refusal::MaybePath);
        }
        assert!(!state.after_success().is_on());
    }
}
