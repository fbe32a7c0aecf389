/** What the facade's classes need of the addon; tests put a fake in its place. */
export type NativeAddon = Pick<
  typeof import('#native'),
  'NativeWorker' | 'canConsume' | 'generateRouterRtpCapabilities' | 'writeImage'
>;
