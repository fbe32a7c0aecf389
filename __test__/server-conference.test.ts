import test from 'ava';
import { Room } from '../ts/server/conference/room.js';

const PROFILE = { displayName: 'Ada', device: {} };

test('those who are in are told of a new participant, who is told of them', (t) => {
  const room = roomOf('ada');
  room.enter('grace');
  const { peers, effects } = room.join('grace', { displayName: 'Grace', device: {} });
  t.deepEqual(peers, [{ id: 'ada', ...PROFILE }]);
  t.deepEqual(effects, [
    { type: 'notify', to: 'ada', method: 'newPeer', data: { id: 'grace', displayName: 'Grace', device: {} } },
  ]);
});

test('who joins gets everything that is published', (t) => {
  const room = roomOf('ada');
  room.publish('ada', 'voice');
  room.publish('ada', 'face');
  room.unpublish('ada', 'voice');
  room.enter('grace');
  t.deepEqual(room.join('grace', PROFILE).effects.slice(1), [
    { type: 'consume', viewer: 'grace', owner: 'ada', producerId: 'face' },
  ]);
});

test('what is published goes to all others who have joined', (t) => {
  const room = roomOf('ada', 'grace', 'alan');
  room.enter('unseen');
  t.deepEqual(room.publish('ada', 'face'), [
    { type: 'consume', viewer: 'grace', owner: 'ada', producerId: 'face' },
    { type: 'consume', viewer: 'alan', owner: 'ada', producerId: 'face' },
  ]);
});

test('the others are told who left, but not of those who never joined', (t) => {
  const room = roomOf('ada', 'grace');
  room.enter('unseen');
  t.deepEqual(room.leave('unseen'), []);
  t.deepEqual(room.leave('ada'), [{ type: 'notify', to: 'grace', method: 'peerClosed', data: { peerId: 'ada' } }]);
  t.deepEqual(room.leave('ada'), []);
  t.is(room.size, 1);
});

test('the others are told of a new name', (t) => {
  const room = roomOf('ada', 'grace');
  t.deepEqual(room.rename('ada', 'Countess'), [
    {
      type: 'notify',
      to: 'grace',
      method: 'peerDisplayNameChanged',
      data: { peerId: 'ada', displayName: 'Countess', oldDisplayName: 'Ada' },
    },
  ]);
});

test('nobody joins twice, and nobody publishes before joining or after leaving', (t) => {
  const room = roomOf('ada');
  room.enter('unseen');
  t.throws(() => room.join('ada', PROFILE), { code: 'ERR_INVALID_STATE' });
  t.throws(() => room.publish('unseen', 'face'), { code: 'ERR_INVALID_STATE' });
  room.leave('ada');
  t.throws(() => room.publish('ada', 'face'), { code: 'ERR_INVALID_STATE' });
});

function roomOf(...peerIds: string[]): Room {
  const room = new Room();
  for (const peerId of peerIds) {
    room.enter(peerId);
    room.join(peerId, PROFILE);
  }
  return room;
}
