import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Call } from '../call/call';
import { sampleTraffic, type Traffic, type TrafficSample, trafficBetween } from '../call/traffic';

/** A line of plain numbers about the connection, once a second. */
export function TrafficLine({ call }: { call: Call }): JSX.Element {
  const traffic = useTraffic(call);
  return (
    <output class="traffic" aria-label="Connection in numbers" aria-live="off">
      {traffic ? <Numbers traffic={traffic} /> : <span>measuring…</span>}
    </output>
  );
}

function Numbers({ traffic }: { traffic: Traffic }): JSX.Element {
  const { upKbps, downKbps, lossUpPercent, lossDownPercent, roundTripMs } = traffic;
  return (
    <>
      <span>
        up <b>{upKbps.toFixed(0)}</b> kbit/s
      </span>
      <span>
        down <b>{downKbps.toFixed(0)}</b> kbit/s
      </span>
      <span>
        loss <b>{lossUpPercent.toFixed(1)}</b> % up, <b>{lossDownPercent.toFixed(1)}</b> % down
      </span>
      <span>
        round trip <b>{roundTripMs === undefined ? '–' : roundTripMs.toFixed(roundTripMs < 10 ? 1 : 0)}</b> ms
      </span>
    </>
  );
}

function useTraffic(call: Call): Traffic | undefined {
  const [traffic, setTraffic] = useState<Traffic>();
  useEffect(() => {
    let before: TrafficSample | undefined;
    const measure = async () => {
      const stats = await call.session?.stats();
      if (!stats) {
        before = undefined;
        setTraffic(undefined);
        return;
      }
      const after = sampleTraffic(performance.now(), stats.sent, stats.received);
      if (before) {
        setTraffic(trafficBetween(before, after));
      }
      before = after;
    };
    void measure();
    const timer = setInterval(measure, 1000);
    return () => clearInterval(timer);
  }, [call]);
  return traffic;
}
