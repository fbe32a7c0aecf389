// The conference server inside a program of your own: page, signalling and media in this process.

import { createServer } from 'millrace/server';

const server = await createServer({ port: 0, mediaPort: 0, peersPerRoomMax: 10, logLevel: 'warn' });
console.log('open', server.urls.meet('morning-coffee')[0]);

const health = await fetch(server.urls.health[0]);
console.log('health', health.status, await health.text());
await server.close('the example is over');
