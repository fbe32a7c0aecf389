/** Names of rooms: they are part of URLs, so they need no escaping there. */
export const ROOM_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Ids that clients choose for themselves. */
export const PEER_ID = /^[A-Za-z0-9_-]{1,64}$/;
