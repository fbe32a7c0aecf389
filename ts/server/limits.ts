/** The bounds of the server that are no options. Tests pass smaller ones to reach them. */
export type Limits = {
  /** Bytes of one signalling message. Above: the WebSocket is closed with 1009 (RFC 6455 §7.4.1). */
  readonly messageBytesMax: number;
  /** Nesting of objects and arrays in a message; requests need 7. Above: the WebSocket is closed with 1008. */
  readonly messageDepthMax: number;
  /** Messages a second that a client may send for long, answers aside. Above, after the burst: closed with 1008. */
  readonly messagesPerSecond: number;
  /** Messages that a client may send at once. */
  readonly messageBurst: number;
  /** Requests and notifications of one client that are being worked on. Above: refused with 503, or ignored. */
  readonly requestsInFlightMax: number;
  /** Consumers that a client is asked to accept at a time. Above: the next ones wait until it has answered. */
  readonly offersInFlightMax: number;
  /** Time in ms for a client to answer a request; then the request counts as refused. */
  readonly serverRequestTimeoutMs: number;
  /** Bytes that wait to be sent to one client. Above: the client does not keep up and is cut off. */
  readonly sendBufferBytesMax: number;
  /** Time in ms between two pings (RFC 6455 §5.5.2). A client silent for two of them is cut off. */
  readonly pingIntervalMs: number;
  /** Transports of one participant; browsers use two. Above: the request is refused with 429. */
  readonly transportsPerPeerMax: number;
  /** Producers of one participant. Above: the request is refused with 429. */
  readonly producersPerPeerMax: number;
  /** Time in ms for messages to leave and sockets to close at shutdown; what remains then is cut off. */
  readonly closeTimeoutMs: number;
};

/** The bounds in production. */
export const LIMITS: Limits = {
  messageBytesMax: 64 * 1024,
  messageDepthMax: 16,
  messagesPerSecond: 50,
  messageBurst: 250,
  requestsInFlightMax: 32,
  offersInFlightMax: 32,
  serverRequestTimeoutMs: 20_000,
  sendBufferBytesMax: 4 * 1024 * 1024,
  pingIntervalMs: 10_000,
  transportsPerPeerMax: 4,
  producersPerPeerMax: 8,
  closeTimeoutMs: 1000,
};

/** TCP connections to one listening socket. Above: the connection is refused at once. */
export const CONNECTIONS_MAX = 10_000;

/** Time in ms for the head of an HTTP request to arrive. Above: 408 and the connection is closed. */
export const HTTP_HEADERS_TIMEOUT_MS = 10_000;

/** Time in ms for a whole HTTP request to arrive. Above: 408 and the connection is closed. */
export const HTTP_REQUEST_TIMEOUT_MS = 20_000;

/** Time in ms that an idle HTTP connection is kept. */
export const HTTP_KEEP_ALIVE_TIMEOUT_MS = 5000;

/** Bytes of the head of an HTTP request. Above: 431. */
export const HTTP_HEADER_BYTES_MAX = 16 * 1024;

/** Bytes of the body of an HTTP request; nothing that is served takes one. Above: 413. */
export const HTTP_BODY_BYTES_MAX = 16 * 1024;

/** Network addresses of this machine that are listened on, for the page and for media. Further ones are left out. */
export const ADDRESSES_MAX = 8;

/** Ports that are tried in turn for media when nobody asked for a certain one. */
export const MEDIA_PORT_TRIES = 50;
