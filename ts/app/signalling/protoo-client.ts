/** What the server says by itself. */
export type ProtooHandler = {
  /** Answers a request; what it throws refuses the request. */
  onRequest(method: string, data: never): unknown;
  /** Something happened. */
  onNotification(method: string, data: never): void;
  /** The connection is over and will not come back. Not called after `close()`. */
  onClose(code: number, reason: string): void;
};

/** The server refused a request. */
export class ProtooError extends Error {
  override name = 'ProtooError';

  /** Status code with the meaning it has in HTTP; 1000 or more: the code with which the connection was closed. */
  readonly code: number;

  constructor(code: number, reason: string) {
    super(reason);
    this.code = code;
  }
}

/** A WebSocket to the server in protoo framing: requests in both directions, and notifications. */
export class ProtooClient {
  readonly #socket: WebSocket;
  readonly #handler: ProtooHandler;
  readonly #pending = new Map<number, Pending>();
  #nextId = 0;

  private constructor(socket: WebSocket, handler: ProtooHandler) {
    this.#socket = socket;
    this.#handler = handler;
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data) as Message);
    socket.onclose = ({ code, reason }) => this.#end(code, reason);
  }

  /** Connects; rejects when that fails. */
  static open(url: string, handler: ProtooHandler): Promise<ProtooClient> {
    const socket = new WebSocket(url, 'protoo');
    return new Promise((resolve, reject) => {
      socket.onopen = () => resolve(new ProtooClient(socket, handler));
      socket.onclose = ({ code, reason }) => reject(new ProtooError(code, reason || 'The server cannot be reached.'));
    });
  }

  /** Asks the server; rejects with {@link ProtooError} when it refuses or does not answer in time. */
  request<T>(method: string, data: object = {}): Promise<T> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(id)?.reject(new ProtooError(408, 'no answer')), ANSWER_MS);
      this.#pending.set(id, { resolve: resolve as (data: unknown) => void, reject, timer });
      this.#send({ request: true, id, method, data });
    });
  }

  /** Ends the connection. */
  close(): void {
    this.#socket.onclose = null;
    this.#socket.close(1000, 'left');
    this.#rejectAll(new ProtooError(1000, 'the connection is closed'));
  }

  #send(message: object): void {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(message));
    }
  }

  #receive(message: Message): void {
    if ('request' in message) {
      void this.#answer(message);
    } else if ('response' in message) {
      const pending = this.#settle(message.id);
      if (message.ok) {
        pending?.resolve(message.data);
      } else {
        pending?.reject(new ProtooError(message.errorCode, message.errorReason));
      }
    } else {
      this.#handler.onNotification(message.method, message.data);
    }
  }

  async #answer({ id, method, data }: RequestMessage): Promise<void> {
    try {
      const answer = await this.#handler.onRequest(method, data);
      this.#send({ response: true, id, ok: true, data: answer ?? {} });
    } catch (error) {
      this.#send({ response: true, id, ok: false, errorCode: 500, errorReason: String(error) });
    }
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(pending?.timer);
    return pending;
  }

  #end(code: number, reason: string): void {
    this.#rejectAll(new ProtooError(code, reason || 'the connection was lost'));
    this.#handler.onClose(code, reason);
  }

  #rejectAll(error: ProtooError): void {
    for (const id of [...this.#pending.keys()]) {
      this.#settle(id)?.reject(error);
    }
  }
}

type Pending = {
  readonly resolve: (data: unknown) => void;
  readonly reject: (error: ProtooError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
};

type RequestMessage = { readonly request: true; readonly id: number; readonly method: string; readonly data: never };

type ResponseMessage = { readonly response: true; readonly id: number } & (
  | { readonly ok: true; readonly data: unknown }
  | { readonly ok?: false; readonly errorCode: number; readonly errorReason: string }
);

type NotificationMessage = { readonly notification: true; readonly method: string; readonly data: never };

type Message = RequestMessage | ResponseMessage | NotificationMessage;

/** Time in ms for the server to answer. */
const ANSWER_MS = 20_000;
