//! One outgoing stream: its SSRCs, its header extensions, its packet indexes.

use millrace_packet::{ExtensionKind, ExtensionPlan, Priority, Rewrite};

use super::Refusal;
use crate::srtp::OutgoingIndex;

/// SSRCs that one transport may send in its life, those of removed streams included.
///
/// A removed stream's SSRC is never given out again, because its packet indexes would start over under the same key
/// (RFC 3711 §9.1). 65,536 of them take half a megabyte; when full, further streams are refused and the viewer needs
/// a new transport, after 32,768 consumers with RTX.
pub const SSRCS_MAX: usize = 65_536;

/// What an outgoing stream sends when its viewer reports a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Nothing: NACK was not negotiated.
    None,
    /// The same packet in the same stream (RFC 4585 without RFC 4588).
    SameStream,
    /// A packet of a stream of its own (RFC 4588).
    Rtx {
        /// The SSRC of that stream.
        ssrc: u32,
    },
}

/// Why a stream was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutgoingStreamError {
    /// Misuse: the transport sends or sent this SSRC, or the RTX stream has the SSRC of its stream.
    #[error("SSRC {0} was used before on this transport")]
    SsrcUsed(u32),
    /// Limit: the transport has sent [`SSRCS_MAX`] SSRCs.
    #[error("transport has sent too many SSRCs")]
    TooManySsrcs,
}

/// What is to be known about a stream before it is sent.
#[derive(Clone, Debug)]
pub struct OutgoingStreamSpec {
    ssrc: u32,
    repair: Repair,
    extensions: ExtensionPlan,
    is_reported_by_name: bool,
}

impl OutgoingStreamSpec {
    /// Describes a stream.
    ///
    /// With [`Repair::SameStream`] the extensions that are stamped at sending, transport-wide number and
    /// abs-send-time, are left out: a packet that is sent twice under one number must be the same to the last bit.
    /// Two versions of it under one key, SSRC and index give away the XOR of their plaintexts (RFC 3711 §9.1), and
    /// with GCM the key that authenticates (RFC 7714 §10.1).
    pub fn new(ssrc: u32, repair: Repair, extensions: ExtensionPlan) -> Self {
        let extensions = match repair {
            Repair::SameStream => {
                extensions.without(ExtensionKind::TransportWideCc).without(ExtensionKind::AbsSendTime)
            }
            Repair::None | Repair::Rtx { .. } => extensions,
        };
        Self { ssrc, repair, extensions, is_reported_by_name: false }
    }

    /// The same for a viewer that reports which packets arrived by SSRC and sequence number (RFC 8888), whether or not
    /// they carry transport-wide numbers.
    ///
    /// A transport whose other streams carry such numbers sends those with gaps, which the viewer reports as lost until
    /// it names the packets that had them: a viewer should report all streams one way.
    pub fn reported_by_name(self) -> Self {
        Self { is_reported_by_name: true, ..self }
    }

    /// The SSRC, and the one for RTX if there is one.
    pub(super) fn ssrcs(&self) -> impl Iterator<Item = u32> + Clone + use<> {
        let rtx = match self.repair {
            Repair::Rtx { ssrc } => Some(ssrc),
            Repair::None | Repair::SameStream => None,
        };
        [Some(self.ssrc), rtx].into_iter().flatten()
    }

    /// The SSRC that `rewrite` belongs under; `None` for a retransmission where there is no stream for them.
    pub(super) fn ssrc_of(&self, rewrite: &Rewrite) -> Option<u32> {
        match (rewrite.original_sequence, self.repair) {
            (None, _) => Some(self.ssrc),
            (Some(_), Repair::Rtx { ssrc }) => Some(ssrc),
            (Some(_), Repair::None | Repair::SameStream) => None,
        }
    }

    /// The header extensions.
    pub(super) const fn extensions(&self) -> &ExtensionPlan {
        &self.extensions
    }

    /// Tells whether packets carry transport-wide numbers.
    pub fn carries_transport_sequence(&self) -> bool {
        self.extensions.contains(ExtensionKind::TransportWideCc)
    }

    /// Tells whether the viewer reports which packets arrived.
    pub fn is_reported(&self) -> bool {
        self.is_reported_by_name || self.carries_transport_sequence()
    }

    /// Tells whether packets carry their time of sending.
    pub(super) fn carries_send_time(&self) -> bool {
        self.extensions.contains(ExtensionKind::AbsSendTime)
    }

    /// The SSRC, if it is that of the RTX stream too.
    pub(super) fn repeated_ssrc(&self) -> Option<u32> {
        (self.repair == Repair::Rtx { ssrc: self.ssrc }).then_some(self.ssrc)
    }
}

#[derive(Debug)]
pub(super) struct Stream {
    spec: OutgoingStreamSpec,
    index: OutgoingIndex,
    rtx_index: OutgoingIndex,
    carries_transport_sequence: bool,
}

impl Stream {
    pub(super) fn new(spec: OutgoingStreamSpec) -> Self {
        let carries_transport_sequence = spec.extensions.contains(ExtensionKind::TransportWideCc);
        Self { spec, index: OutgoingIndex::default(), rtx_index: OutgoingIndex::default(), carries_transport_sequence }
    }

    pub(super) const fn spec(&self) -> &OutgoingStreamSpec {
        &self.spec
    }

    pub(super) const fn extensions(&self) -> &ExtensionPlan {
        &self.spec.extensions
    }

    pub(super) const fn carries_transport_sequence(&self) -> bool {
        self.carries_transport_sequence
    }

    /// Tells whether the viewer reports on a packet by its name. One that is sent again under its name is left out:
    /// nobody can tell which of the two arrived.
    pub(super) fn is_named(&self, rewrite: &Rewrite) -> bool {
        let is_repeated = rewrite.priority == Priority::Retransmission && rewrite.original_sequence.is_none();
        self.spec.is_reported_by_name && !is_repeated
    }

    /// The SSRC and the packet index under which `rewrite` may be sealed.
    pub(super) fn claim(&mut self, rewrite: &Rewrite) -> Result<(u32, u64), Refusal> {
        let is_resend = rewrite.priority == Priority::Retransmission;
        match (rewrite.original_sequence, self.spec.repair) {
            (Some(_), Repair::Rtx { ssrc }) => Ok((ssrc, self.rtx_index.claim(rewrite.sequence)?)),
            (Some(_), Repair::None | Repair::SameStream) => Err(Refusal::Misuse),
            (None, Repair::SameStream) if is_resend => Ok((self.spec.ssrc, self.index.claim_again(rewrite.sequence)?)),
            (None, _) => Ok((self.spec.ssrc, self.index.claim(rewrite.sequence)?)),
        }
    }
}
