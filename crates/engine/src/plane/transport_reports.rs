//! What applications may look at of transports: dumps and statistics.

use std::time::Instant;

use millrace_model::{
    BaseTransportDump, BaseTransportStats, ConsumerId, DirectTransportDump, DirectTransportStat, DtlsRole, IceRole,
    NameEntryDump, PipeTransportDump, PipeTransportStat, PlainTransportDump, PlainTransportStat,
    RecvRtpHeaderExtensions, RtpEncodingParameters, RtpListenerDump, SrtpKey, SsrcEntryDump, TransportProtocol,
    TransportTuple, WebRtcTransportDump, WebRtcTransportStat,
};
use millrace_transport::PlainTransport;
use millrace_transport::webrtc::DtlsState;
use serde_json::Value;

use super::Plane;
use super::data_reports::add_data;
use super::path::reason_name;
use super::plain_transports::PlainTuples;
use super::requests::json;
use super::routers::{ConsumerEntry, ProducerEntry, RouterEntry};
use super::traffic::Bytes;
use super::transport_core::{TransportCore, WebRtcParts};
use super::transports::TransportEntry;
use super::webrtc_transports::{dtls_state, ice_parameters};
use crate::error::RequestError;

impl Plane {
    pub(super) fn transport_dump(&self, index: usize) -> Result<Value, RequestError> {
        let entry = &self.transports[index];
        let base = base_dump(index, entry, &self.routers[entry.router]);
        match &entry.core {
            TransportCore::WebRtc(parts) => json(self.webrtc_dump(index, parts, base)),
            TransportCore::Plain(core) => json(self.plain_dump(index, core, base)?),
            TransportCore::Pipe(parts) => json(PipeTransportDump {
                base,
                tuple: self.plain_tuples(index)?.tuple,
                rtx: parts.rtx,
                srtp_parameters: parts.core.key().map(SrtpKey::to_parameters),
            }),
            TransportCore::Direct(_) => json(DirectTransportDump { base }),
            // To applications it is a pipe transport, without an address.
            TransportCore::Ring(_) => {
                json(PipeTransportDump { base, tuple: no_tuple(), rtx: false, srtp_parameters: None })
            }
        }
    }

    fn webrtc_dump(&self, index: usize, parts: &WebRtcParts, base: BaseTransportDump) -> WebRtcTransportDump {
        let core = &parts.core;
        let remote_cert = match core.dtls_state() {
            DtlsState::Connected { remote_certificate } => Some(remote_certificate.clone()),
            _ => None,
        };
        WebRtcTransportDump {
            base,
            ice_role: IceRole::Controlled,
            ice_parameters: ice_parameters(core.ice_parameters()),
            ice_candidates: parts.candidates.clone(),
            ice_state: core.ice_state(),
            ice_selected_tuple: core.selected_tuple().and_then(|tuple| self.shown_tuple(index, tuple)),
            dtls_parameters: self.dtls_parameters(DtlsRole::Auto),
            dtls_state: dtls_state(core.dtls_state()),
            dtls_remote_cert: remote_cert,
        }
    }

    /// The statistics of a transport, an array of one.
    pub(super) fn transport_stats(&mut self, index: usize, now: Instant) -> Result<Value, RequestError> {
        let base = self.base_stats(index, now);
        match &self.transports[index].core {
            TransportCore::WebRtc(parts) => json([self.webrtc_stat(index, parts, base)]),
            TransportCore::Plain(core) => json([self.plain_stat(index, core, base)?]),
            TransportCore::Pipe(_) => {
                let tuple = self.plain_tuples(index)?.tuple;
                json([PipeTransportStat { stats_type: "pipe-transport".to_owned(), base, tuple }])
            }
            TransportCore::Direct(_) => json([DirectTransportStat { stats_type: "direct-transport".to_owned(), base }]),
            TransportCore::Ring(_) => {
                json([PipeTransportStat { stats_type: "pipe-transport".to_owned(), base, tuple: no_tuple() }])
            }
        }
    }

    fn webrtc_stat(&self, index: usize, parts: &WebRtcParts, base: BaseTransportStats) -> WebRtcTransportStat {
        WebRtcTransportStat {
            stats_type: "webrtc-transport".to_owned(),
            base,
            ice_role: IceRole::Controlled,
            ice_state: parts.core.ice_state(),
            ice_selected_tuple: parts.core.selected_tuple().and_then(|tuple| self.shown_tuple(index, tuple)),
            dtls_state: dtls_state(parts.core.dtls_state()),
        }
    }

    fn plain_dump(
        &self,
        index: usize,
        core: &PlainTransport,
        base: BaseTransportDump,
    ) -> Result<PlainTransportDump, RequestError> {
        let PlainTuples { tuple, rtcp_tuple } = self.plain_tuples(index)?;
        Ok(PlainTransportDump {
            base,
            rtcp_mux: core.rtcp_socket().is_none(),
            comedia: core.comedia(),
            tuple,
            rtcp_tuple,
            srtp_parameters: core.key().map(SrtpKey::to_parameters),
        })
    }

    fn plain_stat(
        &self,
        index: usize,
        core: &PlainTransport,
        base: BaseTransportStats,
    ) -> Result<PlainTransportStat, RequestError> {
        let PlainTuples { tuple, rtcp_tuple } = self.plain_tuples(index)?;
        Ok(PlainTransportStat {
            stats_type: "plain-rtp-transport".to_owned(),
            base,
            rtcp_mux: core.rtcp_socket().is_none(),
            comedia: core.comedia(),
            tuple,
            rtcp_tuple,
        })
    }

    /// What the statistics of every transport have.
    fn base_stats(&mut self, index: usize, now: Instant) -> BaseTransportStats {
        let timestamp = self.timestamp_ms(now);
        let entry = &mut self.transports[index];
        let counters = entry.core.counters();
        let bytes = Bytes {
            received: counters.datagram_bytes_received,
            sent: counters.datagram_bytes_sent,
            rtp_received: counters.rtp_bytes_received,
            rtp_sent: counters.rtp_bytes_sent,
            padding_sent: counters.padding_bytes_sent,
        };
        let bitrates = entry.traffic.read(bytes, now);
        let path = entry.core.webrtc().and_then(|parts| parts.core.path_estimate()).map(|path| path.estimate);
        let said = self.routers[entry.router].core.available_outgoing_bitrate(entry.session);
        let available = path.map(|estimate| estimate.bitrate).or(said);
        let since = path.and_then(|estimate| estimate.since);
        BaseTransportStats {
            transport_id: entry.id.to_string(),
            timestamp,
            sctp_state: entry.core.sctp().map(|sctp| sctp.state()),
            bytes_received: bytes.received,
            recv_bitrate: bitrates.received,
            bytes_sent: bytes.sent,
            send_bitrate: bitrates.sent,
            rtp_bytes_received: bytes.rtp_received,
            rtp_recv_bitrate: bitrates.rtp_received,
            rtp_bytes_sent: bytes.rtp_sent,
            rtp_send_bitrate: bitrates.rtp_sent,
            probation_bytes_sent: bytes.padding_sent,
            probation_send_bitrate: bitrates.padding_sent,
            available_outgoing_bitrate: available,
            available_outgoing_bitrate_reason: path.map(|estimate| reason_name(estimate.reason).to_owned()),
            available_outgoing_bitrate_since: since
                .map(|since| since.saturating_duration_since(self.started).as_millis() as u64),
            max_incoming_bitrate: entry.limits.max_incoming(),
            max_outgoing_bitrate: entry.limits.max_outgoing(),
            min_outgoing_bitrate: entry.limits.min_outgoing(),
            ..BaseTransportStats::default()
        }
    }
}

/// The path of a transport that needs no network.
pub(super) fn no_tuple() -> TransportTuple {
    TransportTuple {
        local_ip: String::new(),
        local_address: String::new(),
        local_port: 0,
        remote_ip: None,
        remote_port: None,
        protocol: TransportProtocol::Udp,
    }
}

fn base_dump(index: usize, entry: &TransportEntry, router: &RouterEntry) -> BaseTransportDump {
    let producers: Vec<_> = router.producers.iter().flatten().filter(|producer| producer.transport == index).collect();
    let consumers: Vec<_> = router.consumers.iter().flatten().filter(|consumer| consumer.transport == index).collect();
    let mut dump = BaseTransportDump {
        id: entry.id,
        producer_ids: producers.iter().map(|producer| producer.id).collect(),
        consumer_ids: consumers.iter().map(|consumer| consumer.id).collect(),
        map_ssrc_consumer_id: ssrc_entries(&consumers, |encoding| encoding.ssrc),
        map_rtx_ssrc_consumer_id: ssrc_entries(&consumers, |encoding| Some(encoding.rtx?.ssrc)),
        data_producer_ids: Vec::new(),
        data_consumer_ids: Vec::new(),
        max_send_message_size: 0,
        max_receive_message_size: 0,
        sctp_parameters: None,
        sctp_state: None,
        sctp_negotiated_capabilities: None,
        sctp_listener: None,
        recv_rtp_header_extensions: extensions(&producers),
        rtp_listener: listener(&producers),
        trace_event_types: entry.traces.clone(),
    };
    add_data(&mut dump, index, entry, router);
    dump
}

fn ssrc_entries(
    consumers: &[&ConsumerEntry],
    ssrc: impl Fn(&RtpEncodingParameters) -> Option<u32>,
) -> Vec<SsrcEntryDump> {
    let streams =
        consumers.iter().flat_map(|consumer| consumer.parameters.encodings.iter().map(|it| (consumer.id, it)));
    let entry = |(id, encoding): (ConsumerId, _)| Some(SsrcEntryDump { key: ssrc(encoding)?, value: id.to_string() });
    streams.filter_map(entry).collect()
}

/// The numbers of the header extensions that a transport reads, as its latest producer has them.
fn extensions(producers: &[&ProducerEntry]) -> RecvRtpHeaderExtensions {
    use millrace_model::uri;
    let id = |uri: &str| producers.iter().rev().find_map(|producer| producer.parameters.header_extension_id(uri));
    RecvRtpHeaderExtensions {
        mid: id(uri::MID),
        rid: id(uri::RTP_STREAM_ID),
        rrid: id(uri::REPAIRED_RTP_STREAM_ID),
        abs_send_time: id(uri::ABS_SEND_TIME),
        transport_wide_cc01: id(uri::TRANSPORT_WIDE_CC),
    }
}

fn listener(producers: &[&ProducerEntry]) -> RtpListenerDump {
    let mut dump = RtpListenerDump::default();
    for producer in producers {
        let value = producer.id.to_string();
        let name = |key: &String| NameEntryDump { key: key.clone(), value: value.clone() };
        dump.mid_table.extend(producer.parameters.mid.as_ref().map(name));
        for encoding in &producer.parameters.encodings {
            dump.rid_table.extend(encoding.rid.as_ref().map(name));
            let ssrcs = encoding.ssrc.into_iter().chain(encoding.rtx.map(|rtx| rtx.ssrc));
            dump.ssrc_table.extend(ssrcs.map(|key| SsrcEntryDump { key, value: value.clone() }));
        }
    }
    dump
}
