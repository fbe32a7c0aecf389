//! What a mixer of pictures and the process that does its work say to each other: texts as JSON, packets, pictures and frames as
//! records of [`PacketBatch`](crate::packets::PacketBatch).

use std::time::{Duration, Instant};

use millrace_frames::video::{AssemblerStats, VideoPacket};
use millrace_frames::{PictureSize, PictureView};
use millrace_mixer::video::{
    InputId, InputStats, OutputId, OutputOptions, OutputStats, Packets, Pressure, SyncPoint, VideoMixerStats,
};
use millrace_model::{NtpTime, VideoCaption, VideoLayout, VideoMixerCodec, VideoMixerEncoding, VideoMixerOptions};
use serde::{Deserialize, Serialize};

use super::options::{core_codec, model_codec, output_options};
use super::pictures::{i420, i420_bytes};
use crate::mixer::wire::{LARGE, Records, moment_ahead, us_ahead};
use crate::packets::PacketBatch;

/// The first text to the child.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(super) options: VideoMixerOptions,
}

/// What the child's core is to do. Ids are those of this side; the child knows which are its core's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    AddInput {
        id: u32,
        /// `None`: pictures as they are.
        codec: Option<VideoMixerCodec>,
        label: String,
        muted: bool,
    },
    SetLabel {
        id: u32,
        label: String,
    },
    SetMuted {
        id: u32,
        muted: bool,
    },
    RemoveInput(u32),
    AddOutput {
        id: u32,
        options: OutputText,
    },
    RemoveOutput(u32),
    SetTaken {
        id: u32,
        taken: bool,
    },
    KeyFrame(u32),
    SetLayout {
        /// `None`: as before.
        wanted: Option<VideoLayout>,
        /// Those that are shown, then those that wait.
        order: Vec<u32>,
    },
    /// Another size of the canvas.
    Resize {
        width: u32,
        height: u32,
    },
    SetCaptions(Vec<VideoCaption>),
    SenderReport {
        id: u32,
        ntp: u64,
        timestamp: u32,
    },
}

/// What an output carries.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OutputText {
    codec: Option<VideoMixerCodec>,
    encoding: VideoMixerEncoding,
    key_frame_interval: Duration,
}

impl From<&OutputOptions> for OutputText {
    fn from(options: &OutputOptions) -> Self {
        let OutputOptions { codec, size, frame_rate, bitrate, key_frame_interval } = *options;
        let (width, height) = (size.map(|size| size.width), size.map(|size| size.height));
        let encoding = VideoMixerEncoding { width, height, frame_rate, bitrate };
        Self { codec: codec.map(model_codec), encoding, key_frame_interval }
    }
}

impl OutputText {
    pub(super) fn options(&self) -> OutputOptions {
        output_options(self.codec.map(core_codec), &self.encoding, Some(self.key_frame_interval))
    }
}

/// What the child tells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum News {
    /// It is so. Sent now and then, and when something in it is to be heard at once.
    Report(Box<Report>),
    /// See [`Report::pictures`].
    Took(u64),
}

/// How the child's core is. Counts are those since the child began, so that a report may be lost.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    #[serde(with = "MixerStatsText")]
    pub(super) mixer: VideoMixerStats,
    /// The size of what is composed.
    #[serde(with = "size_text")]
    pub(super) canvas: Option<PictureSize>,
    /// How often other inputs were seen than before, or elsewhere.
    pub(super) layouts: u64,
    /// Batches of pictures that it took.
    pub(super) pictures: u64,
    pub(super) inputs: Vec<InputReport>,
    pub(super) outputs: Vec<OutputReport>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InputReport {
    pub(super) id: u32,
    /// At which size it is seen.
    #[serde(with = "size_text")]
    pub(super) seen: Option<PictureSize>,
    pub(super) key_frames_wanted: u32,
    #[serde(with = "InputStatsText")]
    pub(super) stats: InputStats,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OutputReport {
    pub(super) id: u32,
    #[serde(with = "OutputStatsText")]
    pub(super) stats: OutputStats,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Pressure")]
enum PressureText {
    None,
    HalfRate,
    Hurried,
    HalfSize,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "VideoMixerStats")]
struct MixerStatsText {
    ticks: u64,
    missed_ticks: u64,
    idle_ticks: u64,
    encoded: u64,
    tiles_drawn: u64,
    load: f32,
    #[serde(with = "PressureText")]
    pressure: Pressure,
    inputs: usize,
    outputs: usize,
    groups: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "InputStats")]
struct InputStatsText {
    #[serde(with = "AssemblerStatsText")]
    packets: AssemblerStats,
    decoded: u64,
    failed: u64,
    unseen: u64,
    dropped: u64,
    overspent: u64,
    freezes: u64,
    frozen: bool,
    avatar: bool,
    #[serde(with = "size_text")]
    size: Option<PictureSize>,
    late: Duration,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "AssemblerStats")]
struct AssemblerStatsText {
    frames: u64,
    key_frames: u64,
    late: u64,
    malformed: u64,
    gaps: u64,
    dropped: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "OutputStats")]
struct OutputStatsText {
    frames: u64,
    key_frames: u64,
    bytes: u64,
    failed: u64,
    passed: u64,
    shared_by: usize,
}

mod size_text {
    use millrace_frames::PictureSize;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    // What `serde(with)` calls.
    #[expect(clippy::ref_option)]
    pub(super) fn serialize<S: Serializer>(size: &Option<PictureSize>, serializer: S) -> Result<S::Ok, S::Error> {
        size.map(|size| (size.width, size.height)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PictureSize>, D::Error> {
        let size = Option::<(u32, u32)>::deserialize(deserializer)?;
        Ok(size.map(|(width, height)| PictureSize { width, height }))
    }
}

/// Number of records with pictures for where no input is; inputs' ids begin at 1.
pub(super) const BACKGROUND: u32 = 0;

/// What a record for the child holds: its first byte.
const PACKET: u8 = 0;
const LAST_PACKET: u8 = 1;
const FRAME: u8 = 2;
const STAND_IN: u8 = 3;
const SYNC: u8 = 4;
const NO_SYNC: u8 = 5;

/// Bytes before an RTP payload: what it is, sequence number, timestamp.
const PACKET_HEAD_BYTES: usize = 7;

/// Bytes before the samples of a picture for the child: what it is, width, height.
const PICTURE_HEAD_BYTES: usize = 9;

/// Bytes of a record of when sound is heard: what it is, the capture time, and how many µs ahead that is.
const SYNC_BYTES: usize = 17;

/// What a picture is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PictureUse {
    Frame,
    StandIn,
}

/// Adds a packet of an input.
pub(super) fn push_packet(batch: &mut PacketBatch, input: InputId, packet: VideoPacket<'_>) {
    let len = PACKET_HEAD_BYTES + packet.payload.len();
    let slot = batch.slot(len);
    slot[0] = if packet.marker { LAST_PACKET } else { PACKET };
    slot[1..3].copy_from_slice(&packet.sequence.to_le_bytes());
    slot[3..7].copy_from_slice(&packet.timestamp.to_le_bytes());
    slot[PACKET_HEAD_BYTES..len].copy_from_slice(packet.payload);
    batch.commit(input.0, len);
}

/// Adds a picture of an input, or for [`BACKGROUND`].
pub(super) fn push_picture(batch: &mut PacketBatch, input: u32, of: PictureUse, view: &PictureView<'_>) {
    let len = PICTURE_HEAD_BYTES + i420_bytes(view.width, view.height);
    let slot = batch.slot(len);
    slot[0] = match of {
        PictureUse::Frame => FRAME,
        PictureUse::StandIn => STAND_IN,
    };
    write_picture(&mut slot[1..len], view);
    batch.commit(input, len);
}

/// Adds when an input's sound is heard.
pub(super) fn push_sync(batch: &mut PacketBatch, input: InputId, sync: Option<SyncPoint>, now: Instant) {
    let slot = batch.slot(SYNC_BYTES);
    slot[..SYNC_BYTES].fill(0);
    slot[0] = if sync.is_some() { SYNC } else { NO_SYNC };
    if let Some(SyncPoint { captured, presented }) = sync {
        slot[1..9].copy_from_slice(&captured.0.to_le_bytes());
        slot[9..SYNC_BYTES].copy_from_slice(&us_ahead(presented, now).to_le_bytes());
    }
    batch.commit(input.0, SYNC_BYTES);
}

/// What a record for the child holds.
pub(super) enum Incoming<'a> {
    Packet(VideoPacket<'a>),
    Picture(PictureUse, PictureView<'a>),
    Sync(Option<SyncPoint>),
}

/// Reads a record for the child that came at `now`; `None` when it is none.
pub(super) fn incoming(record: &[u8], now: Instant) -> Option<Incoming<'_>> {
    let (what, rest) = record.split_first()?;
    match *what {
        PACKET | LAST_PACKET => {
            let (sequence, rest) = rest.split_first_chunk()?;
            let (timestamp, payload) = rest.split_first_chunk()?;
            let (sequence, timestamp) = (u16::from_le_bytes(*sequence), u32::from_le_bytes(*timestamp));
            Some(Incoming::Packet(VideoPacket { sequence, timestamp, marker: *what == LAST_PACKET, payload }))
        }
        FRAME => Some(Incoming::Picture(PictureUse::Frame, read_picture(rest)?)),
        STAND_IN => Some(Incoming::Picture(PictureUse::StandIn, read_picture(rest)?)),
        SYNC => {
            let (captured, rest) = rest.split_first_chunk()?;
            let (captured, ahead) = (NtpTime(u64::from_le_bytes(*captured)), i64::from_le_bytes(*rest.first_chunk()?));
            Some(Incoming::Sync(Some(SyncPoint { captured, presented: moment_ahead(ahead, now)? })))
        }
        NO_SYNC => Some(Incoming::Sync(None)),
        _ => None,
    }
}

/// Writes width, height and samples of a picture into `place`, which has just room for it.
fn write_picture(place: &mut [u8], view: &PictureView<'_>) {
    place[..4].copy_from_slice(&view.width.to_le_bytes());
    place[4..8].copy_from_slice(&view.height.to_le_bytes());
    let mut rest = &mut place[8..];
    for row in (0..3).flat_map(|plane| view.rows(plane)) {
        let (row_place, after) = rest.split_at_mut(row.len().min(rest.len()));
        row_place.copy_from_slice(&row[..row_place.len()]);
        rest = after;
    }
}

fn read_picture(bytes: &[u8]) -> Option<PictureView<'_>> {
    let (width, rest) = bytes.split_first_chunk()?;
    let (height, samples) = rest.split_first_chunk()?;
    i420(PictureSize { width: u32::from_le_bytes(*width), height: u32::from_le_bytes(*height) }, samples)
}

/// Number of a record that holds the packets of a frame.
const ENCODED: u32 = 0;

/// Bytes of a frame's record before its outputs: timestamp, time to encode in µs, counts of outputs and of packets.
const FRAME_HEAD_BYTES: usize = 16;

/// Adds an encoded frame of the core for `outputs`.
pub(super) fn push_frame(
    records: &mut Records,
    outputs: &[u32],
    packets: Packets<'_>,
    timestamp: u32,
    encode_time: Duration,
) {
    let (count, bytes) = packets.iter().fold((0, 0), |(count, bytes), (payload, _)| (count + 1, bytes + payload.len()));
    let lens_at = FRAME_HEAD_BYTES + 4 * outputs.len();
    let payload_at = lens_at + 4 * count;
    let (batch, len) = (records.batch(), payload_at + bytes);
    let slot = batch.slot(len);
    write_head(slot, outputs, count, timestamp, encode_time);
    let (lens, payloads) = slot[lens_at..len].split_at_mut(4 * count);
    let mut rest = payloads;
    for (place, (payload, _)) in lens.as_chunks_mut::<4>().0.iter_mut().zip(packets.iter()) {
        *place = (payload.len() as u32).to_le_bytes();
        let (payload_place, after) = rest.split_at_mut(payload.len());
        payload_place.copy_from_slice(payload);
        rest = after;
    }
    batch.commit(ENCODED, len);
}

/// Adds a picture of the core for `outputs`, alone in its batch.
pub(super) fn push_raw(records: &mut Records, outputs: &[u32], view: &PictureView<'_>, timestamp: u32) {
    let mut batch = PacketBatch::default();
    let picture_at = FRAME_HEAD_BYTES + 4 * outputs.len();
    let len = picture_at + 8 + i420_bytes(view.width, view.height);
    let slot = batch.slot(len);
    write_head(slot, outputs, 0, timestamp, Duration::ZERO);
    write_picture(&mut slot[picture_at..len], view);
    batch.commit(LARGE, len);
    records.push_alone(batch);
}

fn write_head(slot: &mut [u8], outputs: &[u32], packets: usize, timestamp: u32, encode_time: Duration) {
    let numbers = [timestamp, encode_time.as_micros() as u32, outputs.len() as u32, packets as u32];
    for (place, number) in slot.as_chunks_mut::<4>().0.iter_mut().zip(numbers.iter().chain(outputs)) {
        *place = number.to_le_bytes();
    }
}

/// A frame that the child's core made.
pub(super) struct MadeFrame<'a> {
    outputs: &'a [[u8; 4]],
    pub(super) holds: MadeOf<'a>,
    pub(super) timestamp: u32,
    pub(super) encode_time: Duration,
}

/// What a frame holds.
pub(super) enum MadeOf<'a> {
    Packets(Payloads<'a>),
    Picture(PictureView<'a>),
}

/// The payloads of a frame's packets.
#[derive(Clone, Copy)]
pub(super) struct Payloads<'a> {
    lens: &'a [[u8; 4]],
    bytes: &'a [u8],
}

impl MadeFrame<'_> {
    pub(super) fn outputs(&self) -> impl Iterator<Item = OutputId> {
        self.outputs.iter().map(|id| OutputId(u32::from_le_bytes(*id)))
    }
}

impl<'a> Payloads<'a> {
    pub(super) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.bytes;
        self.lens.iter().map_while(move |len| {
            let (payload, after) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            rest = after;
            Some(payload)
        })
    }
}

/// Reads a record of a frame; `None` when it is none.
pub(super) fn made_frame(number: u32, record: &[u8]) -> Option<MadeFrame<'_>> {
    let (head, rest) = record.split_at_checked(FRAME_HEAD_BYTES)?;
    let [timestamp, encode_us, outputs, packets] = *head.as_chunks::<4>().0 else { return None };
    let [timestamp, encode_us, outputs, packets] = [timestamp, encode_us, outputs, packets].map(u32::from_le_bytes);
    let numbers = |bytes, count: u32| <[u8]>::split_at_checked(bytes, (count as usize).checked_mul(4)?);
    let (outputs, rest) = numbers(rest, outputs)?;
    let holds = match number {
        ENCODED => {
            let (lens, bytes) = numbers(rest, packets)?;
            let payloads = Payloads { lens: lens.as_chunks().0, bytes };
            let is_whole = payloads.iter().map(<[u8]>::len).sum::<usize>() == bytes.len();
            MadeOf::Packets(Some(payloads).filter(|payloads| is_whole && payloads.iter().count() == packets as usize)?)
        }
        LARGE => MadeOf::Picture(read_picture(rest)?),
        _ => return None,
    };
    let encode_time = Duration::from_micros(encode_us.into());
    Some(MadeFrame { outputs: outputs.as_chunks().0, holds, timestamp, encode_time })
}

#[cfg(test)]
mod tests {
    use millrace_mixer::video::{Colour, Picture};

    use super::*;

    fn frames(records: &mut Records) -> Vec<(u32, Vec<u8>)> {
        let batches = records.take();
        let records = batches.iter().flat_map(PacketBatch::packets);
        records.map(|(number, record)| (number, record.to_vec())).collect()
    }

    #[test]
    fn frames_read_as_they_were_written() {
        let mut records = Records::default();
        let (bytes, time) = (*b"firstsecond", Duration::from_micros(77));
        push_frame(&mut records, &[3, 70_000], Packets::new(&bytes, &[0..5, 5..11]), 9, time);
        let picture = Picture::filled(PictureSize { width: 5, height: 3 }, Colour::rgb(200, 30, 60));
        push_raw(&mut records, &[4], &picture.view().unwrap(), u32::MAX);
        let written = frames(&mut records);
        // Pictures leave apart from what is encoded.
        let frame = |of: u32| written.iter().find(|(number, _)| *number == of).unwrap();
        let (_, record) = frame(ENCODED);
        let read = made_frame(ENCODED, record).unwrap();
        let outputs: Vec<_> = read.outputs().collect();
        assert_eq!((outputs, read.timestamp, read.encode_time), (vec![OutputId(3), OutputId(70_000)], 9, time));
        let MadeOf::Packets(payloads) = read.holds else { panic!("it is encoded") };
        assert_eq!(payloads.iter().collect::<Vec<_>>(), [&b"first"[..], b"second"]);
        let read = made_frame(LARGE, &frame(LARGE).1).unwrap();
        let MadeOf::Picture(view) = read.holds else { panic!("it is a picture") };
        assert_eq!((Picture::of(&view), read.timestamp), (picture, u32::MAX));
        assert!((0..record.len()).all(|len| made_frame(ENCODED, &record[..len]).is_none()));
        assert!(made_frame(2, record).is_none());
    }

    #[test]
    fn packets_pictures_and_times_read_as_they_were_written() {
        let (mut batch, now) = (PacketBatch::default(), Instant::now());
        let packet = VideoPacket { sequence: 65_535, timestamp: 1 << 31, marker: true, payload: b"x" };
        push_packet(&mut batch, InputId(5), packet);
        let picture = Picture::filled(PictureSize { width: 3, height: 5 }, Colour::WHITE);
        push_picture(&mut batch, BACKGROUND, PictureUse::StandIn, &picture.view().unwrap());
        let syncs = [now + Duration::from_millis(40), now.checked_sub(Duration::from_millis(3)).unwrap()];
        let syncs = syncs.map(|presented| Some(SyncPoint { captured: NtpTime(7 << 32), presented }));
        syncs.iter().chain(&[None]).for_each(|sync| push_sync(&mut batch, InputId(6), *sync, now));
        let records: Vec<_> = batch.packets().collect();
        let Some(Incoming::Packet(read)) = incoming(records[0].1, now) else { panic!("it is a packet") };
        let read = (records[0].0, read.sequence, read.timestamp, read.marker, read.payload);
        assert_eq!(read, (5, 65_535, 1 << 31, true, &b"x"[..]));
        let Some(Incoming::Picture(PictureUse::StandIn, view)) = incoming(records[1].1, now) else {
            panic!("it is a picture");
        };
        assert_eq!((records[1].0, Picture::of(&view)), (BACKGROUND, picture));
        for (record, sync) in records[2..].iter().zip(syncs.iter().chain(&[None])) {
            assert!(matches!(incoming(record.1, now), Some(Incoming::Sync(read)) if read == *sync), "{sync:?}");
        }
        for (_, record) in &records[..4] {
            let least = if record[0] == LAST_PACKET { PACKET_HEAD_BYTES } else { record.len() };
            assert!((0..least).all(|len| incoming(&record[..len], now).is_none()));
        }
    }
}
