/** Counters of one moment. */
export type TrafficSample = {
  /** Time of the sample in ms. */
  readonly at: number;
  /** Counters of each stream by the id of its report. */
  readonly sent: ReadonlyMap<string, StreamCounters>;
  readonly received: ReadonlyMap<string, StreamCounters>;
  /** Share of what we sent that did not arrive, 0 to 1, as the receivers report. */
  readonly lossUp: number;
  /** Round trip in ms; undefined before the first measurement. */
  readonly roundTripMs: number | undefined;
};

/** What is counted of one stream. */
export type StreamCounters = { readonly bytes: number; readonly packets: number; readonly lost: number };

/** What a person wants to know of a connection. */
export type Traffic = {
  /** Sent, in kbit/s. */
  readonly upKbps: number;
  /** Received, in kbit/s. */
  readonly downKbps: number;
  /** Lost of what we sent, in per cent. */
  readonly lossUpPercent: number;
  /** Lost of what was sent to us, in per cent. */
  readonly lossDownPercent: number;
  /** Round trip in ms; undefined before the first measurement. */
  readonly roundTripMs: number | undefined;
};

/** Reads the counters from the reports of both transports. */
export function sampleTraffic(at: number, sent: RTCStatsReport, received: RTCStatsReport): TrafficSample {
  const outgoing = ofType<RTCOutboundRtpStreamStats>(sent, 'outbound-rtp');
  const incoming = ofType<RTCInboundRtpStreamStats>(received, 'inbound-rtp');
  const reports = ofType<{ fractionLost?: number }>(sent, 'remote-inbound-rtp');
  const pairs = [sent, received].flatMap((report) => ofType<RTCIceCandidatePairStats>(report, 'candidate-pair'));
  const used = pairs.filter(({ nominated, currentRoundTripTime }) => nominated && currentRoundTripTime !== undefined);
  return {
    at,
    sent: new Map(outgoing.map(({ id, bytesSent = 0 }) => [id, { bytes: bytesSent, packets: 0, lost: 0 }])),
    received: new Map(
      incoming.map(({ id, bytesReceived = 0, packetsReceived = 0, packetsLost = 0 }) => [
        id,
        { bytes: bytesReceived, packets: packetsReceived, lost: packetsLost },
      ]),
    ),
    lossUp: Math.max(0, ...reports.map(({ fractionLost = 0 }) => fractionLost)),
    roundTripMs: used.length ? Math.max(...used.map((pair) => (pair.currentRoundTripTime ?? 0) * 1000)) : undefined,
  };
}

/** What happened between two samples. */
export function trafficBetween(before: TrafficSample, after: TrafficSample): Traffic {
  const ms = Math.max(1, after.at - before.at);
  const up = grown(before.sent, after.sent);
  const down = grown(before.received, after.received);
  const expected = down.lost + down.packets;
  return {
    upKbps: (up.bytes * 8) / ms,
    downKbps: (down.bytes * 8) / ms,
    lossUpPercent: after.lossUp * 100,
    lossDownPercent: expected === 0 ? 0 : (down.lost / expected) * 100,
    roundTripMs: after.roundTripMs,
  };
}

/** The growth of all streams that still exist; who leaves takes their streams along. */
function grown(
  before: ReadonlyMap<string, StreamCounters>,
  after: ReadonlyMap<string, StreamCounters>,
): StreamCounters {
  const growth = (key: keyof StreamCounters): number =>
    [...after].reduce((sum, [id, counters]) => sum + Math.max(0, counters[key] - (before.get(id)?.[key] ?? 0)), 0);
  return { bytes: growth('bytes'), packets: growth('packets'), lost: growth('lost') };
}

function ofType<T>(report: RTCStatsReport, type: string): T[] {
  return [...report.values()].filter((stats) => stats.type === type);
}
