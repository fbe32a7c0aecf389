/** What this package uses of sdp-transform 3, which brings no types of its own. Numbers appear where digits stood. */
declare module 'sdp-transform' {
  type Word = string | number;

  /** Attributes that stand in the session part and in m-lines alike. */
  type Attributes = {
    invalid?: { value: string }[];
    connection?: { version: number; ip: Word };
    direction?: string;
    setup?: string;
    iceUfrag?: Word;
    icePwd?: Word;
    icelite?: string;
    iceOptions?: Word;
    fingerprint?: { type: Word; hash: Word };
    extmapAllowMixed?: string;
    ext?: { value: number; direction?: string; uri: Word; config?: Word; 'encrypt-uri'?: string }[];
  };

  type Media = Attributes & {
    type?: Word;
    port?: number;
    protocol?: Word;
    payloads?: Word;
    mid?: Word;
    rtp: { payload: Word; codec: Word; rate?: Word; encoding?: Word }[];
    fmtp: { payload: Word; config: Word }[];
    rtcpFb?: { payload: Word; type: Word; subtype?: Word }[];
    rtcpMux?: string;
    rtcpRsize?: string;
    bundleOnly?: string;
    candidates?: {
      foundation: Word;
      component: Word;
      transport: Word;
      priority: Word;
      ip: Word;
      port: Word;
      type: Word;
      tcptype?: Word;
    }[];
    endOfCandidates?: string;
    ssrcs?: { id: Word; attribute?: Word; value?: Word }[];
    ssrcGroups?: { semantics: Word; ssrcs: Word }[];
    simulcast?: { dir1: string; list1: Word; dir2?: string; list2?: Word };
    sctpPort?: Word;
    maxMessageSize?: Word;
  };

  type Session = Attributes & {
    version?: Word;
    origin?: {
      username: Word;
      sessionId: Word;
      sessionVersion: Word;
      netType: string;
      ipVer: number;
      address: Word;
    };
    name?: Word;
    timing?: { start: number; stop: number };
    groups?: { type: string; mids: Word }[];
    media: Media[];
  };

  function parse(sdp: string): Session;
  function write(session: Session): string;
}
