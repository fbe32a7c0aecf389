/** Where a page is: what its address says. */
export type Place = {
  /** Name of the room. */
  readonly room: string;
  /** URL of the signalling for this room and this page. */
  readonly signallingUrl: string;
  /** Whether media must not use UDP: `?forceTcp=true`. */
  readonly forceTcp: boolean;
};

/** Reads the address of a page: `/meet/<room>?forceTcp=true`. */
export function placeOf(url: URL, peerId: string): Place {
  const room = decodeURIComponent(url.pathname.split('/').filter(Boolean).at(-1) ?? '');
  const signalling = new URL('/protoo', url);
  signalling.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  signalling.search = new URLSearchParams({ roomId: room, peerId }).toString();
  return { room, signallingUrl: signalling.href, forceTcp: url.searchParams.get('forceTcp') === 'true' };
}

/** An id that nobody else has: 64 random bits. It works on insecure pages, too. */
export function randomPeerId(): string {
  return [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
