// What the process of a mixer with `isolation: 'process'` runs; see `createAudioMixer` and `createVideoMixer` of `worker.ts`.

import { addon } from './addon.js';

addon.serveMixer();
