// What is measured, and the bars: what each figure has to reach.
//
// A bar that is a rate or a time holds for a machine whose null server sends REFERENCE_RATE packets for a second of CPU time,
// and scales with the null server of the same run. Ratios do not scale.

/** Packets for a second of CPU time that the null server sends on the machine that the bars were set on. */
export const REFERENCE_RATE = 306_000;

const WITH_VIEWERS = [1, 10, 100, 500];

/** Fan-outs: what one publisher sends to how many viewers, and the null server to compare with. */
export const fanouts = [
  ...WITH_VIEWERS.map((viewers) => ({ name: `single packets to ${viewers}`, media: 'single', viewers, rival: 'null' })),
  ...WITH_VIEWERS.map((viewers) => ({
    name: `frames of six to ${viewers}`,
    media: 'frames',
    viewers,
    rival: 'null-gso',
  })),
  ...WITH_VIEWERS.map((viewers) => ({
    name: `Chromium frames to ${viewers}`,
    media: 'recorded',
    viewers,
    rival: 'null-gso',
  })),
  { name: 'audio to 300', media: 'audio', viewers: 300, rival: 'null' },
];

/** The fan-out whose null server tells how fast this machine is. */
export const REFERENCE_FANOUT = 'single packets to 100';

/** Least share of the null server that a fan-out has to reach. */
export const SHARE_BARS = {
  'single packets to 100': 0.8,
  'frames of six to 100': 0.75,
  'Chromium frames to 100': 0.6,
  'audio to 300': 0.8,
};

/** Every other bar, by the figure's name: at least or at most so much, and whether it scales with the machine. */
export const BARS = {
  'user time a packet, single packets to 100': { most: 0.6, scales: true },
  'added delay p50 at half load': { most: 0.5, scales: true },
  'added delay p99 at half load': { most: 5, scales: true },
  joins: { least: 800, scales: true },
  'allocations a forwarded packet': { most: 0 },
  'unconnected transport': { most: 20 },
  'connected transport': { most: 40 },
  'consumer, native': { most: 4 },
  'consumer, JavaScript': { most: 8 },
  '1,000 paused consumers': { most: 0.1 },
  'createWebRtcTransport from JavaScript': { most: 0.1, scales: true },
  'consume from JavaScript': { most: 0.1, scales: true },
  'RTP to JavaScript and back': { least: 150_000, scales: true },
  'RTP to JavaScript and back: packets of a call beside it lost': { most: 0 },
  'RTP to JavaScript and back: delay p99 of the call against the idle run': { most: 2 },
  'ring: packets': { least: 100_000, scales: true },
  'ring: time a packet and target worker': { most: 0.1, scales: true },
  'ring: packets lost': { most: 0 },
  'ring: wake-up p99': { most: 0.5, scales: true },
  'simulcast: CPU time a delivered packet against one stream': { most: 1.3 },
  'simulcast: packets lost': { most: 0 },
  'mix: cost against the bare calls': { most: 1.15 },
  'mix: talkers a core against the bare calls': { least: 0.87 },
  'mix: CPU time of a listener against forwarding': { most: 1.3 },
  'mix: added delay p50': { most: 30 },
  'mix: added delay p99': { most: 45 },
  'video mix, four in a grid: cost against the bare calls': { most: 1.15 },
  'video mix, four in a grid: rooms a core against the bare calls': { least: 0.8 },
  'video mix, four in a grid: allocations a frame': { most: 0 },
  'video mix, four in a grid: memory against the bare calls': { most: 1.2 },
  'video mix, four in a grid: added delay p50': { most: 40 },
  'video mix, a lecture of six: cost against the bare calls': { most: 1.15 },
  'video mix, a lecture of six: allocations a frame': { most: 0 },
  'video mix, a lecture of six: memory against the bare calls': { most: 1.2 },
  'video mix, a lecture of six: added delay p50': { most: 40 },
  'flood: packets of the call lost': { most: 0 },
  'flood: delay p99 against the idle run': { most: 2 },
  'flood: memory growth': { most: 1 },
  'flood: bytes out for a byte in': { most: 1 },
};

/** How long and how often everything runs. */
export const EFFORT = {
  full: {
    rounds: 6,
    warmupSeconds: 2,
    seconds: 6,
    joins: 2_000,
    objects: 1_000,
    pausedSeconds: 60,
    floodSeconds: 10,
    directSeconds: 5,
    ringSeconds: 1,
    pictureFrames: 300,
  },
  quick: {
    rounds: 1,
    warmupSeconds: 0.3,
    seconds: 1.2,
    joins: 300,
    objects: 1_000,
    pausedSeconds: 10,
    floodSeconds: 3,
    directSeconds: 2,
    ringSeconds: 0.3,
    pictureFrames: 90,
  },
};

/** Peers that join at once. */
export const JOIN_CONCURRENCY = 16;

/** Packets a second that one worker passes to others of its process, and how many others. */
export const RING = { packetsPerSecond: 105_000, targets: 2 };

/**
 * A camera with so many streams, whose viewers change their layer so often, beside the same camera with one stream. All layers
 * send the same frames: what smaller frames cost, the fan-outs tell.
 */
export const SIMULCAST = { media: 'frames', viewers: 100, layers: 3, changesPerSecond: 20, framesPerSecond: 30 };

/** Data channels: small messages to many, and as much as goes through to one. */
export const DATA = {
  small: { viewers: 100, messageBytes: 200, pace: { rate: 30 } },
  bulk: { viewers: 1, messageBytes: 16_384, pace: { window: 1_000_000 } },
};

/** Who relays data: ours, and whom it is compared with. */
export const DATA_RELAYS = {
  ours: { target: 'millrace' },
  str0m: { target: 'str0m' },
  aiortc: { target: { program: ['/usr/bin/python3', 'benches/aiortc-relay.py'] } },
};

/** Talkers of the room that is mixed, and the share of its packets that each must hear for the figures to mean something. */
export const MIX_TALKERS = 20;
export const MIX_HEARD_MIN = 0.95;

/** Who hears a mix that all share, and packets a second, as many as a mixer makes. */
export const MIX_LISTENERS = { viewers: 300, rate: 50 };

/** Talkers at as many phases, of whom one clicks. */
export const MIX_DELAY_TALKERS = 5;

/**
 * Rooms whose pictures are mixed, each by what the load generator calls it: of 640 x 360 one of 1280 x 720, in VP8 both. In the
 * grid nothing is scaled, in the lecture everything is.
 */
export const PICTURES = { 'four in a grid': 'grid', 'a lecture of six': 'lecture' };

/** Rooms whose memory is measured, beyond the first. */
export const PICTURES_ROOMS = 4;

/** Forged datagrams a second in the flood. */
export const FLOOD_RATE = 100_000;
