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
    /// Bytes of RTP packets received and authenticated, headers included.
    rtp_bytes_received,
    /// Bytes of RTP packets sent, headers and tags included.
    rtp_bytes_sent,
    /// RTCP compound packets received and authenticated.
    rtcp_packets_received,
    /// RTCP compound packets sent.
    rtcp_packets_sent,
    /// Packets of padding sent to find out what paths carry.
    padding_packets_sent,
    /// Bytes of padding sent to find out what paths carry, headers and tags included.
    padding_bytes_sent,
    /// Clusters of packets begun to find out whether a path carries a certain bitrate.
    probes_begun,
    /// Clusters of packets given up because there was nothing to send.
    probes_without_packets,
    /// Outgoing RTP packets that waited for their time, so that bursts do not fill queues on the path.
    outgoing_packets_paced,
    /// Consumers of video that got nothing any more because the path to their viewer had no room.
    consumers_shed,
    /// Times that the worker began to forward less, or more again, because it could not keep up, or could again.
    overload_changes,
    /// Messages that datagrams were sent as: a run of equal datagrams to one peer is one message (UDP GSO).
    send_messages,
    /// System calls that messages were sent with.
    send_calls,
    /// Datagrams that the system refused to send: no route, a refused port, a filter, a closed socket.
    datagrams_refused_by_system,
    /// Sealed datagrams dropped, oldest first, because full sockets held too many of them.
    datagrams_overflown,
    /// Datagrams dropped because the worker held as many packets as it may.
    datagrams_dropped_no_memory,
    /// Times a socket could not be read.
    socket_errors,
    /// TCP connections accepted.
    tcp_connections_accepted,
    /// TCP connections closed at once because the worker has as many as it may, all of them validated.
    tcp_connections_refused,
    /// TCP connections closed before a valid ICE check, because further ones came from a crowded address or network.
    tcp_connections_evicted,
    /// TCP connections closed because no valid ICE check came in time.
    tcp_connections_closed_idle,
    /// TCP connections closed because what came was not framed packets (RFC 4571).
    tcp_connections_closed_malformed,
    /// TCP frames dropped because the peer reads too slowly.
    tcp_frames_dropped,
    /// Datagrams dropped because they were empty, too long, or of no known protocol (RFC 7983).
    datagrams_dropped_unknown,
    /// Datagrams dropped because their source was never validated by ICE, or is not the endpoint of a plain transport.
    datagrams_dropped_unvalidated,
    /// SRTP and SRTCP packets dropped because they were shorter than their own lengths say, or not RTP version 2.
    srtp_packets_dropped_malformed,
    /// SRTP and SRTCP packets dropped because their authentication tag does not fit (RFC 3711 §3.3).
    srtp_packets_dropped_unauthentic,
    /// SRTP and SRTCP packets dropped because they came before, or are too old to tell (RFC 3711 §3.3.2).
    srtp_packets_dropped_replayed,
    /// SRTP and SRTCP packets dropped because their sender uses too many SSRCs.
    srtp_packets_dropped_too_many_sources,
    /// SRTP and SRTCP packets dropped unopened because their peer sends more packets or bytes than it may.
    srtp_packets_dropped_over_limit,
    /// RTP packets that waited in the outgoing queue because a socket was full.
    outgoing_packets_delayed,
    /// Audio packets dropped because the outgoing queue was full.
    outgoing_audio_dropped,
    /// Retransmissions dropped because the outgoing queue was full.
    outgoing_retransmissions_dropped,
    /// Video packets dropped because the outgoing queue was full, or would have taken too long to leave.
    outgoing_video_dropped,
    /// Packets of padding dropped because the outgoing queue was full.
    outgoing_padding_dropped,
    /// RTCP compound packets dropped because the outgoing queue was full.
    outgoing_rtcp_dropped,
    /// RTP and RTCP packets that could not be sealed: no keys, too long, or a number that was used before.
    outgoing_packets_refused,
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
    /// SRTP and SRTCP packets, or plain ones, dropped because the transport has no keys (RFC 8827 §6.5).
    srtp_packets_dropped_without_keys,
    /// DTLS datagrams dropped because signalling did not name the peer yet, or the association is over.
    dtls_datagrams_dropped,
    /// Application data over DTLS dropped because the transport has no data channels.
    dtls_data_dropped,
    /// DTLS records dropped because they were malformed or contradicted earlier ones.
    dtls_records_dropped_malformed,
    /// DTLS records and datagrams dropped because a bound of the handshake was reached.
    dtls_records_dropped_limit,
    /// DTLS records dropped because nothing vouches for them: alerts in the clear, data before the handshake's end,
    /// hellos that do not belong to this handshake, plaintext after it.
    dtls_records_dropped_unexpected,
    /// DTLS flights sent again because the peer had not answered.
    dtls_flights_repeated,
    /// SCTP packets received.
    sctp_packets_received,
    /// SCTP packets dropped because they were malformed: lengths that do not add up, a false checksum, too long.
    sctp_packets_dropped_malformed,
    /// SCTP packets dropped because they came before or after the association, or with another's verification tag.
    sctp_packets_dropped_unexpected,
    /// SCTP chunks dropped because they are unknown, malformed, or too far ahead of what was acknowledged.
    sctp_chunks_dropped,
    /// SCTP associations ended because the peer took more than it may.
    sctp_associations_aborted,
    /// Data channels refused that peers opened in-band: malformed, or on a stream that is taken.
    sctp_channels_refused,
    /// Data messages received over SCTP.
    sctp_messages_received,
    /// Data messages sent over SCTP.
    sctp_messages_sent,
    /// Data messages dropped because no data producer has their stream.
    data_messages_dropped_unknown_stream,
    /// Data messages not sent because the peer's association is not up, or their stream is being closed.
    data_messages_dropped_not_connected,
    /// Data messages not sent because the peer's send buffer is full.
    data_messages_dropped_full,
    /// Data messages not sent because they are longer than the peer takes.
    data_messages_dropped_too_long,
    /// Data messages of another router dropped because they do not say whom they are for.
    data_messages_dropped_malformed,
    /// RTP packets dropped because their header contradicts their length (RFC 3550 §5.1, RFC 8285).
    rtp_packets_dropped_malformed,
    /// RTP packets dropped because no producer declares their SSRC, MID or RID.
    rtp_packets_dropped_unknown_ssrc,
    /// RTP packets dropped because their producer does not declare their payload type.
    rtp_packets_dropped_unknown_payload_type,
    /// RTP packets dropped because they came before.
    rtp_packets_dropped_duplicate,
    /// RTP packets dropped because they were too far behind or ahead of their stream (RFC 3550 §A.1).
    rtp_packets_dropped_out_of_range,
    /// Retransmissions (RFC 4588) dropped because they were malformed or repaired nothing; most are padding or probes.
    rtx_packets_dropped,
    /// RTP streams whose sequence numbers began anew (RFC 3550 §A.1).
    rtp_streams_restarted,
    /// Lost RTP packets that a retransmission brought back.
    rtp_packets_repaired,
    /// Lost RTP packets that were given up.
    rtp_packets_given_up,
    /// Dependency descriptors that were malformed, or of a frame before the first that says what they mean.
    dependency_descriptors_unread,
    /// NACK messages sent to publishers (RFC 4585 §6.2.1).
    nacks_sent,
    /// Packets that NACK messages from viewers asked for.
    nack_packets_requested,
    /// Retransmissions sent to viewers.
    rtp_packets_retransmitted,
    /// Requested packets not sent again because they were forgotten or never sent.
    retransmissions_refused_unknown,
    /// Requested packets not sent again because they had been within the last round trip.
    retransmissions_refused_too_soon,
    /// Requested packets not sent again because the viewer's budget of bytes was used up.
    retransmissions_refused_budget,
    /// Key-frame requests sent to publishers (PLI, FIR).
    key_frame_requests_sent,
    /// Wishes for a key frame that an earlier or later request serves.
    key_frame_requests_merged,
    /// RTCP compound packets dropped because a length in them contradicts their size.
    rtcp_packets_dropped_malformed,
    /// RTCP reports and feedback dropped because they name an SSRC that the peer does not send or receive.
    rtcp_feedback_dropped_unknown_ssrc,
    /// Transport-wide feedback packets sent to publishers.
    transport_feedback_sent,
    /// Packets that the application sent and that were dropped, oldest first, because the worker was behind.
    application_packets_dropped,
    /// Packets that the application sent and that were refused: of a closed object, too long, or not RTP, RTCP or a data message.
    application_packets_refused,
    /// Packets to another worker of the process dropped because it is behind and its ring is full.
    ring_packets_dropped,
    /// Packets for the application dropped, oldest first, because it reads too slowly.
    packets_to_application_dropped,
    /// State events that the application did not get because a later one of the same object and kind replaced them.
    state_events_merged,
    /// Trace events dropped, oldest first, because the application reads too slowly.
    trace_events_dropped,
    /// Log lines left out because there were too many in a second or the application reads too slowly.
    log_lines_dropped,
}
