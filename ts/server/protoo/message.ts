import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { JsonError, parseJson } from './json.js';

/** Asks the other side for something. */
export type Request = Static<typeof RequestSchema>;

/** Answers a request. */
export type Response = Static<typeof ResponseSchema>;

/** Tells the other side something. */
export type Notification = Static<typeof NotificationSchema>;

/** A message of the protoo framing, one per WebSocket text frame. */
export type Message = Request | Response | Notification;

/** Id of a request; protoo clients draw them from 0 to 9,999,999. */
const IdSchema = Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 });

const MethodSchema = Type.String({ minLength: 1, maxLength: 64 });

const RequestSchema = Type.Object({
  request: Type.Literal(true),
  id: IdSchema,
  method: MethodSchema,
  data: Type.Optional(Type.Unknown()),
});

const ResponseSchema = Type.Object({
  response: Type.Literal(true),
  id: IdSchema,
  ok: Type.Optional(Type.Boolean()),
  data: Type.Optional(Type.Unknown()),
  errorCode: Type.Optional(Type.Integer()),
  errorReason: Type.Optional(Type.String()),
});

const NotificationSchema = Type.Object({
  notification: Type.Literal(true),
  method: MethodSchema,
  data: Type.Optional(Type.Unknown()),
});

const isRequest = Compile(RequestSchema);
const isResponse = Compile(ResponseSchema);
const isNotification = Compile(NotificationSchema);

/**
 * Reads one message.
 *
 * @throws {@link JsonError} when it is none.
 */
export function parseMessage(text: string, depthMax: number): Message {
  const value = parseJson(text, depthMax);
  if (isRequest.Check(value) || isResponse.Check(value) || isNotification.Check(value)) {
    return value;
  }
  throw new JsonError('neither a request nor a response nor a notification');
}

/** Text of a request. */
export function requestText(id: number, method: string, data: unknown): string {
  return JSON.stringify({ request: true, id, method, data: data ?? {} });
}

/** Text of an answer. */
export function responseText(id: number, data: unknown): string {
  return JSON.stringify({ response: true, id, ok: true, data: data ?? {} });
}

/** Text of a refusal. The codes are those of HTTP. */
export function refusalText(id: number, errorCode: number, errorReason: string): string {
  return JSON.stringify({ response: true, id, ok: false, errorCode, errorReason });
}

/** Text of a notification. */
export function notificationText(method: string, data: unknown): string {
  return JSON.stringify({ notification: true, method, data: data ?? {} });
}
