/** Bits a second of each layer of a camera, from small to large: those at which VP8 shows a face well. */
const BITRATES = [150_000, 500_000, 1_500_000];

/** Width of the lowest layer, about. Each above has twice that of the one below. */
const WIDTH_LOWEST = 320;

/** By how much a layer may be narrower than the place where it is shown, or than it should be: nobody sees that. */
const STRETCH_MAX = 1.25;

/** A layer that a camera is sent as. */
export type Layer = {
  readonly scaleResolutionDownBy: number;
  readonly maxBitrate: number;
  readonly scalabilityMode: string;
};

/** As what a camera of this width is sent, from small to large, so that each viewer gets what fits line and window. */
export function layersOf(width: number): Layer[] {
  const count = 1 + layerFor(width, BITRATES.length);
  return BITRATES.slice(0, count).map((maxBitrate, layer) => ({
    scaleResolutionDownBy: 2 ** (count - 1 - layer),
    maxBitrate,
    scalabilityMode: 'L1T3',
  }));
}

/** The lowest of so many layers that fills this many pixels. */
export function layerFor(pixels: number, layers: number): number {
  let layer = 0;
  while (layer < layers - 1 && pixels > WIDTH_LOWEST * 2 ** layer * STRETCH_MAX) {
    layer += 1;
  }
  return layer;
}
