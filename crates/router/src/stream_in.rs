//! One incoming RTP stream: what arrived, what is missing, and what its publisher is asked for.

use std::time::Duration;

use millrace_model::NtpTime;
use millrace_packet::rtcp::ReportBlock;
use millrace_packet::{DependencyReader, ExtensionKind, RtpMeta, is_key_frame, picture_info};

use crate::cache::PacketCache;
use crate::key_frame::KeyFrameRequests;
use crate::layer_rates::LayerRates;
use crate::nack::NackGenerator;
use crate::position::Placement;
use crate::rate::{ByteRate, LayerCosts};
use crate::reception::{Arrival, Reception};
use crate::score::Score;
use crate::sender_clock::SenderReportMapping;
use crate::setup::{CodecSetup, StreamSetup};
use crate::timers::{Alarm, Moment};
use crate::timestamp::ticks;

/// How long a stream may be silent before its score is 0 (mediasoup 3.27.1, `RtpStreamRecv`). Opus with DTX sends
/// every 400 ms.
pub(crate) const SILENCE_MAX: Duration = Duration::from_millis(1500);

/// Numbers of one incoming stream since it was declared, for statistics.
#[derive(Clone, Debug, Default)]
pub(crate) struct IncomingCounts {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) discarded: u64,
    pub(crate) retransmitted: u64,
    pub(crate) rtx_discarded: u64,
    pub(crate) repaired: u64,
    pub(crate) nacks: u64,
    pub(crate) nack_packets: u64,
    pub(crate) plis: u64,
    pub(crate) firs: u64,
}

/// Where an accepted packet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Its index in the stream.
    pub(crate) index: u64,
    /// Its timestamp on the stream's continuous line.
    pub(crate) timestamp: u32,
    /// The sender began anew with it, or a little before it.
    pub(crate) restarted: bool,
    /// Holes that were given up because there were too many.
    pub(crate) given_up: usize,
    /// It filled a hole that had been asked for.
    pub(crate) repaired: bool,
}

impl Accepted {
    fn at(index: u64, timestamp: u32) -> Self {
        Self { index, timestamp, restarted: false, given_up: 0, repaired: false }
    }
}

/// Why a packet goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    Duplicate,
    OutOfRange,
}

/// One stream of a producer.
#[derive(Debug)]
pub(crate) struct IncomingStream {
    pub(crate) ssrc: Option<u32>,
    pub(crate) rtx_ssrc: Option<u32>,
    pub(crate) rid: Option<String>,
    /// From the first packet on.
    pub(crate) reception: Option<Reception>,
    pub(crate) cache: PacketCache,
    /// Where the publisher understands NACKs.
    pub(crate) nack: Option<NackGenerator>,
    pub(crate) key_frames: KeyFrameRequests,
    /// Number of the last full intra request (RFC 5104 §4.3.1.1).
    pub(crate) fir_command: u8,
    pub(crate) sender_report: Option<SenderReportMapping>,
    /// From the first dependency descriptor with a structure on, where they are read.
    pub(crate) dependency: Option<Box<DependencyReader>>,
    pub(crate) round_trip: Option<Duration>,
    pub(crate) score: Score,
    /// Packets came since the last report.
    pub(crate) unreported: bool,
    pub(crate) counts: IncomingCounts,
    pub(crate) rate: ByteRate,
    pub(crate) layer_rates: LayerRates,
    /// From the first packet of a higher layer on.
    pub(crate) layer_costs: Option<Box<LayerCosts>>,
    pub(crate) nack_alarm: Alarm,
    pub(crate) key_frame_alarm: Alarm,
    pub(crate) upkeep_alarm: Alarm,
}

impl IncomingStream {
    /// A stream as its producer declares it.
    pub(crate) fn new(setup: StreamSetup, cache: PacketCache, nack: bool, key_frame_delay: Duration) -> Self {
        Self {
            ssrc: setup.ssrc,
            rtx_ssrc: setup.rtx_ssrc,
            rid: setup.rid,
            reception: None,
            cache,
            nack: nack.then(NackGenerator::new),
            key_frames: KeyFrameRequests::new(key_frame_delay),
            fir_command: 0,
            sender_report: None,
            dependency: None,
            round_trip: None,
            score: Score::new(),
            unreported: false,
            counts: IncomingCounts::default(),
            rate: ByteRate::default(),
            layer_rates: LayerRates::default(),
            layer_costs: None,
            nack_alarm: Alarm::default(),
            key_frame_alarm: Alarm::default(),
            upkeep_alarm: Alarm::default(),
        }
    }

    /// Places a packet that came on the media SSRC. `ask`: holes before it will be asked for.
    pub(crate) fn receive(
        &mut self,
        meta: &RtpMeta,
        arrival: Arrival,
        ask: bool,
        now: Moment,
    ) -> Result<Accepted, Rejected> {
        self.counts.packets += 1;
        self.counts.bytes += arrival.bytes as u64;
        self.rate.add(arrival.bytes, now.ms);
        let Some(reception) = &mut self.reception else {
            let reception = self.reception.insert(Reception::new(meta, arrival, now));
            return Ok(Accepted::at(reception.position.highest(), meta.timestamp));
        };
        let lost = reception.lost();
        match reception.place(meta, now) {
            Placement::Newest { index, skipped } => {
                let timestamp = reception.note_newest(meta, arrival, now);
                let given_up = match self.nack.as_mut().filter(|_| ask && skipped > 0) {
                    Some(nack) => nack.add_gap(index, skipped, now.at),
                    None => 0,
                };
                Ok(Accepted { given_up, ..Accepted::at(index, timestamp) })
            }
            Placement::Restarted { index } => {
                reception.note_restart(lost, self.counts.repaired);
                let timestamp = reception.note_newest(meta, arrival, now);
                self.forget_the_past();
                Ok(Accepted { restarted: true, ..Accepted::at(index, timestamp) })
            }
            Placement::Late { index } => {
                reception.note_late();
                let timestamp = reception.timestamps.place(meta.timestamp);
                let repaired = self.fill_hole(index, now);
                Ok(Accepted { repaired, ..Accepted::at(index, timestamp) })
            }
            Placement::Duplicate => Err(self.discard(Rejected::Duplicate)),
            Placement::TooOld | Placement::Unconfirmed => Err(self.discard(Rejected::OutOfRange)),
        }
    }

    /// Places a packet that a retransmission on the RTX SSRC carried.
    pub(crate) fn receive_retransmission(&mut self, meta: &RtpMeta, now: Moment) -> Result<Accepted, Rejected> {
        self.counts.retransmitted += 1;
        let reception = self.reception.as_mut().ok_or(Rejected::OutOfRange)?;
        let Placement::Late { index } = reception.place_retransmission(meta.sequence, now) else {
            self.counts.rtx_discarded += 1;
            return Err(Rejected::Duplicate);
        };
        let timestamp = reception.timestamps.place(meta.timestamp);
        self.counts.repaired += 1;
        self.fill_hole(index, now);
        Ok(Accepted { repaired: true, ..Accepted::at(index, timestamp) })
    }

    /// Reads where the packet `bytes` of `codec` stands among layers, and whether it is a key frame: in its dependency
    /// descriptor where that is read and there is one, else in its payload. False when a descriptor says nothing.
    #[inline]
    pub(crate) fn read_picture(&mut self, codec: &CodecSetup, bytes: &[u8], meta: &mut RtpMeta) -> bool {
        if let Some(codec) = codec.video_codec {
            let payload = meta.payload(bytes);
            (meta.key_frame, meta.picture) = (is_key_frame(codec, payload), picture_info(codec, payload));
        }
        !codec.reads_descriptor || self.read_descriptor(bytes, meta)
    }

    fn read_descriptor(&mut self, bytes: &[u8], meta: &mut RtpMeta) -> bool {
        let Some(descriptor) = meta.value(bytes, ExtensionKind::DependencyDescriptor) else { return true };
        let info = match &mut self.dependency {
            Some(reader) => reader.read(descriptor, meta.timestamp),
            None => DependencyReader::begin(descriptor, meta.timestamp).map(|(reader, info)| {
                self.dependency = Some(Box::new(reader));
                info
            }),
        };
        let Some(info) = info else { return false };
        (meta.key_frame, meta.picture) = (info.key_frame, info.picture);
        true
    }

    /// Counts a packet for the layer that it is of.
    #[inline]
    pub(crate) fn note_layer(&mut self, meta: &RtpMeta, bytes: usize, now: Moment) {
        let is_layered = meta.picture.temporal_layer > 0 || meta.picture.spatial_layer > 0;
        if self.layer_costs.is_some() || is_layered {
            self.layer_costs.get_or_insert_with(LayerCosts::new).add(&meta.picture, bytes, now.ms);
        }
    }

    /// The publisher said goodbye. Returns the new score if it changed.
    pub(crate) fn end(&mut self) -> Option<u8> {
        let reception = self.reception.as_mut()?;
        reception.active = false;
        self.nack.iter_mut().for_each(NackGenerator::clear);
        self.score.set_inactive()
    }

    /// The score, or 0 while nothing was heard of the stream.
    pub(crate) fn heard_score(&self) -> u8 {
        self.reception.as_ref().map_or(0, |_| self.score.value())
    }

    /// Index of the newest packet.
    pub(crate) fn highest(&self) -> u64 {
        self.reception.as_ref().map_or(0, |reception| reception.position.highest())
    }

    /// Packets lost since the stream was declared.
    pub(crate) fn lost(&self) -> u64 {
        self.reception.as_ref().map_or(0, |reception| reception.lost_before() + reception.lost())
    }

    /// The RTP timestamp, on the continuous line, that belongs to `now`: by the last sender report, or else by the
    /// arrival of the newest packet.
    pub(crate) fn timestamp_at(&self, now: Moment, ntp: NtpTime) -> Option<u32> {
        let reception = self.reception.as_ref()?;
        if let Some(mapping) = self.sender_report {
            return Some(mapping.timestamp_at(ntp, reception.clock_rate()));
        }
        let (timestamp, at) = reception.timestamps.newest()?;
        Some(timestamp.wrapping_add(ticks(now.at.saturating_duration_since(at), reception.clock_rate())))
    }

    /// Notes how long the publisher takes to answer.
    pub(crate) fn note_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = Some(round_trip);
        self.nack.iter_mut().for_each(|nack| nack.note_round_trip(round_trip));
    }

    /// The report block for what came since the last one (RFC 3550 §6.4.1).
    pub(crate) fn report_block(&mut self, now: Moment) -> Option<ReportBlock> {
        let (last_sender_report, delay) =
            self.sender_report.map(|mapping| mapping.block_fields(now.at)).unwrap_or_default();
        let reception = self.reception.as_mut()?;
        self.unreported = false;
        Some(ReportBlock {
            ssrc: self.ssrc?,
            fraction_lost: reception.take_fraction_lost(),
            cumulative_lost: i32::try_from(reception.lost()).unwrap_or(i32::MAX),
            extended_highest_sequence: reception.position.extended_highest(),
            jitter: reception.jitter(),
            last_sender_report,
            delay_since_last_sender_report: delay,
        })
    }

    /// Looks back on the time since the last look. Returns the new score if it changed.
    pub(crate) fn update_score(&mut self, now: Moment) -> Option<u8> {
        let reception = self.reception.as_mut().filter(|reception| reception.active)?;
        if now.at.saturating_duration_since(reception.last_packet.at) >= SILENCE_MAX {
            reception.active = false;
            return self.score.set_inactive();
        }
        let interval = reception.take_interval(self.counts.repaired);
        self.score.add(interval)
    }

    /// Takes the packet at `index` off the list of missing ones. True if it had been asked for.
    fn fill_hole(&mut self, index: u64, now: Moment) -> bool {
        let requests = self.nack.as_mut().and_then(|nack| nack.remove(index, now.at));
        requests.is_some_and(|requests| requests > 0)
    }

    /// The sender began anew: nothing from before can be asked for, resent or mapped to a time.
    fn forget_the_past(&mut self) {
        self.nack.iter_mut().for_each(NackGenerator::clear);
        self.cache.clear();
        self.sender_report = None;
        self.dependency = None;
    }

    fn discard(&mut self, reason: Rejected) -> Rejected {
        self.counts.discarded += 1;
        reason
    }
}
