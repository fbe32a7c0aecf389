//! The one registry of counters: whatever is dropped, refused or repaired anywhere has a name here.

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// Counters of one worker or one transport. Plain numbers, added to where the thing happens.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Counters {
            /// Every counter's name and meaning, in the order of [`values`](Self::values).
            pub const NAMES: &'static [(&'static str, &'static str)] =
                &[$((stringify!($name), concat!($($doc),+))),+];

            /// The counters' values, in the order of [`NAMES`](Self::NAMES).
            pub fn values(&self) -> [u64; Self::NAMES.len()] {
                [$(self.$name),+]
            }

            /// Adds `other` to these counters, name by name.
            pub fn add(&mut self, other: &Counters) {
                $(self.$name = self.$name.wrapping_add(other.$name);)+
            }
        }
    };
}

counters! {
    /// Datagrams and TCP frames received.
    datagrams_received,
    /// Bytes received in datagrams and TCP frames.
    datagram_bytes_received,
    /// Datagrams and TCP frames sent.
    datagrams_sent,
    /// Bytes sent in datagrams and TCP frames.
    datagram_bytes_sent,
    /// RTP packets received and authenticated.
    rtp_packets_received,
    /// RTP packets sent, retransmissions included.
    rtp_packets_sent,
    /// RTCP compound packets received and authenticated.
    rtcp_packets_received,
    /// RTCP compound packets sent.
    rtcp_packets_sent,
    /// Datagrams dropped because they were empty, too long, or of no known protocol (RFC 7983).
    datagrams_dropped_unknown,
    /// Datagrams dropped because their source was never validated by ICE.
    datagrams_dropped_unvalidated,
    /// ICE checks answered with success.
    stun_checks_answered,
    /// Authenticated STUN requests answered with an error (400, 420, 487).
    stun_requests_refused,
    /// STUN datagrams dropped because they were malformed, lacked FINGERPRINT or had a wrong one.
    stun_dropped_malformed,
    /// STUN requests dropped because their user name names no transport.
    stun_dropped_unknown_ufrag,
    /// STUN requests dropped because MESSAGE-INTEGRITY was missing or wrong.
    stun_dropped_wrong_integrity,
    /// STUN indications, and responses to nothing that was asked, dropped.
    stun_dropped_unexpected,
    /// STUN requests dropped because the answer would have been longer than the request.
    stun_dropped_amplifying,
    /// ICE tuples forgotten because a transport had too many.
    ice_tuples_evicted,
    /// Times a peer lost consent because its ICE checks stopped (RFC 7675).
    ice_consents_expired,
}
