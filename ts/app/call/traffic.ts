/** Counters of one moment. */
export type TrafficSample = {
  /** Time of the sample in ms. */
  readonly at: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly packetsReceived: number;
  readonly packetsLost: number;
  /** Share of what we sent that did not arrive, 0 to 1, as the receivers report. */
  readonly lossUp: number;
  /** Round trip in ms; undefined before the first measurement. */
  readonly roundTripMs: number | undefined;
};

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
  const incoming = ofType<RTCInboundRtpStreamStats>(received, 'inbound-rtp');
  const outgoing = ofType<RTCOutboundRtpStreamStats>(sent, 'outbound-rtp');
  const reports = ofType<{ fractionLost?: number }>(sent, 'remote-inbound-rtp');
  const pairs = [sent, received].flatMap((report) => ofType<RTCIceCandidatePairStats>(report, 'candidate-pair'));
  const used = pairs.filter(({ nominated, currentRoundTripTime }) => nominated && currentRoundTripTime !== undefined);
  return {
    at,
    bytesSent: sum(outgoing.map(({ bytesSent = 0 }) => bytesSent)),
    bytesReceived: sum(incoming.map(({ bytesReceived = 0 }) => bytesReceived)),
    packetsReceived: sum(incoming.map(({ packetsReceived = 0 }) => packetsReceived)),
    packetsLost: sum(incoming.map(({ packetsLost = 0 }) => packetsLost)),
    lossUp: Math.max(0, ...reports.map(({ fractionLost = 0 }) => fractionLost)),
    roundTripMs: used.length ? Math.max(...used.map((pair) => (pair.currentRoundTripTime ?? 0) * 1000)) : undefined,
  };
}

/** What happened between two samples. */
export function trafficBetween(before: TrafficSample, after: TrafficSample): Traffic {
  const ms = Math.max(1, after.at - before.at);
  // Counters shrink when someone leaves and takes their streams along.
  const grown = (key: 'bytesSent' | 'bytesReceived' | 'packetsReceived' | 'packetsLost') =>
    Math.max(0, after[key] - before[key]);
  const lost = grown('packetsLost');
  const expected = lost + grown('packetsReceived');
  return {
    upKbps: (grown('bytesSent') * 8) / ms,
    downKbps: (grown('bytesReceived') * 8) / ms,
    lossUpPercent: after.lossUp * 100,
    lossDownPercent: expected === 0 ? 0 : (lost / expected) * 100,
    roundTripMs: after.roundTripMs,
  };
}

function ofType<T>(report: RTCStatsReport, type: string): T[] {
  return [...report.values()].filter((stats) => stats.type === type);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
