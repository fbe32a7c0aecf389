/** Where a picture or a sound comes from. */
export type Source = 'microphone' | 'camera' | 'screen';

/** Something that another participant sends us. */
export type RemoteMedia = {
  readonly consumerId: string;
  readonly source: Source;
  readonly track: MediaStreamTrack;
  /** The receiver, which knows how loud it is. */
  readonly receiver: RTCRtpReceiver | undefined;
  /** Whether its sender has paused it. */
  readonly paused: boolean;
};

/** What all others send us as one sound or one picture, where we asked for it. */
export type Combined = Pick<RemoteMedia, 'consumerId' | 'track'>;

/** Another participant. */
export type Peer = { readonly id: string; readonly name: string; readonly media: readonly RemoteMedia[] };

/** Something that we send. */
export type LocalMedia = { readonly source: Source; readonly track: MediaStreamTrack; readonly paused: boolean };

/** Everything that the page shows of a call. */
export type CallState = {
  readonly phase: 'connecting' | 'joined' | 'reconnecting' | 'ended';
  /** Why the call ended or is interrupted, in plain words. */
  readonly reason: string;
  readonly peers: readonly Peer[];
  readonly local: readonly LocalMedia[];
  /** What is heard instead of each of the others. */
  readonly combinedSound: Combined | undefined;
  /** What is seen instead of each of the others. */
  readonly combinedPicture: Combined | undefined;
  /** The latest thing worth saying aloud. */
  readonly announcement: string;
  /** What has just gone wrong without ending the call, in plain words; empty most of the time. */
  readonly trouble: string;
};

/** What we receive while there is no connection. */
export const NOTHING_RECEIVED = { peers: [], combinedSound: undefined, combinedPicture: undefined } as const;

/** The state before anything happened. */
export const NO_CALL: CallState = {
  phase: 'connecting',
  reason: '',
  ...NOTHING_RECEIVED,
  local: [],
  announcement: '',
  trouble: '',
};

/** The state after something happened to one peer. */
export function withPeer(state: CallState, id: string, change: (peer: Peer) => Peer): CallState {
  return { ...state, peers: state.peers.map((peer) => (peer.id === id ? change(peer) : peer)) };
}

/** The state after something happened to one medium of any peer; `undefined` removes it. */
export function withMedia(
  state: CallState,
  consumerId: string,
  change: (media: RemoteMedia) => RemoteMedia | undefined,
): CallState {
  const changed = (media: RemoteMedia): RemoteMedia[] => {
    const next = media.consumerId === consumerId ? change(media) : media;
    return next ? [next] : [];
  };
  return { ...state, peers: state.peers.map((peer) => ({ ...peer, media: peer.media.flatMap(changed) })) };
}

/** The state after something that we received has ended. */
export function withoutMedia(state: CallState, consumerId: string): CallState {
  const without = (combined: Combined | undefined) => (combined?.consumerId === consumerId ? undefined : combined);
  const [combinedSound, combinedPicture] = [without(state.combinedSound), without(state.combinedPicture)];
  return withMedia({ ...state, combinedSound, combinedPicture }, consumerId, () => undefined);
}

/** What we send from this source, if anything. */
export function localMedia(state: CallState, source: Source): LocalMedia | undefined {
  return state.local.find((media) => media.source === source);
}
