import { EventEmitter } from 'node:events';
import test from 'ava';
import { LIMITS } from '../ts/server/limits.js';
import { completeConfig } from '../ts/server/options/check.js';
import { Rooms } from '../ts/server/signalling/rooms.js';

test('who waited for a room together with a client that is gone gets a room that is open', async (t) => {
  const made: FakeRouter[] = [];
  const rooms = roomsOn(made);
  await Promise.all([
    rooms.enter(connection({ closed: true }) as never, 'room', 'gone'),
    rooms.enter(connection({ closed: false }) as never, 'room', 'ada'),
  ]);
  t.deepEqual(
    made.map(({ closed }) => closed),
    [true, false],
  );
  t.deepEqual(rooms.counts, { rooms: 1, participants: 1 });
});

test('who comes to a room while the server closes is sent away', async (t) => {
  const rooms = roomsOn([]);
  const late = connection({ closed: false });
  const entering = rooms.enter(late as never, 'room', 'ada');
  await rooms.close('bye');
  await entering;
  t.deepEqual(late.closedWith, [1001, 'the server is shutting down']);
  t.is(rooms.counts.participants, 0);
});

test('who cannot get a room is told, and the next one may try again', async (t) => {
  const made: FakeRouter[] = [];
  let failures = 1;
  const rooms = roomsOn(made, () => {
    failures -= 1;
    if (failures >= 0) {
      throw new Error('no media worker is running');
    }
  });
  const first = connection({ closed: false });
  await rooms.enter(first as never, 'room', 'ada');
  t.deepEqual(first.closedWith, [4000, 'the room cannot be made']);
  await rooms.enter(connection({ closed: false }) as never, 'room', 'ada');
  t.is(rooms.counts.participants, 1);
});

class FakeRouter extends EventEmitter {
  closed = false;
  close(): void {
    this.closed = true;
  }
}

function roomsOn(made: FakeRouter[], check: () => void = () => {}): Rooms {
  const workers = {
    createRoom: async () => {
      check();
      const router = new FakeRouter();
      made.push(router);
      return { router, webRtcServer: {} };
    },
  };
  return new Rooms(workers as never, completeConfig({}), LIMITS);
}

function connection({ closed }: { closed: boolean }) {
  const fake = {
    closed,
    closedWith: [] as unknown[],
    serve: () => {},
    close: (code: number, reason: string) => {
      fake.closedWith = [code, reason];
    },
    drained: async () => {},
  };
  return fake;
}
