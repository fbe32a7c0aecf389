//! Statistics as `getStats()` returns them.

use std::time::{Duration, Instant};

use millrace_model::{BaseRtpStreamStats, MediaKind, RtpStreamRecvStats, RtpStreamSendStats};

use crate::consumer::Consumer;
use crate::producer::Producer;
use crate::router::Router;
use crate::stream_in::IncomingStream;
use crate::timers::Moment;
use crate::{ConsumerIndex, ProducerIndex};

impl Router {
    /// Statistics of every stream of a producer that was heard of; empty when it is closed.
    ///
    /// Timestamps are in ms of the router's own time.
    pub fn producer_stats(&mut self, index: ProducerIndex, now: Instant) -> Vec<RtpStreamRecvStats> {
        let now = self.moment(now);
        let Some(producer) = self.producers.get_mut(index.0 as usize) else { return Vec::new() };
        (0..producer.streams.len()).filter_map(|stream| incoming_stats(producer, stream, now)).collect()
    }

    /// Statistics of a consumer's stream, and of the producer's stream that it views if that was heard of; `None` when
    /// it is closed.
    pub fn consumer_stats(
        &mut self,
        index: ConsumerIndex,
        now: Instant,
    ) -> Option<(RtpStreamSendStats, Option<RtpStreamRecvStats>)> {
        let now = self.moment(now);
        let place = *self.consumers.get(index.0 as usize)?;
        let producer = self.producers.get_mut(place.producer.0 as usize)?;
        let stream = usize::from(producer.consumers.get(place.position)?.source.stream);
        let mime_type = producer.current_codec(producer.streams.get(stream)?)?.mime_type.clone();
        let consumer = producer.consumers.get_mut(place.position)?;
        let sent = outgoing_stats(consumer, producer.kind, mime_type, now);
        Some((sent, incoming_stats(producer, stream, now)))
    }
}

fn incoming_stats(producer: &mut Producer, place: usize, now: Moment) -> Option<RtpStreamRecvStats> {
    let kind = producer.kind;
    let stream = producer.streams.get(place)?;
    let mime_type = producer.current_codec(stream)?.mime_type.clone();
    let stream = producer.streams.get_mut(place)?;
    let bitrate = stream.rate.bits_per_second(now.ms);
    Some(RtpStreamRecvStats {
        stats_type: "inbound-rtp".to_owned(),
        base: incoming_base(stream, kind, mime_type, now)?,
        packet_count: stream.counts.packets,
        byte_count: stream.counts.bytes,
        bitrate,
        bitrate_by_layer: stream.layer_rates.bits_per_second(now.ms),
    })
}

fn incoming_base(
    stream: &IncomingStream,
    kind: MediaKind,
    mime_type: String,
    now: Moment,
) -> Option<BaseRtpStreamStats> {
    let (reception, counts) = (stream.reception.as_ref()?, &stream.counts);
    Some(BaseRtpStreamStats {
        timestamp: now.ms,
        ssrc: stream.ssrc?,
        rtx_ssrc: stream.rtx_ssrc,
        rid: stream.rid.clone(),
        kind,
        mime_type,
        packets_lost: stream.lost(),
        fraction_lost: reception.fraction_lost(),
        jitter: reception.jitter(),
        packets_discarded: counts.discarded,
        packets_retransmitted: counts.retransmitted,
        packets_repaired: counts.repaired,
        nack_count: counts.nacks,
        nack_packet_count: counts.nack_packets,
        pli_count: counts.plis,
        fir_count: counts.firs,
        round_trip_time: stream.round_trip.map(millis),
        rtx_packets_discarded: stream.rtx_ssrc.map(|_| counts.rtx_discarded),
        score: stream.score.value(),
    })
}

fn outgoing_stats(consumer: &mut Consumer, kind: MediaKind, mime_type: String, now: Moment) -> RtpStreamSendStats {
    let bitrate = consumer.bitrate(now);
    let (report, counts) = (consumer.report, &consumer.counts);
    let base = BaseRtpStreamStats {
        timestamp: now.ms,
        ssrc: consumer.ssrc,
        rtx_ssrc: consumer.rtx_ssrc,
        rid: consumer.rid.clone(),
        kind,
        mime_type,
        packets_lost: report.lost,
        fraction_lost: report.fraction_lost,
        jitter: report.jitter,
        packets_discarded: 0,
        packets_retransmitted: counts.retransmitted,
        packets_repaired: counts.repaired,
        nack_count: counts.nacks,
        nack_packet_count: counts.nack_packets,
        pli_count: counts.plis,
        fir_count: counts.firs,
        round_trip_time: report.round_trip.map(millis),
        rtx_packets_discarded: None,
        score: consumer.score.value(),
    };
    let (packet_count, byte_count) = (counts.packets, counts.bytes);
    RtpStreamSendStats { stats_type: "outbound-rtp".to_owned(), base, packet_count, byte_count, bitrate }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
